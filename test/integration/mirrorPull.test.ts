import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OriginConfig } from "../../src/config/types.ts";
import type { MirrorStatus } from "../../src/mirror/MirrorStatus.ts";
import { type RealOrigin, startEverything } from "./realOrigins/support/origins.ts";
import { Fixture, type Handler, type Reply, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { startSdkOrigin, type SdkOrigin } from "./support/sdkOrigin.ts";
import { call, type Got, modern, type Params, until } from "./support/wire.ts";

/** What an origin lists, how many rows a page, and what it gives instead of a page, counted from 1. */
interface Book {
  rows: unknown[];
  size: number;
  instead: ((page: number, usual: Reply) => ReturnType<Handler> | undefined) | undefined;
  /** The pages that were asked for. */
  asked: number[];
}

const ORIGINS = 8;
const origin = new Fixture();
const books = new Map<string, Book>();
let everything: RealOrigin;
let sdk: SdkOrigin;
let replica: Replica;
let id: string;
let book: Book;
let used = 0;

const rowsOf = (...ids: number[]) => ids.map((one) => ({ id: one, name: `thing ${one}` }));
const TWENTY = rowsOf(...Array.from({ length: 20 }, (_, at) => at + 1));

const listing: Handler = ({ path, params }) => {
  const one = books.get(/of=(\w+)/.exec(path)![1]!)!;
  const from = Number(params.arguments.cursor ?? 0);
  const { rows, size } = one;
  const to = from + size;
  const page = from / size + 1;
  one.asked.push(page);
  const value = { rows: rows.slice(from, to), total: rows.length, next: to < rows.length ? `${to}` : null };
  const usual = { result: { content: [], structuredContent: value } };
  return one.instead?.(page, usual) ?? usual;
};
const structured = (value: unknown): Reply => ({ result: { content: [], structuredContent: value } });

beforeAll(async () => {
  await origin.start();
  [everything, sdk] = await Promise.all([startEverything(), startSdkOrigin("stateless")]);
  const one: Omit<OriginConfig, "url"> = {
    collections: {
      things: {
        from: { tool: "list", rows: "/rows", cursor: { argument: "cursor", next: "/next" }, total: "/total" },
        key: "id",
        scope: "public",
        every: "1d",
        maxRows: 1_000,
      },
      pages: { from: { resources: "x://thing/{id}", each: "things" }, key: "id", scope: "public", every: "1d" },
    },
    tools: {
      get: { answer: { from: "things", key: "{id}" } },
      page: { answer: { from: "pages", key: "{id}" } },
    },
  };
  const mirrored = { "*": { mirror: { scope: "public", every: "1d" } } } as const;
  const named = Array.from({ length: ORIGINS }, (_, nth) => [`u${nth}`, { ...one, url: `${origin.url}?of=u${nth};` }]);
  replica = await startReplica({
    origins: {
      ...(Object.fromEntries(named) as Record<string, OriginConfig>),
      everything: { url: everything.url, resources: mirrored, modernize: "always" },
      sdk: { url: sdk.url, resources: mirrored },
    },
  });
});
beforeEach(() => {
  id = `u${used++}`;
  book = { rows: TWENTY, size: 4, instead: undefined, asked: [] };
  books.set(id, book);
  const inputSchema = { type: "object", properties: { id: { type: "number" } } };
  origin.tools = [tool("list"), tool("get", { inputSchema }), tool("page", { inputSchema })];
  origin.on("tools/call list", listing);
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([origin.stop(), everything?.close(), sdk?.close()]);
});

async function pull(collection = "things", of = id): Promise<void> {
  const body = JSON.stringify({ origin: of, collection });
  const got = await fetch(`${replica.url}/admin/sync`, { method: "POST", body });
  expect(await got.text()).toContain(`"origin":"${of}"`);
}

async function statusOf(collection = "things", of = id): Promise<MirrorStatus> {
  const got = await fetch(`${replica.url}/admin/status?origin=${of}`);
  const { origins } = (await got.json()) as { origins: Record<string, { mirror: MirrorStatus[] }> };
  return origins[of]!.mirror.find((one) => one.collection === collection)!;
}

/** How it stands when nothing is being pulled, and something is so. */
const when = (isSo: (status: MirrorStatus) => boolean, collection?: string, of?: string) =>
  until(
    () => statusOf(collection, of),
    (status) => status.pulling === null && isSo(status),
  );

/** A first version: of twenty rows. */
async function first(): Promise<MirrorStatus> {
  await pull();
  return when(({ version }) => version === 1);
}

const get = (thing: number): Promise<Got> => call(`${replica.url}/mcp/${id}`, "get", { id: thing });
const rowIn = ({ body }: Got) => body.result?.structuredContent;
const isMirrored = ({ headers }: Got) => headers["cache-status"]?.includes("detail=mirror") ?? false;

/** What the tool is answered with from the mirror; of what it does not have, the origin's own answer. */
async function mirroredRow(thing: number): Promise<unknown> {
  const got = await get(thing);
  return isMirrored(got) ? rowIn(got) : undefined;
}

describe("something wrong with a pull is reported, and the version before stays", () => {
  const onPage =
    (page: number, reply: Reply | "reset"): Book["instead"] =>
    (nth) =>
      nth === page ? reply : undefined;
  const wrong: [string, Book["instead"], Partial<NonNullable<MirrorStatus["failed"]>>, string][] = [
    [
      "a page that is no JSON",
      onPage(3, { text: "<html>1234</html>" }),
      { code: "bad-page", count: 1 },
      "Page 3 cannot be used",
    ],
    [
      "a page of text that is no JSON",
      onPage(3, { result: { content: [{ type: "text", text: "the password is 1234" }] } }),
      { code: "bad-page", count: 1 },
      "its text is no JSON",
    ],
    ["a page without rows", onPage(3, structured({ things: [1234] })), { code: "bad-page", count: 1 }, "/rows"],
    [
      "a tool that refuses",
      onPage(3, { result: { content: [{ type: "text", text: "1234" }], isError: true } }),
      { code: "bad-page", count: 1 },
      "isError",
    ],
    [
      "rows without their key",
      onPage(3, structured({ rows: [{ id: 3 }, { name: "1234" }, { id: null }], next: 3 })),
      { code: "no-key", count: 2 },
      "2 of the 3 rows on page 3",
    ],
    [
      "rows that are no objects",
      onPage(3, structured({ rows: [1234, { id: 7 }] })),
      { code: "wrong-type", count: 1 },
      "1 of the 2 rows on page 3",
    ],
    [
      "two rows of one key",
      onPage(3, structured({ rows: [{ id: 1234 }, { id: 1234 }], next: "6" })),
      { code: "duplicate-keys", count: 1 },
      "/id",
    ],
    [
      "pages that go round in circles",
      (page) => structured({ rows: rowsOf(1_000 + page), next: page === 4 ? "4" : `${page * 4}` }),
      { code: "cursor-loops" },
      "cursor",
    ],
    [
      "more rows than there may be",
      (page) =>
        structured({
          rows: Array.from({ length: 400 }, (_, at) => ({ id: page * 1_000 + at })),
          next: `${page * 4}`,
        }),
      { code: "too-many-rows", count: 1_200 },
      "more than 1000 rows",
    ],
  ];

  // They come one after the other at one origin, each with the version that was there before all of them.
  test("as is said of each", async () => {
    const { pulled } = await first();
    expect(pulled).toMatchObject({ rows: 20, pages: 5, added: 20, changed: 0, removed: 0 });
    book.rows = rowsOf(2, 3, 99, ...Array.from({ length: 17 }, (_, at) => at + 4));
    for (const [what, instead, expected, words] of wrong) {
      book.instead = instead;
      await pull();
      const status = await when(({ failed }) => failed?.message.includes(words) ?? false);
      expect(status, what).toMatchObject({
        version: 1,
        rows: 20,
        failed: expected,
        pulled,
        nextAt: expect.any(Number),
      });
      expect(JSON.stringify(status.failed), what).not.toContain("1234");
      // Not what has come of the pull before it failed.
      expect(await mirroredRow(1), what).toEqual({ id: 1, name: "thing 1" });
      expect(await mirroredRow(99), what).toBeUndefined();
    }
    book.instead = undefined;
    await pull();
    const after = await when(({ version }) => version === 2);
    expect(after).toMatchObject({ rows: 20, failed: null, pulled: { rows: 20, added: 1, changed: 0, removed: 1 } });
    expect(await mirroredRow(99)).toEqual({ id: 99, name: "thing 99" });
    expect(await mirroredRow(1)).toBeUndefined();
  });

  test.for([
    ["reset", "reset", "unreachable"],
    ["limited", { status: 429, text: "", headers: { "retry-after": "120" } }, "HTTP 429"],
  ] as [string, Reply | "reset", string][])("an origin that dies on page 7: %s", async ([, reply, words]) => {
    book.size = 2;
    await first();
    book.rows = [...TWENTY.slice(1), ...rowsOf(99)];
    book.instead = (page) => (page >= 7 ? reply : undefined);
    await pull();
    const before = Date.now();
    const status = await when(({ failed }) => failed !== null);
    expect(status).toMatchObject({ version: 1, rows: 20, failed: { code: "origin-failed", count: 1 } });
    expect(status.failed!.message).toContain(words);
    expect(status.failed!.message).toContain("page 7");
    if (words === "HTTP 429") expect(status.nextAt).toBeGreaterThanOrEqual(before + 119_000);
    expect(await mirroredRow(1)).toEqual({ id: 1, name: "thing 1" });
    expect(await mirroredRow(99)).toBeUndefined();

    // It goes on from where it was, and then asks whether the first page is still what it was.
    book.asked = [];
    book.instead = undefined;
    await pull();
    const after = await when(({ version }) => version === 2);
    expect(after).toMatchObject({ failed: null, pulled: { rows: 20, pages: 10, added: 1, removed: 1 } });
    expect(book.asked).toEqual([7, 8, 9, 10, 1]);
    expect(await mirroredRow(1)).toBeUndefined();
    expect(await mirroredRow(99)).toEqual({ id: 99, name: "thing 99" });
  });
});

describe("an origin that changes its pages while they are read", () => {
  test("once: it is read from the start, and what is seen is how it was before, or is then", async () => {
    await first();
    let isNew = true;
    book.instead = (page) => {
      if (page === 5 && isNew) book.rows = [...rowsOf(99), ...TWENTY];
      if (page === 5) isNew = false;
      return undefined;
    };
    await pull();
    const { pulled } = await when(({ version }) => version === 2);
    expect(pulled).toMatchObject({ rows: 21, added: 1, changed: 0, removed: 0 });
    expect(book.asked.filter((page) => page === 2)).toHaveLength(3);
    expect(await mirroredRow(99)).toEqual({ id: 99, name: "thing 99" });
  });

  test("time and again: it is given up, and the version before stays", async () => {
    await first();
    let next = 100;
    book.instead = (page) => {
      if (page === 5) book.rows = [...rowsOf(next++), ...book.rows.slice(0, 19)];
      return undefined;
    };
    await pull();
    const status = await when(({ failed }) => failed !== null);
    expect(status).toMatchObject({ version: 1, rows: 20, failed: { code: "pages-changed", count: 4 } });
    expect(await mirroredRow(20)).toEqual({ id: 20, name: "thing 20" });
  });
});

test("resources that the rows of another collection name are rows of one of their own", async () => {
  const gone = new Set(["3"]);
  origin.on("resources/read", ({ params }) => {
    const of = params.uri.split("/").at(-1);
    if (gone.has(of)) return { error: { code: -32002, message: "no such resource" } };
    return {
      result: { contents: [{ uri: params.uri, text: JSON.stringify({ id: Number(of), words: `page ${of}` }) }] },
    };
  });
  await pull("pages");
  // There is nothing to name them yet.
  expect((await when(({ failed }) => failed !== null, "pages")).failed).toMatchObject({
    code: "bad-page",
    message: expect.stringContaining("Nothing has been mirrored of things yet"),
  });
  await first();
  await pull("pages");
  expect(await when(({ version }) => version === 1, "pages")).toMatchObject({ rows: 19, failed: null });
  const page = (of: number) => call(`${replica.url}/mcp/${id}`, "page", { id: of });
  expect(rowIn(await page(2))).toEqual({ id: 2, words: "page 2" });
  gone.add("2");
  await pull("pages");
  expect(await when(({ version }) => version === 2, "pages")).toMatchObject({ rows: 18, pulled: { removed: 1 } });
  expect(isMirrored(await page(2))).toBe(false);
});

describe("resources of real servers, of whose eras nothing is known", () => {
  test.for([["everything"], ["sdk"]])(
    "%s: lists, templates and what is listed are as they say themselves",
    async ([of]) => {
      const url = `${replica.url}/mcp/${of}`;
      await pull("~resources", of);
      const { rows } = await when(({ version }) => version === 1, "~resources", of);
      const own = { headers: { "cache-control": "no-cache" } };
      const asked: [string, Params][] = [["resources/templates/list", {}]];
      for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
        const params = cursor === undefined ? {} : { cursor };
        const { body } = await modern(url, "resources/list", params, own);
        for (const { uri } of body.result.resources) asked.push(["resources/read", { uri }]);
        if (cursor === undefined) asked.push(["resources/list", params]);
        cursor = body.result.nextCursor;
      }
      expect(rows).toBeGreaterThanOrEqual(asked.length);
      for (const [method, params] of asked) {
        const [told, said] = [await modern(url, method, params), await modern(url, method, params, own)];
        expect(isMirrored(told), `${method} ${JSON.stringify(params)}`).toBe(true);
        expect(contentOf(told)).toEqual(contentOf(said));
      }
    },
  );
});

/** What a result says, but for what is of one exchange. */
function contentOf({ body }: Got): unknown {
  const { _meta, ttlMs: _ttlMs, cacheScope: _scope, nextCursor: _next, ...content } = body.result;
  return content;
}
