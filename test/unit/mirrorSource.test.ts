import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { RESOURCES, type Collection, type RowSource } from "../../src/config/mirror.ts";
import { resolve } from "../../src/config/resolve.ts";
import { inputSchemasOf } from "../../src/mirror/inputSchemasOf.ts";
import { mirrorName } from "../../src/mirror/mirrorName.ts";
import type { MirrorSetup } from "../../src/mirror/MirrorSetup.ts";
import type { Page, Source } from "../../src/mirror/Source.ts";
import { sourceOf } from "../../src/mirror/sourceOf.ts";
import type { SourceTools } from "../../src/mirror/SourceTools.ts";
import { urisIn } from "../../src/mirror/urisIn.ts";
import { openSession } from "../../src/origin/openSession.ts";
import { runs } from "../support/runs.ts";
import { mirrored } from "./support/mirrored.ts";

const { settings } = resolve({ origins: { "source-test": { service: "ORIGIN" } } }).origins.get("source-test")!;
const origin = { ...settings, firstByteMs: 500, totalMs: 1_000 };

interface Asked {
  http: string;
  method: string;
  params: any;
  headers: Headers;
  isModern: boolean;
}

type Script = (asked: Asked) => object | Response;

/** An origin behind a service binding: it speaks one era, and says what the scripts say. */
class FakeOrigin {
  asked: Asked[] = [];
  era: "modern" | "stateless" | "sessions" = "modern";
  live = new Set<string>();
  mostAtOnce = 0;
  #scripts = new Map<string, Script>();
  #opened = 0;
  #atOnce = 0;

