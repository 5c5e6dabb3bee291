import type { Collection } from "../config/mirror.ts";
import type { OriginFailure } from "../origin/failure.ts";
import type { PullProblem } from "./MirrorStatus.ts";
import type { RowProblem } from "./rowOf.ts";
import { TO_MIGRATE } from "./toMigrate.ts";

/** What is wrong with a page, or with all of them. */
export type PageProblem =
  | RowProblem
  | "duplicate-keys"
  | "too-many-rows"
  | "too-few-rows"
  | "cursor-loops"
  | "no-rows"
  | "pages-changed";

/** `count` rows or pages have a problem; `page` is counted from 1, `of` is how many rows are on it. */
export function pullProblem(
  problem: PageProblem,
  count: number,
  { page, of }: { page: number; of: number },
  { from, key, maxRows }: Pick<Collection, "from" | "key" | "maxRows">,
): PullProblem {
  const rows = `${count} of the ${of} rows on page ${page}`;
  switch (problem) {
    case "no-key":
      return {
        code: problem,
        count,
        message: `${rows} have no key: a string of 1 to 512 characters, or a number, at ${key.join(" and ")}. Name other members in "key".`,
      };
    case "wrong-type": {
      const instead =
        from.kind === "tool"
          ? "Point to an array of objects."
          : 'A row is the one text of a resource, if that is a JSON object. Name others in "from", or mirror resources as they are: "resources", with "mirror".';
      return { code: problem, count, message: `${rows} are no objects. ${instead}` };
    }
    case "row-too-large":
      return {
        code: problem,
        count,
        message: `${rows} are larger than 1 MB, or than 1.9 MB with what is indexed and searched. Ask the origin for less of each, or index and search less.`,
      };
    case "duplicate-keys":
      return {
        code: problem,
        count,
        message: `${rows} have the key of another row there, at ${key.join(" and ")}. Name more members in "key".`,
      };
    case "too-many-rows":
      return {
        code: problem,
        count,
        message: `There are more than ${maxRows} rows: ${count} up to page ${page}. Raise "maxRows", or ask the origin for fewer.`,
      };
    case "too-few-rows":
      return {
        code: problem,
        count,
        message: `Page ${page} is the last, and there are ${count} fewer rows than the origin says. See that "cursor" names the right member and argument, or leave out "total", if that counts something else.`,
      };
    case "cursor-loops":
      return {
        code: problem,
        count,
        message: `Page ${page} gives a cursor that an earlier page gave: the pages go round. See that "cursor" names the right member and argument.`,
      };
    case "no-rows":
      return {
        code: "cursor-loops",
        count,
        message: `${count} pages up to page ${page} have no row, and give a cursor for more. See that "rows" and "cursor" name the right members.`,
      };
    case "pages-changed":
      return {
        code: problem,
        count,
        message: `The origin changed what its pages say while they were read, ${count} times in a row, last seen on page ${page}. Ask it for larger pages, or in an order that stays.`,
      };
  }
}

/** The origin gave no page, or one that is none. */
export function originProblem(reply: { failure: OriginFailure } | { bad: string }, page: number): PullProblem {
  if ("bad" in reply) return { code: "bad-page", count: 1, message: `Page ${page}: ${reply.bad}` };
  const { failure } = reply;
  if (failure.kind === "garbage")
    return { code: "bad-page", count: 1, message: `Page ${page} cannot be used: ${failure.detail}.` };
  return { code: "origin-failed", count: 1, message: `The origin gave no page ${page}: ${reasonOf(failure)}.` };
}

function reasonOf(failure: OriginFailure): string {
  if ("status" in failure) return `HTTP ${failure.status}`;
  return "detail" in failure ? failure.detail : failure.kind;
}

/** D1 failed. What it says names tables and columns, and nothing of what is in them. */
export function storeProblem(error: unknown): PullProblem {
  const why = error instanceof Error ? error.message : String(error);
  const todo = why.includes("no such table: mirror") ? ` ${TO_MIGRATE}` : "";
  return { code: "store-failed", count: 1, message: `The database failed: ${why.slice(0, 200)}.${todo}` };
}
