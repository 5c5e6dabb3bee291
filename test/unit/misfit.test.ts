import { expect, test } from "vitest";
import type { Entry } from "../../src/cache/entry.ts";
import { candidatesOf } from "../../src/lanes/candidates.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { misfit } from "../../src/lanes/misfit.ts";
import { Schemas } from "../../src/lanes/Schemas.ts";
import { resolve } from "../../src/config/resolve.ts";
import { cacheableMethod } from "../../src/mcp/methods.ts";
import { META_CAPABILITIES, META_VERSION } from "../../src/mcp/names.ts";
import type { Call } from "../../src/mcp/recognise.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import { emptyIsolate } from "./emptyIsolate.ts";

const NOW = 1_000_000;
const TOOL = { name: "t", inputSchema: { type: "object", required: ["q"] } };
const bodyOf = (tools: unknown[]) => JSON.stringify({ tools }).slice(1, -1);

/** A call without what its tool requires, in an isolate that holds the list for callers who declare the capabilities. */
async function setUp({
  declares = {},
  asksIn,
  kept = {},
}: { declares?: object; asksIn?: "legacy"; kept?: object } = {}) {
  const replica = resolve({ origins: { o: { url: "https://mcp.example.com/mcp" } }, access: { keys: true } });
  const meta = { [META_VERSION]: "2026-07-28", [META_CAPABILITIES]: declares };
  const x = {
    origin: replica.origins.get("o")!,
    isolate: { ...emptyIsolate(), schemas: new Schemas() },
    feed: new FeedView(() => "i"),
    now: () => NOW,
    principal: "key:a",
    session: undefined,
    asksIn,
    scan: { exact: true },
    body: { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "t", _meta: meta } },
  } as unknown as Exchange;
  const shape = cacheableMethod("tools/list")!;
  const listing = { method: "tools/list", shape, target: null, variant: undefined, capabilities: kept } as Call;
  const entry = {
    storedAt: NOW,
    ttlMs: 60_000,
    scope: "private",
    tags: [],
    hash: "h",
    meta: "",
    body: bodyOf([TOOL]),
    feedId: "f",
    seq: 1,
  };
  await x.isolate.memory.put(candidatesOf(x, listing, x.origin.lists)!.private!, entry as unknown as Entry);
  const hear = (seq: number, tags: string[]) =>
    x.feed.hear(x.feed.ask(), {
      feedId: "f",
      seq,
      floor: 0,
      hardFloor: 0,
      changes: tags.map((tag) => ({ tag, seq, hard: 0, told: 0 })),
    });
  return { x, hear };
}

test("a list is gone by until the feed tells of a change to it, or of nothing at all", async () => {
  const { x, hear } = await setUp();
  hear(1, []);
  expect(misfit(x)).toEqual({ kind: "invalid-arguments", tool: "t", places: [{ at: "/q", expected: "is missing" }] });
  x.feed.detached = true;
  expect(misfit(x)).toBeUndefined();
  x.feed.detached = false;
  hear(2, ["list:prompts"]);
  expect(misfit(x)).toBeDefined();
  hear(3, ["list:tools"]);
  expect(misfit(x)).toBeUndefined();
});

test("it is the list of who declares the same extensions; whoever is translated is shown everybody's", async () => {
  const declares = { extensions: { "acme/tools": {} } };
  expect(misfit((await setUp({ declares })).x)).toBeUndefined();
  expect(misfit((await setUp({ declares, kept: declares })).x)).toBeDefined();
  expect(misfit((await setUp({ declares, asksIn: "legacy" })).x)).toBeDefined();
});

test("what asks for no answer is not judged, nor what is no tool call", async () => {
  const { x } = await setUp();
  const body = x.body as Record<string, unknown>;
  for (const other of [{ ...body, id: undefined }, { ...body, method: "prompts/get" }, { ...body, params: [] }, "text"])
    expect(misfit({ ...x, body: other })).toBeUndefined();
  expect(misfit(x)).toBeDefined();
});

test("pages are read once, the same text for all, and no more of them are held than there is room for", () => {
  const schemas = new Schemas();
  const large = (nth: number) => ({ hash: `h${nth}`, body: bodyOf([TOOL, { name: "x".repeat(900_000) }, nth]) });
  const first = schemas.of(large(0));
  expect(schemas.of(large(0))).toBe(first);
  // Another text is another page, whatever its hash says.
  const other = schemas.of({ ...large(1), hash: "h0" });
  expect(other).not.toBe(first);
  for (const nth of [2, 3, 4]) schemas.of(large(nth));
  expect(schemas.of({ ...large(1), hash: "h0" })).toBe(other);
  schemas.of(large(5));
  expect(schemas.of({ ...large(1), hash: "h0" })).toBe(other);
  const [second, third] = [schemas.of(large(2)), schemas.of(large(2))];
  expect(second).toBe(third);
  for (const nth of [6, 7, 8, 9]) schemas.of(large(nth));
  expect(schemas.of(large(2))).not.toBe(second);
});