  readonly bindings = { ORIGIN: { fetch: (_: string, init: RequestInit) => this.#fetch(init) } };

  on(method: string, script: Script): void {
    this.#scripts.set(method, script);
  }

  count(method: string): number {
    return this.asked.filter((one) => one.method === method).length;
  }

  async #fetch({ method: http, headers: given, body }: RequestInit): Promise<Response> {
    const { id, method, params } = typeof body === "string" ? JSON.parse(body) : ({ method: http } as any);
    const headers = new Headers(given);
    const isModern = params?._meta?.["io.modelcontextprotocol/protocolVersion"] === "2026-07-28";
    const asked: Asked = { http: http!, method, params, headers, isModern };
    this.asked.push(asked);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#atOnce);
    await scheduler.wait(1);
    this.#atOnce--;
    const told = (message: object, status = 200, more = {}) =>
      Response.json({ jsonrpc: "2.0", id: id ?? null, ...message }, { status, headers: more });
    if (isModern !== (this.era === "modern")) return told({ error: { code: -32000, message: "Bad Request" } }, 400);
    if (method === "initialize") {
      const result = { protocolVersion: "2025-06-18", capabilities: {}, serverInfo: { name: "fake", version: "1" } };
      const session = `s${++this.#opened}`;
      if (this.era === "sessions") this.live.add(session);
      return told({ result }, 200, this.era === "sessions" ? { "mcp-session-id": session } : {});
    }
    if (this.era === "sessions" && !this.live.has(headers.get("mcp-session-id")!)) return told({}, 404);
    if (id === undefined) return new Response(null, { status: 202 });
    const script = this.#scripts.get(method);
    if (!script) {
      if (method === "server/discover")
        return told({ result: { supportedVersions: ["2026-07-28"], capabilities: {} } });
      if (method === "tools/list") return told({ result: { tools: [] } });
      return told({ error: { code: -32601, message: "Method not found" } });
    }
    const answer = script(asked);
    if (answer instanceof Response) return answer;
    if ("error" in answer) return told(answer);
    return told({ result: isModern ? { resultType: "complete", ...answer } : answer });
  }
}

let fake: FakeOrigin;
beforeEach(() => {
  fake = new FakeOrigin();
});

const NO_STORE = { _meta: { "edge-replica/cache-control": "private, no-store" } };
const structured = (value: unknown) => ({ content: [], structuredContent: value });
const text = (words: string) => ({ content: [{ type: "text", text: words }] });

const COLLECTION: Collection = {
  name: "things",
  from: { kind: "tool", tool: "list", arguments: {}, rows: "/rows", cursor: undefined, total: undefined },
  key: ["/id"],
  keyNames: ["id"],
  columns: [],
  indexes: [],
  search: undefined,
  readers: "public",
  everyMs: 60_000,
  maxRows: 1_000,
  staleIfErrorMs: 0,
  tags: [],
  row: undefined,
  tools: [],
};
const PAGED: RowSource = {
  kind: "tool",
  tool: "list",
  arguments: { limit: 2 },
  rows: "/rows",
  cursor: { argument: "cursor", next: "/next" },
  total: "/total",
};

function toolsOf(): SourceTools {
  return {
    bindings: fake.bindings,
    db: env.DB,
    pool: (request) => openSession(request.origin, fake.bindings),
    waitUntil: () => {},
    now: () => 1_000_000,
  };
}

function setupOf(collection: Partial<Collection>, eras: MirrorSetup["eras"] = { modern: true }): MirrorSetup {
  return { origin, collection: { ...COLLECTION, ...collection }, eras, among: [], listens: false };
}

function sourceFrom(from: RowSource, more: Partial<Collection> = {}, eras?: MirrorSetup["eras"]): Source {
  return sourceOf(setupOf({ from, ...more }, eras), toolsOf());
}

/** All pages until the last, or the first that is none. */
async function pagesOf(source: Source): Promise<{ pages: Page[]; end: unknown }> {
  const pages: Page[] = [];
  let cursor: string | undefined;
  do {
    const page = await source.page(cursor);
    if (!("rows" in page)) return { pages, end: page };
    pages.push(page);
    cursor = page.next;
  } while (cursor !== undefined && pages.length < 100);
  return { pages, end: cursor };
}

describe("the era", () => {
  beforeEach(() => fake.on("tools/call", () => structured({ rows: [{ id: 1 }] })));
  const one = async (eras: MirrorSetup["eras"]) => {
    const page = await sourceFrom(PAGED, {}, eras).page(undefined);
    expect(page).toMatchObject({ rows: [{ id: 1 }] });
    return fake.asked.find(({ method }) => method === "tools/call")!;
  };

  test("modern, as is known: in its envelope, with its headers", async () => {
    const { headers, params } = await one({ modern: true });
    expect(params._meta).toMatchObject({
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {},
      "io.modelcontextprotocol/clientInfo": { name: "mcp-edge-replica" },
    });
    expect(Object.fromEntries(headers)).toMatchObject({
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "list",
    });
    expect(fake.count("server/discover")).toBe(0);
  });

  test("stateless, as is known: plain, in the version that it agrees to", async () => {
    fake.era = "stateless";
    const { headers, params } = await one({ modern: false, legacy: "stateless", version: "2025-06-18" });
    expect(params).toEqual({ name: "list", arguments: { limit: 2 } });
    expect(headers.get("mcp-protocol-version")).toBe("2025-06-18");
    expect(headers.has("mcp-method")).toBe(false);
    expect(fake.asked).toHaveLength(1);
  });

  test("in sessions, as is known: one for all pages, and another where that is over", async () => {
    fake.era = "sessions";
    const source = sourceFrom(PAGED, {}, { modern: false, legacy: "sessions" });
    for (let page = 0; page < 3; page++) expect(await source.page(undefined)).toMatchObject({ rows: [{ id: 1 }] });
    expect(fake.count("initialize")).toBe(1);
    fake.live.clear();
    expect(await source.page(undefined)).toMatchObject({ rows: [{ id: 1 }] });
    expect(fake.count("initialize")).toBe(2);
    expect(fake.asked.at(-1)!.headers.get("mcp-session-id")).toBe("s2");
  });

  test.for(["modern", "stateless", "sessions"] as const)("unknown, and found to be %s", async (era) => {
    fake.era = era;
    await one({});
    expect(fake.count("server/discover")).toBe(1);
    expect(fake.count("initialize")).toBe(era === "modern" ? 0 : 1);
  });

  test.for([
    ["modern", { modern: false, legacy: "stateless" }],
    ["modern", { modern: false, legacy: "sessions" }],
    ["stateless", { modern: true }],
    ["sessions", { modern: true }],
    ["sessions", { modern: false, legacy: "stateless" }],
  ] as const)("another than was thought: %s, not %j", async ([era, eras]) => {
    fake.era = era;
    await one(eras);
  });

  test("one that is refused for a reason of its own is not asked in another era, nor again and again", async () => {
    fake.on("tools/call", ({ params }) =>
      Response.json({ jsonrpc: "2.0", id: 1, error: { code: -32602, message: `no ${params.name}` } }, { status: 400 }),
    );
    const source = sourceFrom(PAGED);
    const bad = {
      bad: 'The origin answered a call of list with the JSON-RPC error -32602. See that "from" names one of its tools, and arguments that it takes.',
    };
    for (let times = 0; times < 3; times++) expect(await source.page(undefined)).toEqual(bad);
    expect(fake.count("server/discover")).toBe(1);
  });

  test("an origin that is down is not taken for one of another era", async () => {
    fake.on("tools/call", () => new Response(null, { status: 503 }));
    expect(await sourceFrom(PAGED).page(undefined)).toEqual({ failure: { kind: "status", status: 503 } });
    fake.on("server/discover", () => new Response(null, { status: 503 }));
    expect(await sourceFrom(PAGED, {}, {}).page(undefined)).toEqual({ failure: { kind: "status", status: 503 } });
    expect(fake.count("initialize")).toBe(0);
  });
});

describe("pages of a tool", () => {
  /** Answers with two rows a page. */
  const listOf = (all: unknown[], asCursor: (at: number) => unknown) =>
    fake.on("tools/call", ({ params }) => {
      const { limit, cursor = asCursor(0) } = params.arguments;
      const at = all.findIndex((_, place) => JSON.stringify(asCursor(place)) === JSON.stringify(cursor));
      const isLast = at + limit >= all.length;
      const value = { rows: all.slice(at, at + limit), next: isLast ? null : asCursor(at + limit), total: all.length };
      return structured(value);
    });

  test.for([
    ["text", (at: number) => `at "${at}"`],
    ["numbers", (at: number) => at * 10],
  ] as const)("follow each other by cursors that are %s, each sent as it came", async ([, asCursor]) => {
    listOf([{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }, { id: 5 }], asCursor);
    const { pages, end } = await pagesOf(sourceFrom(PAGED));
    expect(end).toBeUndefined();
    expect(pages.map(({ rows }) => rows)).toEqual([[{ id: 1 }, { id: 2 }], [{ id: 3 }, { id: 4 }], [{ id: 5 }]]);
    expect(pages.map(({ total }) => total)).toEqual([5, 5, 5]);
    // The list of tools is read with the first: it says what arguments are mirrored in headers.
    expect(pages.map(({ requests }) => requests)).toEqual([2, 1, 1]);
    const sent = fake.asked.filter(({ method }) => method === "tools/call").map(({ params }) => params.arguments);
    expect(sent).toEqual([{ limit: 2 }, { limit: 2, cursor: asCursor(2) }, { limit: 2, cursor: asCursor(4) }]);
  });

  test("in the JSON of the only text block, and all of it where no place is named", async () => {
    fake.on("tools/call", () => text('[{"id":"a"},7]'));
    const page = await sourceFrom({ ...PAGED, rows: "", cursor: undefined, total: undefined }).page(undefined);
    expect(page).toEqual({ rows: [{ id: "a" }, 7], requests: 2 });
  });

  test("by JSON Pointer, of what is the row's own", async () => {
    fake.on("tools/call", () => structured({ "a/b": [{ "~": [{ id: 1 }] }], __proto__: { rows: [] } }));
    expect(await sourceFrom({ ...PAGED, rows: "/a~1b/0/~0" }).page(undefined)).toMatchObject({ rows: [{ id: 1 }] });
    for (const rows of ["/a~1b/00/~0", "/a~1b/-/~0", "/constructor", "/a~1b/length"]) {
      const { bad } = (await sourceFrom({ ...PAGED, rows }).page(undefined)) as { bad: string };
      expect(bad).toContain(`it has nothing at ${rows}, where the rows should be`);
    }
  });

  test.for([
    [
      "isError",
      { ...text("the password is 1234"), isError: true },
      "it refused, with isError: call it so yourself to read why",
    ],
    ["text that is no JSON", text("the password is 1234"), "its text is no JSON"],
    ["two texts", { content: [...text("[]").content, ...text("[]").content] }, "2 text blocks"],
    ["no content", {}, "0 text blocks"],
    ["an object for rows", structured({ rows: { password: 1234 } }), "it has an object at /rows"],
    ["null for rows", structured({ rows: null }), "it has null at /rows"],
    ["an object for a cursor", structured({ rows: [], next: { password: 1234 } }), "it has an object at /next"],
    ["true for a cursor", structured({ rows: [], next: true }), "it has a boolean at /next"],
    ["a huge cursor", structured({ rows: [], next: "1234".repeat(5_000) }), "its cursor has 20002 characters"],
    ["what must not be kept", { ...structured({ rows: [] }), ...NO_STORE }, "it must not be kept"],
    ["a question", { resultType: "input_required", inputRequests: {} }, "it asks for something first"],
    ["no object for a result", Response.json({ jsonrpc: "2.0", id: 1, result: [1234] }), "its result is no object"],
  ] as const)("that are none: %s", async ([, answer, words]) => {
    fake.on("tools/call", () => answer);
    const page = (await sourceFrom(PAGED).page(undefined)) as { bad: string };
    expect(Object.keys(page)).toEqual(["bad"]);
    expect(page.bad).toMatch(/^What the origin answered a call of list with is of no use: .*\.$/);
    expect(page.bad).toContain(words);
    expect(page.bad).not.toContain("1234");
  });

  test.for([
    ["no JSON", () => new Response("<html>", { headers: { "content-type": "text/html" } }), { kind: "garbage" }],
    [
      "too many requests",
      () => new Response(null, { status: 429, headers: { "retry-after": "7" } }),
      { kind: "status", status: 429, retryAfterMs: 7_000 },
    ],
    ["refused", () => new Response(null, { status: 401 }), { kind: "refused", status: 401 }],
    ["cut short", () => new Response('{"jsonrpc":"2.0","id":1,', {}), { kind: "garbage" }],
  ] as const)("that fail: %s", async ([, answer, failure]) => {
    fake.on("tools/call", answer);
    expect(await sourceFrom(PAGED).page(undefined)).toMatchObject({ failure });
  });

  test("with an integer that is not held as written are none, for another row may have it", async () => {
    const bad = { bad: expect.stringContaining("an integer that programs do not hold as it is written") };
    const told = (words: string) =>
      new Response(`{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete",${words.slice(1)}}`, {
        headers: { "content-type": "application/json" },
      });
    const page = async (rows: string) => {
      const value = `{"rows":${rows}}`;
      fake.on("tools/call", () => told(`{"content":[],"structuredContent":${value}}`));
      const structured = await sourceFrom(PAGED).page(undefined);
      fake.on("tools/call", () => text(value));
      expect(await sourceFrom(PAGED).page(undefined)).toEqual(structured);
      return structured;
    };
    const huge = "1".repeat(400);
    for (const n of ["9007199254740993", "-12345678901234567891", "9".repeat(309), huge])
      expect(await page(`[{"id":"a\\"","n":[ ${n} ]}]`), n).toEqual(bad);
    const held = `[{"id":"x:9007199254740993,","n":[9007199254740992,1e300,0.1234567890123456789,100000000000000000000]}]`;
    expect(await page(held)).toMatchObject({ rows: JSON.parse(held) });
    // Nor is one that is asked for by itself, or a resource.
    const row = { tool: "get", arguments: { id: "{id}" }, at: "/thing" };
    fake.on("tools/call", () => told('{"content":[],"structuredContent":{"thing":{"id":9007199254740993}}}'));
    expect(await sourceFrom(PAGED, { row }).one(["a"])).toEqual(bad);
    serveResources([], (uri) => saying(uri, '{"id":9007199254740993}'));
    expect(await sourceFrom(PAGED, { row: { resource: "x://{id}" } }).one(["a"])).toEqual(bad);
  });

  test("that are larger than may be held", async () => {
    fake.on("tools/call", () => text("1".repeat(17 * 1_048_576)));
    const { bad } = (await sourceFrom(PAGED).page(undefined)) as { bad: string };
    expect(bad).toContain("it is over 16 MB");
  });

  test("mirror in headers the arguments that the list of tools says", async () => {
    const inputSchema = {
      type: "object",
      properties: { limit: { type: "number", "x-mcp-header": "Limit" }, q: { "x-mcp-header": "Q" } },
    };
    fake.on("tools/list", ({ params }) =>
      params.cursor ? { tools: [{ name: "list", inputSchema }] } : { tools: [{ name: "other" }], nextCursor: "2" },
    );
    fake.on("tools/call", () => structured({ rows: [] }));
    const source = sourceFrom({ ...PAGED, arguments: { limit: 2, q: "ü" } });
    await source.page(undefined);
    await source.page(undefined);
    for (const { headers } of fake.asked.filter(({ method }) => method === "tools/call")) {
      expect(headers.get("mcp-param-limit")).toBe("2");
      expect(headers.get("mcp-param-q")).toBe("=?base64?w7w=?=");
    }
    expect(fake.count("tools/list")).toBe(2);
    // It wants something else now.
    fake.on("tools/call", () => ({ error: { code: -32020, message: "header mismatch" } }));
    expect(await source.page(undefined)).toMatchObject({ bad: expect.stringContaining("-32020") });
    fake.on("tools/call", () => structured({ rows: [] }));
    expect(await source.page(undefined)).toMatchObject({ rows: [] });
    expect(fake.count("tools/list")).toBe(4);
  });
});

/** Serves lists of resources, page by page, and what each says. */
function serveResources(pages: string[][], read: (uri: string) => object): void {
  fake.on("resources/list", ({ params }) => {
    const nth = Number(params.cursor ?? 0);
    const resources = pages[nth]!.map((uri) => ({ uri, name: uri }));
    return { resources, ttlMs: 5, cacheScope: "public", ...(nth + 1 < pages.length && { nextCursor: `${nth + 1}` }) };
  });
  fake.on("resources/read", ({ params }) => read(params.uri));
}
const saying = (uri: string, words: string) => ({ contents: [{ uri, mimeType: "application/json", text: words }] });
const uris = (count: number, from = 0) => Array.from({ length: count }, (_, at) => `x://thing/${from + at}`);

describe("listed resources", () => {
  const FROM: RowSource = { kind: "resources", pattern: "x://thing/*" };
  const rowOf = (uri: string) => saying(uri, JSON.stringify({ id: uri.split("/").at(-1) }));

  test("are read twenty a page, four at once, each once, with where they came from", async () => {
    serveResources([[...uris(45), "y://other", "x://thing/0"], ["y://another"], uris(3, 45)], rowOf);
    const { pages, end } = await pagesOf(sourceFrom(FROM));
    expect(end).toBeUndefined();
    expect(pages.map(({ rows }) => rows.length)).toEqual([20, 20, 5, 3]);
    expect(pages.flatMap((page) => page.uris)).toEqual(uris(48));
    expect(pages.flatMap(({ rows }) => rows)).toEqual(uris(48).map((_, at) => ({ id: `${at}` })));
    // A page of the list that is read bit by bit is asked for once.
    expect(fake.count("resources/list")).toBe(3);
    expect(pages.map(({ requests }) => requests)).toEqual([21, 20, 5, 5]);
    expect(fake.mostAtOnce).toBe(4);
  });

  test("are read one at a time from an origin that takes no more", async () => {
    serveResources([uris(5)], rowOf);
    const setup = setupOf({ from: FROM });
    const source = sourceOf({ ...setup, origin: { ...origin, concurrency: 1 } }, toolsOf());
    expect(await source.page(undefined)).toMatchObject({ uris: uris(5) });
    expect(fake.mostAtOnce).toBe(1);
  });

  test("go on in another source after the last one that was read, and all over where that is gone", async () => {
    const list = uris(30);
    serveResources([list], rowOf);
    const first = (await sourceFrom(FROM).page(undefined)) as Page;
    const rest = (await sourceFrom(FROM).page(first.next)) as Page;
    expect(rest.uris).toEqual(uris(10, 20));
    list.splice(19, 1);
    const again = (await sourceFrom(FROM).page(first.next)) as Page;
    expect(again.uris!.slice(0, 2)).toEqual(uris(2));
  });

  test("that are not there any more are left out, those that are no JSON are no rows, and one that fails ends the page", async () => {
    serveResources([uris(5)], (uri) => {
      if (uri.endsWith("/1")) return { error: { code: -32002, message: "not found" } };
      if (uri.endsWith("/2")) return { error: { code: -32602, message: "not found" } };
      if (uri.endsWith("/3")) return saying(uri, "no JSON");
      return uri.endsWith("/4") ? { contents: [] } : rowOf(uri);
    });
    const page = await sourceFrom(FROM).page(undefined);
    expect(page).toEqual({
      rows: [{ id: "0" }, null, null],
      uris: ["x://thing/0", "x://thing/3", "x://thing/4"],
      requests: 6,
    });
    serveResources([uris(2)], () => ({ error: { code: -32603, message: "the password is 1234" } }));
    expect(await sourceFrom(FROM).page(undefined)).toEqual({
      bad: "The origin answered resources/read of x://thing/0 with the JSON-RPC error -32603.",
    });
    serveResources([uris(2)], (uri) => ({ ...rowOf(uri), ...NO_STORE }));
    expect(await sourceFrom(FROM).page(undefined)).toMatchObject({ bad: expect.stringContaining("must not be kept") });
    serveResources([uris(2)], () => new Response(null, { status: 502 }));
    expect(await sourceFrom(FROM).page(undefined)).toEqual({ failure: { kind: "status", status: 502 } });
  });

  test("that are larger than a row may be are not held until all of the page are there", async () => {
    const json = (of: object, indent: number) =>
      JSON.stringify({ ...of, numbers: Array(90_000).fill(1) }, null, indent);
    serveResources([uris(2)], (uri) => saying(uri, json({ id: uri }, 10)));
    expect(json({}, 10).length).toBeGreaterThan(1_000_000);
    expect(await sourceFrom(FROM).page(undefined)).toMatchObject({ uris: uris(2) });
    serveResources([uris(2)], (uri) => saying(uri, json({ id: uri, text: "x".repeat(900_000) }, 0)));
    expect(await sourceFrom(FROM).page(undefined)).toEqual({
      bad: "What the origin answered resources/read of x://thing/0 with is of no use: its JSON is larger than 1 MB.",
    });
  });

  test("of an origin that has none, or lists what is no list", async () => {
    expect(await sourceFrom(FROM).page(undefined)).toEqual({
      bad: "What the origin answered resources/list with is of no use: it has no such method.",
    });
    fake.on("resources/list", () => ({ resources: {} }));
    expect(await sourceFrom(FROM).page(undefined)).toMatchObject({
      bad: expect.stringContaining("no array of resources"),
    });
    fake.on("resources/list", () => ({ resources: [], nextCursor: 7 }));
    expect(await sourceFrom(FROM).page(undefined)).toMatchObject({ bad: expect.stringContaining("no string") });
  });

  test("whose list goes round in circles come with a cursor that was there before", async () => {
    fake.on("resources/list", ({ params }) => ({ resources: [], nextCursor: params.cursor === "a" ? "b" : "a" }));
    const source = sourceFrom(FROM);
    const first = (await source.page(undefined)) as Page;
    const second = (await source.page(first.next)) as Page;
    expect(second).toMatchObject({ rows: [], next: first.next });
    expect(first.requests).toBe(20);
  });
});

describe("resources as they are", () => {
  const FROM: RowSource = { kind: "mirror", patterns: ["x://thing/*", "y://*"] };
  const bodies = (pages: readonly Page[]) =>
    Object.fromEntries(
      pages.flatMap(({ rows }) => rows as { key: string; body: string }[]).map((row) => [row.key, row.body]),
    );

  test("lists, templates and what is listed, in neutral form, text and binary", async () => {
    serveResources([["x://thing/0", "z://not"], ["y://blob"]], (uri) =>
      uri === "y://blob"
        ? { contents: [{ uri, blob: "AAECAw==" }], ttlMs: 9, cacheScope: "private", _meta: { a: 1 } }
        : { _meta: {}, ...saying(uri, "zero") },
    );
    fake.on("resources/templates/list", () => ({ resourceTemplates: [{ uriTemplate: "x://{a}", name: "a" }] }));
    const { pages, end } = await pagesOf(sourceFrom(FROM, { name: RESOURCES }));
    expect(end).toBeUndefined();
    expect(bodies(pages)).toEqual({
      "list:0": '"resources":[{"uri":"x://thing/0","name":"x://thing/0"},{"uri":"z://not","name":"z://not"}]',
      "read:x://thing/0": '"contents":[{"uri":"x://thing/0","mimeType":"application/json","text":"zero"}]',
      "list:1": '"resources":[{"uri":"y://blob","name":"y://blob"}]',
      "read:y://blob": '"contents":[{"uri":"y://blob","blob":"AAECAw=="}]',
      "templates:0": '"resourceTemplates":[{"uriTemplate":"x://{a}","name":"a"}]',
    });
    expect(pages.some(({ skipped, uris }) => skipped || uris)).toBe(false);
  });

  test("without templates, where the origin has none; and bit by bit, the list said once", async () => {
    serveResources([uris(45)], (uri) => saying(uri, "x"));
    const { pages } = await pagesOf(sourceFrom(FROM, { name: RESOURCES }));
    expect(pages.map(({ rows }) => rows.length)).toEqual([21, 20, 5, 0]);
    expect(Object.keys(bodies(pages))).toHaveLength(46);
    expect(fake.count("resources/list")).toBe(1);
  });

  test("a page of a list that is too large is several, with all that is on it, in its order", async () => {
    const all = uris(1_500).map((uri) => ({ uri, name: '[é]"},'.repeat(150) }));
    const more = [{ uri: "z://last", name: "last" }];
    fake.on("resources/list", ({ params }) =>
      params.cursor ? { resources: more } : { before: [1], resources: all, nextCursor: "2", after: "]" },
    );
    fake.on("resources/read", ({ params }) => saying(params.uri, "x"));
    const source = sourceFrom({ kind: "mirror", patterns: ["x://thing/7*"] }, { name: RESOURCES });
    const { pages, end } = await pagesOf(source);
    expect(end).toBeUndefined();
    const told = bodies(pages);
    const lists = Object.keys(told).filter((key) => key.startsWith("list:"));
    expect(lists).toEqual(["list:0", "list:1", "list:2"]);
    const results = lists.map((key) => JSON.parse(`{${told[key]}}`));
    expect(results.flatMap(({ resources }) => resources)).toEqual([...all, ...more]);
    for (const { before, after } of results.slice(0, 2)) expect([before, after]).toEqual([[1], "]"]);
    for (const key of lists) expect(new TextEncoder().encode(told[key]).length).toBeLessThanOrEqual(1_000_000);
    expect(Object.keys(told).filter((key) => key.startsWith("read:"))).toHaveLength(111);
    expect(fake.count("resources/list")).toBe(2);
  });

  test("what is too large, must not be kept or fails is named, and what is gone is left out", async () => {
    const long = `x://thing/${"9".repeat(4_000)}`;
    serveResources([[...uris(6), long, "x://thing/\0", "x://thing/\ud800"]], (uri) => {
      if (uri.endsWith("/1")) return saying(uri, "é".repeat(500_000));
      if (uri.endsWith("/2")) return { ...saying(uri, ""), ...NO_STORE };
      if (uri.endsWith("/3")) return { error: { code: -32603, message: "the password is 1234" } };
      if (uri.endsWith("/4")) return { error: { code: -32002, message: "not found" } };
      return uri.endsWith("/5") ? { resultType: "input_required" } : saying(uri, "zero");
    });
    const page = (await sourceFrom(FROM, { name: RESOURCES }).page(undefined)) as Page;
    expect(page.rows.map((row) => (row as { key: string }).key)).toEqual(["list:0", "read:x://thing/0"]);
    expect(page.skipped).toEqual([
      { uri: "x://thing/1", why: "it is over 1000000 bytes" },
      { uri: "x://thing/2", why: "it must not be kept, or has a member twice" },
      { uri: "x://thing/3", why: "the JSON-RPC error -32603" },
      { uri: "x://thing/5", why: "it asks for something first" },
      { uri: long.slice(0, 200), why: "its URI has over 4000 characters" },
      { uri: "x://thing/\0", why: "its URI has characters that cannot be stored" },
      { uri: "x://thing/\ufffd", why: "its URI has characters that cannot be stored" },
    ]);
  });

  test("an origin that fails in the middle fails the page", async () => {
    serveResources([uris(6)], (uri) =>
      uri.endsWith("/5") ? new Response(null, { status: 429, headers: { "retry-after": "3" } }) : saying(uri, ""),
    );
    expect(await sourceFrom(FROM, { name: RESOURCES }).page(undefined)).toEqual({
      failure: { kind: "status", status: 429, retryAfterMs: 3_000 },
    });
  });

  test("a list that goes round in circles comes with a cursor that was there before", async () => {
    fake.on("resources/list", ({ params }) => ({ resources: [], nextCursor: params.cursor === "a" ? "b" : "a" }));
    const source = sourceFrom(FROM, { name: RESOURCES });
    const cursors: unknown[] = [];
    for (let cursor: string | undefined, page = 0; page < 4; page++) {
      cursor = ((await source.page(cursor)) as Page).next;
      cursors.push(cursor);
    }
    expect(cursors[2]).toBe(cursors[0]);
    expect(cursors[3]).toBe(cursors[1]);
  });

  test("a list that must not be kept is no list", async () => {
    fake.on("resources/list", () => ({ resources: [], ...NO_STORE }));
    const page = await sourceFrom(FROM, { name: RESOURCES }).page(undefined);
    expect(page).toMatchObject({ bad: expect.stringContaining("it must not be kept") });
  });

  test("one is asked for by its key", async () => {
    serveResources([], (uri) => {
      if (uri === "x://gone") return { error: { code: -32002, message: "" } };
      if (uri === "x://large") return saying(uri, "x".repeat(1_000_001));
      return uri === "x://down" ? new Response(null, { status: 500 }) : saying(uri, "words");
    });
    const source = sourceFrom(FROM, { name: RESOURCES });
    const body = '"contents":[{"uri":"x://a","mimeType":"application/json","text":"words"}]';
    expect(await source.one(["read:x://a"])).toEqual({ row: { key: "read:x://a", body } });
    expect(await source.one(["read:x://gone"])).toEqual({ gone: true });
    expect(await source.one(["read:x://large"])).toEqual({ gone: true });
    expect(await source.one(["read:x://down"])).toEqual({ failure: { kind: "status", status: 500 } });
    expect(await source.one(["list:0"])).toMatchObject({ bad: expect.any(String) });
  });
});

test("whatever the pages of a list, and wherever a pull goes on in another source, each resource comes once", async () => {
  const pages = fc.array(fc.integer({ min: 0, max: 45 }), { minLength: 1, maxLength: 5 });
  const cuts = fc.infiniteStream(fc.boolean());
  await fc.assert(
    fc.asyncProperty(pages, fc.boolean(), cuts, async (sizes, isMirror, cut) => {
      let from = 0;
      const lists = sizes.map((size) => [...uris(size, (from += size) - size), `y://${from}`]);
      serveResources(lists, (uri) => saying(uri, JSON.stringify({ id: uri })));
      const kind: RowSource = isMirror
        ? { kind: "mirror", patterns: ["x://thing/*", "x://*/1*"] }
        : { kind: "resources", pattern: "x://thing/*" };
      const fresh = () => sourceFrom(kind, isMirror ? { name: RESOURCES } : {});
      let source = fresh();
      const read: string[] = [];
      const lines: string[] = [];
      for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
        const page = (await source.page(cursor)) as Page;
        expect(page.rows.length).toBeLessThanOrEqual(21);
        for (const row of page.rows as { id?: string; key?: string }[]) {
          const { id, key = `read:${id}` } = row;
          if (key.startsWith("read:")) read.push(key.slice(5));
          else lines.push(key);
        }
        cursor = page.next;
        if (cut.next().value) source = fresh();
      }
      expect(read).toEqual(uris(from));
      expect(lines).toEqual(isMirror ? lists.map((_, nth) => `list:${nth}`) : []);
    }),
    { numRuns: runs(15, 200) },
  );
});

