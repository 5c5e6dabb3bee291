import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OriginConfig } from "../../src/config/types.ts";
import type { MirrorStatus } from "../../src/mirror/MirrorStatus.ts";
import { type RealOrigin, startEverything } from "./realOrigins/support/origins.ts";
import { Fixture, type Handler, type Reply, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { startSdkOrigin, type SdkOrigin } from "./support/sdkOrigin.ts";
import { call, type Got, until } from "./support/wire.ts";

/** What an origin lists, two rows a page, and what it gives instead of a page, counted from 1. */
interface Book {
  rows: unknown[];
  instead: ((page: number, usual: Reply) => ReturnType<Handler> | undefined) | undefined;
  /** The pages that were asked for. */
  asked: number[];
}

const ORIGINS = 16;
const SIZE = 2;
const origin = new Fixture();
const books = new Map<string, Book>();
let everything: RealOrigin;
let sdk: SdkOrigin;
let replica: Replica;
let id: string;
let book: Book;
let used = 0;

const rowsOf = (...ids: number[]) => ids.map((one) => ({ id: one, name: `thing ${one}` }));
const TEN_PAGES = rowsOf(...Array.from({ length: 20 }, (_, at) => at + 1));

const listing: Handler = ({ path, params }) => {
  const one = books.get(/of=(\w+)/.exec(path)![1]!)!;
  const from = Number(params.arguments.cursor ?? 0);
  const to = from + SIZE;
  const { rows } = one;
  const page = from / SIZE + 1;
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
    tools: { get: { answer: { from: "things", key: "{id}" } } },
  };
  const mirrored = { "*": { mirror: { scope: "public", every: "1d" } } } as const;
  const named = Array.from({ length: ORIGINS }, (_, nth) => [`u${nth}`, { ...one, url: `${origin.url}?of=u${nth};` }]);
  replica = await startReplica({
    origins: {
      ...(Object.fromEntries(named) as Record<string, OriginConfig>),
      everything: { url: everything.url, resources: mirrored },
      sdk: { url: sdk.url, resources: mirrored },
    },
  });
});
beforeEach(() => {
  id = `u${used++}`;
  book = { rows: TEN_PAGES, instead: undefined, asked: [] };
  books.set(id, book);
  origin.tools = [tool("list"), tool("get", { inputSchema: { type: "object", properties: { id: {} } } })];
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

/** A first version: of twenty rows on ten pages. */
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
    ["a page that is no JSON", onPage(3, { text: "<html>1234</html>" }), { code: "bad-page", count: 1 }, "page 3"],
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
      (page) => structured({ rows: rowsOf(1_000 + page), next: page === 4 ? "2" : `${page * SIZE}` }),
      { code: "cursor-loops" },
      "cursor",
    ],
    [
      "more rows than there may be",
      (page) =>
        structured({
          rows: Array.from({ length: 400 }, (_, at) => ({ id: page * 1_000 + at })),
          next: `${page * SIZE}`,
        }),
      { code: "too-many-rows", count: 1_200 },
      "more than 1000 rows",
    ],
    [
      "an origin that dies on page 7",
      (page) => (page >= 7 ? "reset" : undefined),
      { code: "origin-failed", count: 1 },
      "page 7",
    ],
    [
      "a page that is cut short",
      (page, usual) => (page === 7 ? { ...usual, breakOff: true } : undefined),
      { code: "origin-failed", count: 1 },
      "page 7",
    ],
  ];

  test.for(wrong)("%s", async ([, instead, expected, words]) => {
    const { pulled } = await first();
    expect(pulled).toMatchObject({ rows: 20, pages: 10, added: 20, changed: 0, removed: 0 });
    book.rows = rowsOf(2, 3, 99, ...Array.from({ length: 17 }, (_, at) => at + 4));
    book.instead = instead;
    await pull();
    const status = await when(({ failed }) => failed !== null);
    expect(status).toMatchObject({ version: 1, rows: 20, failed: expected, pulled });
    expect(status.failed!.message).toContain(words);
    expect(JSON.stringify(status.failed)).not.toContain("1234");
    expect(status.nextAt).not.toBeNull();
    // Not what has come of the pull before it failed.
    expect(await mirroredRow(1)).toEqual({ id: 1, name: "thing 1" });
    expect(await mirroredRow(99)).toBeUndefined();
    const event = replica.lines.find((line) => line.includes('"mirror-failed"') && line.includes(`"${id}"`));
    expect(event ?? "").not.toContain("1234");

    book.instead = undefined;
    await pull();
    const after = await when(({ version }) => version === 2);
    expect(after).toMatchObject({ rows: 20, failed: null, pulled: { rows: 20, added: 1, removed: 1 } });
    expect(
      await until(
        () => mirroredRow(99),
        (row) => row !== undefined,
      ),
    ).toEqual({ id: 99, name: "thing 99" });
  });
});
