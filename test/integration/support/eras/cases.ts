import { setTimeout as wait } from "node:timers/promises";
import * as z from "zod";
import type { Connected } from "./connect.ts";

/** What a case needs of an origin. */
export interface CaseOrigin {
  cancelled: string[];
  change: (uri: string) => void;
}

/** One thing that a client does. */
export interface Case {
  /** Does it. What comes of it, without what may differ from time to time. */
  act: (who: Connected, origin: CaseOrigin) => Promise<unknown>;
  /** What may come of it, by the word that stands in the table. Another text, and every error, stands there as it is. */
  words?: Readonly<Record<string, unknown>>;
  /** The replica does it in a way of its own, so that it is not compared with what the origin does directly. */
  isOwn?: true;
  /** What comes of it directly, where the replica says the same in words of its own. */
  direct?: string;
}

const URI = "test://fixed";
/** How long it is waited for what may not come, in ms. */
const PATIENCE_MS = 600;
let calls = 0;

/** While the origin is there, in this order. */
export const CASES = {
  "promised besides tools, resources, prompts, completions": {
    act: async ({ client }) => {
      const { tools, resources, prompts, completions, ...rest } = client.getServerCapabilities();
      if (!tools || !resources || !prompts || !completions) return "less";
      const isTold = [tools, resources, prompts].some((one) => one.listChanged || one.subscribe);
      return [...Object.keys(rest), ...(isTold ? ["notifications"] : [])].join(", ") || "nothing";
    },
    isOwn: true,
  },
  list: {
    act: async ({ client }) => (await client.listTools()).tools.some(({ name }: any) => name === "plain"),
    words: { works: true },
  },
  page: {
    act: async ({ client }) => {
      const uris = ({ resources }: any) => resources.map(({ uri }: any) => uri);
      // The second package asks for all pages by itself.
      const first = uris(await client.listResources())[0];
      const second = uris(await client.listResources({ cursor: "2" }));
      return [first, second, await codeOf(client.listResources({ cursor: "made up" }))];
    },
    words: { works: [URI, ["test://item/1"], -32602] },
  },
  call: {
    act: async ({ call }) => said(await call("plain", { q: "x" }), await call("write")),
    words: { works: ["plain x", "written"] },
  },
  "structured result": {
    act: async ({ call }) => structured(await call("object")),
    words: { works: { a: 1 } },
  },
  "structured result, no object": {
    act: async ({ call }) => structured(await call("array")),
    words: {
      works: [{ n: 1 }, { n: 2 }],
      "works, as `{ result: … }`": { result: [{ n: 1 }, { n: 2 }] },
    },
  },
  read: {
    act: async ({ client }) => (await client.readResource({ uri: URI })).contents[0].text,
    words: { works: "fixed" },
  },
  "read what is not there": {
    act: ({ client }) => client.readResource({ uri: "test://nothing" }),
  },
  template: {
    act: async ({ client }) => [
      (await client.listResourceTemplates()).resourceTemplates[0].uriTemplate,
      (await client.readResource({ uri: "test://item/7" })).contents[0].text,
    ],
    words: { works: ["test://item/{id}", "item 7"] },
  },
  prompt: {
    act: async ({ client }) => [
      (await client.listPrompts()).prompts[0].name,
      (await client.getPrompt({ name: "greet", arguments: { name: "Ada" } })).messages[0].content.text,
    ],
    words: { works: ["greet", "Greet Ada"] },
  },
  complete: {
    act: async ({ client }) => {
      const ref = { type: "ref/prompt", name: "greet" };
      return (await client.complete({ ref, argument: { name: "name", value: "A" } })).completion.values;
    },
    words: { works: ["Ada", "Alan"] },
  },
  progress: {
    act: async ({ call }) => {
      const seen: unknown[] = [];
      const words = said(await call("stepping", {}, { onprogress: ({ progress }) => seen.push(progress) }));
      return Array.isArray(words) ? [...words, ...seen] : words;
    },
    words: { works: ["stepped", 1, 2] },
  },
  cancel: {
    act: async ({ call }, { cancelled }) => {
      const as = `call ${++calls}`;
      const leaving = new AbortController();
      const options = { signal: leaving.signal, onprogress: () => leaving.abort() };
      const answer = await call("waiting", { as }, options).catch(() => undefined);
      // An answer is none that was waited for until the client left.
      if (answer !== undefined) return answer;
      return soon(() => cancelled.includes(as));
    },
    words: { works: true, "the client gives up, the origin goes on": false },
  },
  log: {
    act: async ({ client, isModern, call, logs }) => {
      if (!isModern) await client.setLoggingLevel("info");
      logs.length = 0;
      const words = said(await call("talking", {}, { logLevel: "info" }));
      if (!Array.isArray(words)) return words;
      await soon(() => logs.length > 0, 100);
      return [...words, ...logs];
    },
    words: { works: ["done", "said"], "a level is accepted, no log comes": ["done"] },
  },
  elicit: {
    act: async ({ call }) => said(await call("asking")),
    words: { works: ["accept"] },
  },
  subscribe: {
    act: async ({ client, isModern, updates }, origin) => {
      updates.length = 0;
      const listening = isModern ? await client.listen({ resourceSubscriptions: [URI] }) : undefined;
      if (listening) updates.push(`told of ${listening.honoredFilter.resourceSubscriptions}`);
      else await client.subscribeResource({ uri: URI });
      origin.change(URI);
      // The replica looks at the feed once a pulse, and a listener's stream at what was heard twice a second.
      await soon(() => updates.includes(URI), 1_500);
      await listening?.close();
      return [...updates].filter((one) => one !== `told of ${URI}`);
    },
    words: { works: [URI], "accepted; the origin says nothing": [] },
  },
  ping: {
    act: ({ client }) => client.ping(),
    words: { works: {} },
  },
  "unknown tool": {
    act: ({ call }) => call("nothing"),
  },
  "bad argument": {
    act: ({ call }) => call("plain", { q: [7] }),
    direct: "`isError`",
  },
  "unknown method": {
    act: ({ client }) => client.request({ method: "acme/unknown", params: {} }, z.looseObject({})),
  },
} satisfies Record<string, Case>;

const KEPT: Case = {
  act: async ({ client, call }) => {
    if (!(await client.listTools()).tools.some(({ name }: any) => name === "plain")) return "no list";
    return said(await call("plain", { q: "x" }));
  },
  words: { works: ["plain x"] },
};
const OTHER: Case = { act: ({ call }) => call("write") };

/** When the origin has died under a connected client. */
export const WHEN_DEAD = {
  "the origin has died: what is kept": KEPT,
  "the origin has died: other calls": OTHER,
};

/** When a client connects to a dead origin that the replica has met before. */
export const WHEN_OFFLINE = {
  "the origin was dead before: what is kept": KEPT,
  "the origin was dead before: other calls": OTHER,
};

/** What the tools say; instead, the first result that is an error. */
function said(...results: any[]): unknown {
  return results.find(({ isError }) => isError) ?? results.map(({ content }) => content[0].text);
}

function structured(result: any): unknown {
  return result.isError ? result : result.structuredContent;
}

async function codeOf(act: Promise<unknown>): Promise<unknown> {
  return act.then(
    () => "no error",
    ({ code }) => code,
  );
}

/** Whether it comes to be so soon. */
async function soon(isSo: () => boolean, patienceMs = PATIENCE_MS): Promise<boolean> {
  for (const end = Date.now() + patienceMs; Date.now() < end; await wait(10)) if (isSo()) return true;
  return isSo();
}