describe("resources named by the rows of another collection", () => {
  const each: Collection = { ...COLLECTION, name: "brands" };
  const from: RowSource = { kind: "each", template: "x://brand/{id}/{at.year}", each: "brands" };
  let table: string;
  let name: string;

  beforeEach(async () => {
    name = await mirrorName(origin, each);
    table = `"rows:${name}"`;
    fake.on("resources/read", ({ params }) =>
      params.uri.includes("gone")
        ? { error: { code: -32002, message: "" } }
        : saying(params.uri, `{"of":"${params.uri}"}`),
    );
    await env.DB.batch([
      env.DB.prepare(`DROP TABLE IF EXISTS ${table}`),
      env.DB.prepare("DELETE FROM mirror WHERE name = ?").bind(name),
    ]);
  });

  async function fill(rows: [key: string, since: number, until: number, row: object][], version: number, oldest = 0) {
    await env.DB.batch([
      env.DB.prepare(
        `CREATE TABLE ${table} (id INTEGER PRIMARY KEY, key TEXT, since INTEGER, until INTEGER, body TEXT) STRICT`,
      ),
      env.DB.prepare("INSERT INTO mirror (name, origin, collection, version, oldest) VALUES (?, ?, ?, ?, ?)").bind(
        name,
        origin.id,
        "brands",
        version,
        oldest,
      ),
      ...rows.map(([key, since, until, row]) =>
        env.DB.prepare(`INSERT INTO ${table} (key, since, until, body) VALUES (?, ?, ?, ?)`).bind(
          key,
          since,
          until,
          JSON.stringify(row),
        ),
      ),
    ]);
  }

  const source = () => sourceOf({ ...setupOf({ from }), each }, toolsOf());
  const ALWAYS = Number.MAX_SAFE_INTEGER;
  const brand = (id: string) => ({ id, at: { year: 7 } });

  test("are read in the order of the keys, percent-encoded, without what names none or is not there", async () => {
    await fill(
      [
        ["b", 1, ALWAYS, brand("é/(b)")],
        ["a", 1, ALWAYS, brand("a")],
        ["c", 1, ALWAYS, { id: "c", at: 7 }],
        ["d", 1, ALWAYS, brand("gone")],
        ["e", 2, ALWAYS, brand("not yet")],
        ["f", 1, 1, brand("not any more")],
      ],
      1,
    );
    expect(await source().page(undefined)).toEqual({
      rows: [{ of: "x://brand/a/7" }, { of: "x://brand/%C3%A9%2F%28b%29/7" }],
      uris: ["x://brand/a/7", "x://brand/%C3%A9%2F%28b%29/7"],
      requests: 3,
    });
  });

  test("go by one version as long as it is kept, then by the newest", async () => {
    const key = (at: number) => String(at).padStart(2, "0");
    const ids = Array.from({ length: 25 }, (_, at) => key(at));
    await fill(
      ids.map((id) => [id, 1, id === "24" ? 2 : ALWAYS, brand(id)]),
      1,
    );
    const first = (await source().page(undefined)) as Page;
    expect(first.rows).toHaveLength(20);
    await env.DB.prepare("UPDATE mirror SET version = 2 WHERE name = ?").bind(name).run();
    const pinned = (await source().page(first.next)) as Page;
    expect(pinned).toMatchObject({ uris: ["20", "21", "22", "23", "24"].map((id) => `x://brand/${id}/7`) });
    expect(pinned.next).toBeUndefined();
    await env.DB.prepare("UPDATE mirror SET oldest = 2 WHERE name = ?").bind(name).run();
    const newest = (await source().page(first.next)) as Page;
    expect(newest.uris).toHaveLength(4);
  });

  test("are none while that has not been mirrored, and none to an empty one", async () => {
    const bad = "Nothing has been mirrored of brands yet, whose rows name its resources.";
    expect(await source().page(undefined)).toEqual({ bad });
    await fill([["a", 1, ALWAYS, brand("a")]], 0);
    expect(await source().page(undefined)).toEqual({ bad });
    await env.DB.prepare("UPDATE mirror SET version = 5 WHERE name = ?").bind(name).run();
    await env.DB.prepare(`DELETE FROM ${table}`).run();
    expect(await source().page(undefined)).toEqual({ rows: [], uris: [], requests: 0 });
  });
});

