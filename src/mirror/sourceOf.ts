import { OwnCalls } from "../origin/OwnCalls.ts";
import { askOne } from "./askOne.ts";
import { eachPage, type EachOf } from "./eachPage.ts";
import { Listed } from "./Listed.ts";
import { MirroredPages } from "./MirroredPages.ts";
import { mirrorName } from "./mirrorName.ts";
import type { MirrorSetup } from "./MirrorSetup.ts";
import { resourcePage } from "./resourcePage.ts";
import type { NoPage, Page, Source } from "./Source.ts";
import type { SourceTools } from "./SourceTools.ts";
import { toolPage } from "./toolPage.ts";

type Paging = (cursor: string | undefined) => Promise<Omit<Page, "requests"> | NoPage>;

/** Where the rows of a collection come from. It learns how the origin is asked: better held than made anew for each step. */
export function sourceOf(setup: MirrorSetup, tools: SourceTools): Source {
  const calls = new OwnCalls(setup.origin, setup.eras, tools);
  const paging = pagingOf(setup, tools, calls);
  return {
    page: async (cursor) => {
      const before = calls.requests;
      const page = await paging(cursor);
      return "rows" in page ? { ...page, requests: calls.requests - before } : page;
    },
    one: (key, uri) => askOne(calls, setup.collection, key, uri),
  };
}

function pagingOf({ origin, collection, each }: MirrorSetup, { db }: SourceTools, calls: OwnCalls): Paging {
  const { from } = collection;
  const listed = new Listed(calls);
  switch (from.kind) {
    case "tool":
      return (cursor) => toolPage(calls, from, cursor);
    case "resources":
      return (cursor) => resourcePage(calls, listed, from.pattern, cursor);
    case "mirror": {
      const pages = new MirroredPages(calls, listed, from.patterns);
      return (cursor) => pages.page(cursor);
    }
    case "each":
      return async (cursor) => {
        if (!each) return { bad: `The collection ${from.each}, whose rows name its resources, is not known.` };
        const other: EachOf = { collection: from.each, db, name: await mirrorName(origin, each) };
        return eachPage(calls, from.template, other, cursor);
      };
  }
}