test("an origin is asked to tell of no resource whose URI is very long: five hundred have to be kept as one value", async () => {
  const world = await mirrored("source-uris", { resources: { "c://*": { mirror: { scope: "public" } } } });
  const uris = [`c://${"é".repeat(999)}`, `c://${"é".repeat(998)}`, "c://a"];
  await world.publish("~resources", [
    ...uris.map((uri) => ({ key: `read:${uri}`, body: "" })),
    { key: "list:0", body: "" },
  ]);
  expect((await urisIn(env.DB, world.nameOf("~resources")).some(500)).sort()).toEqual(uris.slice(1).sort());
});

describe("one row", () => {
  const row = { tool: "get", arguments: { id: "{id}", more: [{ both: "{id}:{kind}", flag: true }] }, at: "/thing" };
  const keyed: Partial<Collection> = { key: ["/id", "/kind"], keyNames: ["id", "kind"] };

  test("by a tool, its arguments filled from the key", async () => {
    fake.on("tools/call", () => structured({ thing: { id: "a" } }));
    expect(await sourceFrom(PAGED, { ...keyed, row }).one(["a", "{id}"])).toEqual({ row: { id: "a" } });
    const { params } = fake.asked.at(-1)!;
    expect(params).toMatchObject({ name: "get", arguments: { id: "a", more: [{ both: "a:{id}", flag: true }] } });
  });

  test("by a tool that takes a number", async () => {
    const properties = { id: { type: "integer" } };
    fake.on("tools/list", () => ({ tools: [{ name: "get", inputSchema: { type: "object", properties } }] }));
    fake.on("tools/call", () => structured({ thing: { id: 7 } }));
    await sourceFrom(PAGED, { ...keyed, row }).one(["7", "x"]);
    expect(fake.asked.at(-1)!.params.arguments.id).toBe(7);
  });

  test("is gone where the tool says null, and not where it refuses, fails, or has nothing there", async () => {
    const source = sourceFrom(PAGED, { ...keyed, row });
    const one = (answer: object) => {
      fake.on("tools/call", () => answer);
      return source.one(["a", "b"]);
    };
    expect(await one(structured({ thing: null }))).toEqual({ gone: true });
    expect(await one({ ...text("not found"), isError: true })).toMatchObject({
      bad: expect.stringContaining("isError"),
    });
    expect(await one(structured({}))).toMatchObject({ bad: expect.stringContaining("nothing at /thing") });
    expect(await one({ error: { code: -32602, message: "" } })).toMatchObject({
      bad: expect.stringContaining("-32602"),
    });
    expect(await one(new Response(null, { status: 500 }))).toMatchObject({ failure: { kind: "status" } });
  });

  test("by a resource: of the key, or the one that it came from", async () => {
    serveResources([], (uri) =>
      uri.endsWith("gone") ? { error: { code: -32602, message: "" } } : saying(uri, `{"of":"${uri}"}`),
    );
    const named = sourceFrom(PAGED, { ...keyed, row: { resource: "x://{kind}/{id}" } });
    expect(await named.one(["a b", "k"])).toEqual({ row: { of: "x://k/a%20b" }, uri: "x://k/a%20b" });
    expect(await named.one(["gone", "k"])).toEqual({ gone: true });
    const listed = sourceFrom({ kind: "resources", pattern: "x://*" }, keyed);
    expect(await listed.one(["a", "b"], "x://it")).toEqual({ row: { of: "x://it" }, uri: "x://it" });
    expect(await listed.one(["a", "b"])).toMatchObject({ bad: expect.stringContaining("no `row`") });
  });
});

describe("schemas of the tools that are answered", () => {
  const schemasOf = (tools: string[]) => inputSchemasOf(setupOf({ tools }), toolsOf());
  const list = (...names: [string, unknown][]) =>
    fake.on("tools/list", ({ params }) => {
      const at = Number(params.cursor ?? 0);
      const [name, inputSchema] = names[at]!;
      return { tools: [{ name, inputSchema }], ...(at + 1 < names.length && { nextCursor: `${at + 1}` }) };
    });

  test("from all pages of the list, by name", async () => {
    list(["b", { type: "object", title: "b" }], ["other", {}], ["a", { type: "object" }]);
    const found = (await schemasOf(["b", "a", "missing"])) as { json: string };
    expect(found).toEqual({ json: '{"a":{"type":"object"},"b":{"type":"object","title":"b"}}', requests: 3 });
  });

  test("without those that are listed twice, or do not fit", async () => {
    list(["a", { a: 1 }], ["a", { a: 2 }], ["b", { b: "x".repeat(262_144) }], ["c", { c: 1 }]);
    expect(await schemasOf(["a", "b", "c"])).toMatchObject({ json: '{"c":{"c":1}}' });
  });

  test("are asked for where there is a tool, and what fails is said", async () => {
    expect(await schemasOf([])).toEqual({ json: "{}", requests: 0 });
    expect(fake.asked).toEqual([]);
    fake.on("tools/list", () => new Response(null, { status: 503 }));
    expect(await schemasOf(["a"])).toEqual({ failure: { kind: "status", status: 503 } });
  });

  test("from a list that goes round in circles, within bounds", async () => {
    fake.on("tools/list", ({ params }) => ({
      tools: [{ name: "a", inputSchema: {} }],
      nextCursor: params.cursor === "x" ? "y" : "x",
    }));
    expect(await schemasOf(["a"])).toMatchObject({ json: "{}" });
    expect(fake.count("tools/list")).toBeLessThanOrEqual(100);
  });
});
