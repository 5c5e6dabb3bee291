import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { differenceOf } from "../../src/mirror/compare.ts";
import { CLIENTS } from "./support/clients.ts";
import { Fixture, type Seen, tool } from "./support/fixture.ts";
import { makeStateful } from "./support/stateful.ts";
import { type Replica, seed, startReplica } from "./support/replica.ts";
import {
  type Ask,
  call,
  codeOf,
  type Got,
  initialize,
  legacy,
  legacyCall,
  modern,
  modernBody,
  modernHeaders,
  type Params,
  said,
  send,
  until,
} from "./support/wire.ts";

/** What the origin has. */
interface Item {
  sku: string;
  name: string;
  category: string;
  price: number;
  tags: string[];
}

const HOUR = 3_600_000;
const origin = new Fixture();
const stateful = new Fixture();
let replica: Replica;
let mcp: string;
let items: Map<string, Item>;
/** Whether the second instance reaches the feed. */
let isReachable = true;

const newItems = () =>
  new Map(
    Array.from({ length: 60 }, (_, nth): [string, Item] => {
      const sku = `s${nth}`;
      const price = nth % 10 === 0 ? 5 : nth;
      return [sku, { sku, name: `Item "${nth}" é`, category: nth % 2 ? "odd" : "even", price, tags: ["a", sku] }];
    }),
  );

const bySku = { type: "object", properties: { sku: { type: "string", minLength: 1 } }, required: ["sku"] };
const BY_SKU = { answer: { from: "items", key: "{sku}" }, consistency: "bounded" } as const;
const NOT_FOUND = { text: "There is no item {args.sku|json}.", isError: true };
const PAGED = { rows: "/items", cursor: { argument: "cursor", next: "/next" } };
const KEYED = { key: "sku", scope: "public", every: "1h" } as const;

const TOOLS = [
  tool("list_items"),
  tool("list_aged"),
  tool("list_lost"),
  tool("list_staff"),
  ...["get_item", "cached_item", "strict_item", "aged_item", "told_item", "lost_item", "staff_item", "big_item"].map(
    (name) => tool(name, { inputSchema: bySku }),
  ),
  tool("tags_of", { inputSchema: bySku, outputSchema: { type: "array", items: { type: "string" } } }),
  tool("put_item", { inputSchema: { type: "object" } }),
  tool("headed_item", {
    inputSchema: { ...bySku, properties: { sku: { type: "string", "x-mcp-header": "Sku" } } },
  }),
  tool("find_items", {
    inputSchema: {
      type: "object",
      properties: {
        category: { enum: ["odd", "even"] },
        limit: { type: "integer", minimum: 1, maximum: 50, default: 7 },
        cursor: { type: "string" },
        verbose: { type: "boolean" },
      },
    },
  }),
];

const RESOURCES: Record<string, object> = {
  "doc://a": { uri: "doc://a", mimeType: "text/plain", text: 'A "quoted" é' },
  "doc://b": { uri: "doc://b", text: "B" },
  "bin://x": { uri: "bin://x", mimeType: "application/octet-stream", blob: "AAECAw==" },
  "doc://c": { uri: "doc://c", text: "C" },
  "live://1": { uri: "live://1", text: "L" },
};
const listing = (uris: string[]) => uris.map((uri) => ({ uri, name: uri }));

/** Answers as an origin that has the items. */
function behave(fixture: Fixture): void {
  fixture.tools = TOOLS;
  const one = ({ params }: Seen) => {
    const item = items.get(params.arguments.sku);
    if (!item) {
      const text = `There is no item ${JSON.stringify(params.arguments.sku)}.`;
      return { result: { content: [{ type: "text", text }], isError: true } };
    }
    return { result: { content: [{ type: "text", text: JSON.stringify(item) }], structuredContent: { ...item } } };
  };
  for (const name of [
    "get_item",
    "cached_item",
    "strict_item",
    "aged_item",
    "told_item",
    "lost_item",
    "staff_item",
    "headed_item",
    "big_item",
  ])
    fixture.on(`tools/call ${name}`, one);
  fixture.on("tools/call tags_of", ({ params, isModern }) => {
    const { tags } = items.get(params.arguments.sku)!;
    const structuredContent = isModern ? tags : { result: tags };
    return { result: { content: [{ type: "text", text: JSON.stringify(tags) }], structuredContent } };
  });
  for (const name of ["list_items", "list_aged", "list_lost", "list_staff"]) {
    fixture.on(`tools/call ${name}`, ({ params }) => {
      const from = Number(params.arguments?.cursor ?? 0);
      const page = [...items.values()].slice(from, from + 25);
      const next = from + 25 < items.size ? `${from + 25}` : undefined;
      return { result: { content: [{ type: "text", text: JSON.stringify({ items: page, next }) }] } };
    });
  }
  fixture.on("tools/call find_items", ({ params }) => {
    const { category, limit = 7, cursor = "0" } = params.arguments ?? {};
    const found = [...items.values()]
      .filter((item) => category === undefined || item.category === category)
      .sort((a, b) => b.price - a.price || (a.sku < b.sku ? -1 : 1));
    const page = found.slice(Number(cursor), Number(cursor) + limit);
    const value = { items: page.map(({ sku, price }) => ({ sku, price })), total: found.length };
    return { result: { content: [{ type: "text", text: JSON.stringify(value) }], structuredContent: value } };
  });
  fixture.on("tools/call put_item", ({ params }) => {
    const { sku, ...changes } = params.arguments;
    items.set(sku, { ...items.get(sku)!, ...changes });
    return { result: { content: [{ type: "text", text: "put" }] } };
  });
  const hints = ({ isModern }: Seen) => (isModern ? { ttlMs: 0, cacheScope: "private" } : {});
  fixture.on("resources/list", (seen) => {
    const isFirst = seen.params.cursor === undefined;
    const resources = listing(isFirst ? ["doc://a", "doc://b", "bin://x"] : ["doc://c", "live://1"]);
    return { result: { resources, ...(isFirst && { nextCursor: "second" }), ...hints(seen) } };
  });
  fixture.on("resources/templates/list", (seen) => ({
    result: { resourceTemplates: [{ uriTemplate: "doc://{id}", name: "docs" }], ...hints(seen) },
  }));
  fixture.on("resources/read", (seen) => {
    const contents = RESOURCES[seen.name!];
    if (!contents) return { error: { code: seen.isModern ? -32602 : -32002, message: "Resource not found" } };
    return { result: { contents: [contents], ...hints(seen) } };
  });
}

const dev = (token: string): Ask => ({ headers: { authorization: `Bearer ${token}` } });
const WHOLE = { tools: ["*"], resources: ["*"], prompts: ["*"] };

beforeAll(async () => {
  items = newItems();
  await Promise.all([origin.start(), stateful.start()]);
  behave(origin);
  const from = (name: string) => ({ tool: name, ...PAGED });
  replica = await startReplica(
    {
      origins: {
        o: {
          default: true,
          url: origin.url,
          timeout: { firstByte: "1s", total: "2s" },
          sync: { pulse: "500ms" },
          collections: {
            items: {
              ...KEYED,
              from: from("list_items"),
              index: [["category", "price"], "price"],
              tags: ["item:{sku}"],
              row: { tool: "get_item", arguments: { sku: "{sku}" } },
            },
            aged: { ...KEYED, from: from("list_aged") },
            lost: { ...KEYED, from: from("list_lost") },
            staff: { from: from("list_staff"), key: "sku", roles: ["staff"], every: "1h" },
          },
          tools: {
            get_item: { ...BY_SKU, answer: { ...BY_SKU.answer, notFound: NOT_FOUND } },
            headed_item: BY_SKU,
            tags_of: { ...BY_SKU, shape: { value: "{row.tags}" } },
            big_item: { ...BY_SKU, budget: { bytes: "100B" } },
            strict_item: { answer: BY_SKU.answer },
            cached_item: { answer: BY_SKU.answer, cache: { ttl: "1m" }, consistency: "bounded" },
            aged_item: { answer: { from: "aged", key: "{sku}" }, consistency: "bounded" },
            told_item: {
              answer: { from: "aged", key: "{sku}" },
              cache: { ttl: "1s", tell: true },
              consistency: "bounded",
            },
            lost_item: { answer: { from: "lost", key: "{sku}" }, consistency: "bounded" },
            staff_item: { answer: { from: "staff", key: "{sku}" }, consistency: "bounded" },
            find_items: {
              answer: {
                from: "items",
                where: { category: "{category}" },
                orderBy: ["-price", "key"],
                limit: "{limit}",
                cursor: "{cursor}",
              },
              shape: {
                value: {
                  items: { each: { sku: "{row.sku}", price: "{row.price}" } },
                  total: "{total}",
                  nextCursor: "{next}",
                },
              },
              consistency: "bounded",
            },
            put_item: { write: { invalidates: ["item:{sku}"] } },
          },
          resources: {
            "doc://*": { mirror: { scope: "public", every: "1h" } },
            "bin://*": { mirror: { scope: "public", every: "1h" } },
          },
        },
        s: {
          url: stateful.url,
          collections: { items: { ...KEYED, from: from("list_items") } },
          tools: { get_item: { answer: { from: "items", key: "{sku}" } } },
        },
      },
      access: {
        open: true,
        dev: {
          tokens: {
            staff: { subject: "staff", roles: ["staff"] },
            other: { subject: "other", roles: ["other"] },
            limited: { subject: "limited", roles: ["limited"] },
            acme: { subject: "acme", roles: ["other"], tenant: "acme" },
          },
        },
        roles: {
          anonymous: WHOLE,
          staff: WHOLE,
          other: WHOLE,
          limited: { tools: ["get_item"], resources: ["doc://a", "doc://c", "bin://x"] },
        },
      },
    },
    { vars: { KEY_PEPPER: "a pepper of the tests" }, instances: 2, reachable: () => isReachable },
  );
  mcp = `${replica.url}/mcp`;
  makeStateful(stateful);
  behave(stateful);
  // Whoever calls the origin has all of it pulled.
  await modern(mcp, "tools/list");
  await legacy(`${replica.url}/mcp/s`, "tools/list");
  await initialize(`${replica.url}/mcp/s`);
  await until(versions, (found) => Object.values(found).filter((version) => version > 0).length === 6, 20_000);
}, 60_000);
beforeEach(() => {
  origin.seen = [];
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([origin.stop(), stateful.stop()]);
});

/** The versions by collection. */
async function versions(): Promise<Record<string, number>> {
  const db = await replica.d1();
  const { results } = await db.prepare("SELECT origin || ' ' || collection AS name, version FROM mirror").all();
  return Object.fromEntries(results.map(({ name, version }) => [name, version as number]));
}

/** Makes a collection as old as that. */
async function age(collection: string, ms: number): Promise<void> {
  const db = await replica.d1();
  await db
    .prepare("UPDATE mirror SET as_of = ?2 WHERE collection = ?1")
    .bind(collection, Date.now() - ms)
    .run();
}

const statusOf = ({ headers }: Got) => headers["cache-status"] ?? "";
const isMirrored = (got: Got) => statusOf(got).includes("detail=mirror");
const get = (sku: unknown, ask: Ask = {}, name = "get_item") => call(mcp, name, { sku }, ask);
/** What the origin itself says. */
const truth = (name: string, args: Params) => call(origin.url, name, args);
const asked = (name: string) => origin.count("tools/call", name);

describe("answers", () => {
  test("come from the mirror, whoever asks in whatever era, and equal the origin's own", async () => {
    const own = await truth("get_item", { sku: "s7" });
    origin.seen = [];
    for (const ask of [call, legacyCall]) {
      const got = await ask(mcp, "get_item", { sku: "s7" });
      expect(statusOf(got)).toMatch(/^edge-replica; hit; ttl=\d+; detail=mirror$/);
      expect(got.cache).toMatchObject({ status: "hit", ageMs: expect.any(Number) });
      expect(differenceOf(got.body.result, own.body.result, [])).toBeUndefined();
      expect(got.text).not.toContain("ttlMs");
    }
    expect(asked("get_item")).toBe(0);
  });

  test.each(CLIENTS)("come to the official client: %s", async (_, connect) => {
    const client = await connect(mcp);
    const result = await client.callTool({ name: "get_item", arguments: { sku: "s8" } });
    expect(result.structuredContent).toEqual(items.get("s8"));
    const tags = await client.callTool({ name: "tags_of", arguments: { sku: "s8" } });
    expect(JSON.stringify(tags.structuredContent)).toContain('["a","s8"]');
    await client.close();
    expect(asked("get_item") + asked("tags_of")).toBe(0);
  });

  test("that are no objects are told to legacy callers wrapped, as the origin tells them", async () => {
    const wanted = { [String(call)]: ["a", "s1"], [String(legacyCall)]: { result: ["a", "s1"] } };
    for (const ask of [call, legacyCall]) {
      const got = await ask(mcp, "tags_of", { sku: "s1" });
      expect(isMirrored(got)).toBe(true);
      expect(got.body.result.structuredContent).toEqual(wanted[String(ask)]);
    }
  });

  test("say what is not there as the origin says it", async () => {
    const got = await get("none");
    expect(isMirrored(got)).toBe(true);
    expect(differenceOf(got.body.result, (await truth("get_item", { sku: "none" })).body.result, [])).toBeUndefined();
    // Where the operator has no word for it, the origin has.
    const other = await get("none", {}, "cached_item");
    expect([isMirrored(other), other.body.result.isError]).toEqual([false, true]);
  });

  test("take the schema's defaults, and page with a cursor that goes on in one version", async () => {
    const own = await truth("find_items", { category: "even" });
    let got = await call(mcp, "find_items", { category: "even" });
    expect(isMirrored(got)).toBe(true);
    const { nextCursor, ...first } = got.body.result.structuredContent;
    expect(first).toEqual(own.body.result.structuredContent);
    expect(first.items).toHaveLength(7);
    const skus = first.items.map(({ sku }: Item) => sku);
    for (let cursor = nextCursor; cursor !== undefined; cursor = got.body.result.structuredContent.nextCursor) {
      got = await legacyCall(mcp, "find_items", { category: "even", cursor });
      expect(isMirrored(got)).toBe(true);
      skus.push(...got.body.result.structuredContent.items.map(({ sku }: Item) => sku));
    }
    const all = await truth("find_items", { category: "even", limit: 100 });
    expect(skus).toEqual(all.body.result.structuredContent.items.map(({ sku }: Item) => sku));
    expect(asked("find_items")).toBe(2);
  });

  test("come in a session of a legacy caller too", async () => {
    const at = `${replica.url}/mcp/s`;
    const session = (await initialize(at)).headers["mcp-session-id"]!;
    stateful.seen = [];
    const got = await legacyCall(at, "get_item", { sku: "s3" }, { headers: { "mcp-session-id": session } });
    expect(statusOf(got)).toContain("detail=mirror");
    expect(got.body.result.structuredContent).toEqual(items.get("s3"));
    expect(stateful.count("tools/call", "get_item")).toBe(0);
  });
});

describe("the origin answers", () => {
  test.each<[string, string, Params]>([
    ["what the rule does not go by", "find_items", { category: "odd", verbose: true }],
    ["what the tool's schema does not know", "get_item", { sku: "s1", extra: 1 }],
    ["what others may read as what the schema wants", "find_items", { category: "odd", limit: "7" }],
    ["a cursor of its own", "find_items", { category: "odd", cursor: "14" }],
  ])("%s", async (_, name, args) => {
    const got = await call(mcp, name, args);
    expect(isMirrored(got)).toBe(false);
    expect(asked(name)).toBe(1);
  });

  test("nobody where the arguments cannot be what the tool wants", async () => {
    const got = await call(mcp, "find_items", { category: "neither" });
    expect([codeOf(got), asked("find_items")]).toEqual(["invalid_arguments", 0]);
  });

  test("who asks for it, and not who asks not to", async () => {
    const fresh = await get("s9", { headers: { "cache-control": "no-cache" } });
    expect([isMirrored(fresh), asked("get_item")]).toEqual([false, 1]);
    const cached = await get("s9", { headers: { "cache-control": "only-if-cached" } });
    expect([isMirrored(cached), asked("get_item")]).toEqual([true, 1]);
    const missing = await get("s9", { headers: { "cache-control": "only-if-cached" } }, "list_items");
    expect(codeOf(missing)).toBe("not_cached");
  });

  test("a modern caller whose headers say something else than the arguments", async () => {
    const ask = (headers: Record<string, string>) => get("s4", { headers }, "headed_item");
    expect(isMirrored(await ask({ "mcp-param-sku": "s4" }))).toBe(true);
    const before = asked("headed_item");
    for (const headers of [{ "mcp-param-sku": "s5" }, {}] as Record<string, string>[]) {
      expect(isMirrored(await ask(headers))).toBe(false);
    }
    expect(asked("headed_item")).toBe(before + 2);
    expect(isMirrored(await legacyCall(mcp, "headed_item", { sku: "s4" }))).toBe(true);
  });

  test("who may not have what is mirrored: another role, or a tenant", async () => {
    const answers = await Promise.all(
      [dev("staff"), dev("other"), {}].map((who) => get("s2", who, "staff_item").then(isMirrored)),
    );
    expect(answers).toEqual([true, false, false]);
    expect(asked("staff_item")).toBe(2);
    expect([isMirrored(await get("s2", dev("other"))), isMirrored(await get("s2", dev("acme")))]).toEqual([
      true,
      false,
    ]);
    const refused = await get("s2", dev("limited"), "find_items");
    expect(codeOf(refused)).toBe("denied");
  });

  test("a tool that was stopped for its mistakes, until it is let again", async () => {
    const db = await replica.d1();
    const stop = (value: string) =>
      db.prepare("UPDATE mirror SET stopped = ?1 WHERE collection = 'aged'").bind(value).run();
    await stop('{"aged_item":1}');
    expect(isMirrored(await get("s1", {}, "aged_item"))).toBe(false);
    await stop("{}");
    expect(isMirrored(await get("s1", {}, "aged_item"))).toBe(true);
  });

  test("where D1 has lost what it had", async () => {
    expect(isMirrored(await get("s1", {}, "lost_item"))).toBe(true);
    const db = await replica.d1();
    const { results } = await db.prepare("SELECT name FROM mirror WHERE collection = 'lost'").all();
    await db.prepare(`DROP TABLE "rows:${String(results[0]!["name"])}"`).run();
    const got = await get("s1", {}, "lost_item");
    expect([isMirrored(got), got.body.result.structuredContent]).toEqual([false, items.get("s1")]);
    // Nothing else suffers from it.
    expect(isMirrored(await get("s1"))).toBe(true);
  });
});

test("an answer that costs more than it may is refused", async () => {
  const got = await get("s1", {}, "big_item");
  expect([codeOf(got), asked("big_item")]).toEqual(["over_budget", 0]);
});

test("a tool that is cached, too, is answered from memory where that has it, and from the mirror before the origin", async () => {
  const first = await get("s11", {}, "cached_item");
  expect([isMirrored(first), asked("cached_item")]).toEqual([true, 0]);
  await get("s11", { headers: { "cache-control": "no-cache" } }, "cached_item");
  const second = await get("s11", {}, "cached_item");
  expect(statusOf(second)).toContain("detail=memory");
  // What is mirrored is newer than what is stale there.
  const entry = { ttlMs: 60_000, staleWhileRevalidateMs: HOUR, staleIfErrorMs: HOUR };
  await seed(replica, { target: "cached_item", variant: { sku: "s12" }, ageMs: 120_000, entry });
  const third = await get("s12", {}, "cached_item");
  expect([isMirrored(third), third.body.result.structuredContent]).toEqual([true, items.get("s12")]);
});

test("a modern caller is answered of an origin that takes nothing but sessions", async () => {
  const at = `${replica.url}/mcp/s`;
  const got = await call(at, "get_item", { sku: "s5" }, { meta: { progressToken: "p" } });
  expect([isMirrored(got), got.body.result.structuredContent]).toEqual([true, items.get("s5")]);
  expect(codeOf(await call(at, "find_items", {}))).toBe("needs_session");
});

describe("cursors", () => {
  const GONE = "That cursor is no longer valid. Start again without a cursor.";
  const cursorOf = (value: unknown) => `er1.${Buffer.from(JSON.stringify(value)).toString("base64url")}`;

  test("that were tampered with, are of other calls or of versions that are gone, open nothing and are told to nobody", async () => {
    const { nextCursor } = (await call(mcp, "find_items", { category: "odd" })).body.result.structuredContent;
    const [version, digest, before, after, asOf, seq] = JSON.parse(
      Buffer.from(nextCursor.slice(4), "base64url").toString(),
    );
    origin.seen = [];
    const hostile = [
      "er1.",
      "er1.%00",
      "er1.bm9uc2Vuc2U",
      cursorOf([version + 1, digest, before, after, asOf, seq]),
      cursorOf([0, digest, before, after, asOf, seq]),
      cursorOf([version, "x", before, after, asOf, seq]),
      cursorOf([version, digest, -1, after, asOf, seq]),
      cursorOf([version, digest, before, [{ a: 1 }], asOf, seq]),
      `er1.${"A".repeat(5_000)}`,
    ];
    for (const cursor of hostile) {
      const got = await call(mcp, "find_items", { category: "odd", cursor });
      expect([said(got), got.body.result.isError, codeOf(got)], cursor).toEqual([GONE, true, "cursor_gone"]);
    }
    const other = await call(mcp, "find_items", { category: "even", cursor: nextCursor });
    expect(said(other)).toBe(GONE);
    // Nor by one that is not perfectly formed, or does not want to be answered from here.
    const odd = await call(mcp, "find_items", { cursor: nextCursor }, { meta: { "vendor/x": 1 } });
    expect(said(odd)).toBe(GONE);
    const past = await call(
      mcp,
      "find_items",
      { category: "odd", cursor: nextCursor },
      { headers: { "cache-control": "no-cache" } },
    );
    expect(isMirrored(past)).toBe(true);
    for (const method of ["resources/list", "resources/templates/list"]) {
      const got = await modern(mcp, method, { cursor: "er1.AAAA" });
      expect([got.body.error?.code, codeOf(got)], method).toEqual([-32602, "cursor_gone"]);
    }
    expect(origin.seen.filter(({ params }) => JSON.stringify(params ?? null).includes("er1."))).toEqual([]);
  });
});

describe("resources", () => {
  test("are read, text and binary, and listed page by page, as the origin has them", async () => {
    for (const uri of ["doc://a", "bin://x"]) {
      for (const ask of [modern, legacy]) {
        const got = await ask(mcp, "resources/read", { uri });
        expect(isMirrored(got), uri).toBe(true);
        expect(got.body.result.contents).toEqual([RESOURCES[uri]]);
      }
    }
    const first = await modern(mcp, "resources/list");
    expect([isMirrored(first), first.body.result.resources]).toEqual([
      true,
      listing(["doc://a", "doc://b", "bin://x"]),
    ]);
    expect(first.body.result).toMatchObject({ ttlMs: 0, cacheScope: "public" });
    const { nextCursor } = first.body.result;
    const second = await legacy(mcp, "resources/list", { cursor: nextCursor });
    expect([isMirrored(second), second.body.result.resources]).toEqual([true, listing(["doc://c", "live://1"])]);
    expect(second.body.result.nextCursor).toBeUndefined();
    const templates = await modern(mcp, "resources/templates/list");
    expect([isMirrored(templates), templates.body.result.resourceTemplates]).toHaveLength(2);
    expect(origin.count("resources/list") + origin.count("resources/templates/list")).toBe(0);
    expect(origin.count("resources/read")).toBe(0);
  });

  test("that are not mirrored, or not there, are the origin's", async () => {
    const live = await modern(mcp, "resources/read", { uri: "live://1" });
    expect([isMirrored(live), live.body.result.contents]).toEqual([false, [RESOURCES["live://1"]]]);
    const none = await modern(mcp, "resources/read", { uri: "doc://none" });
    expect([isMirrored(none), none.body.error.code]).toEqual([false, -32602]);
  });

  test("that a caller may not use are not in its lists, nor read", async () => {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const got = await modern(mcp, "resources/list", { ...(cursor && { cursor }) }, dev("limited"));
      expect([isMirrored(got), got.body.result.cacheScope]).toEqual([true, "private"]);
      seen.push(...got.body.result.resources.map(({ uri }: { uri: string }) => uri));
      cursor = got.body.result.nextCursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(["doc://a", "bin://x", "doc://c"]);
    expect(codeOf(await modern(mcp, "resources/read", { uri: "doc://b" }, dev("limited")))).toBe("denied");
  });
});

test("who writes reads what was written, and the mirror follows", async () => {
  expect(isMirrored(await get("s20", {}, "strict_item"))).toBe(true);
  for (const name of ["one", "two"]) {
    await call(mcp, "put_item", { sku: "s20", name });
    const got = await get("s20", {}, "strict_item");
    expect(got.body.result.structuredContent.name).toBe(name);
    // Of other rows the mirror goes on to be the truth.
    expect(isMirrored(await get("s21", {}, "strict_item"))).toBe(true);
  }
  const again = await until(() => get("s20", {}, "strict_item"), isMirrored);
  expect(again.body.result.structuredContent.name).toBe("two");
});

test("a cursor goes on in the version that it began in, however it changes meanwhile", async () => {
  const list = (cursor?: string) => call(mcp, "find_items", { category: "odd", limit: 15, ...(cursor && { cursor }) });
  const skusIn = ({ body }: Got) => body.result.structuredContent.items.map(({ sku }: Item) => sku);
  const first = await list();
  expect(isMirrored(first)).toBe(true);
  const { nextCursor } = first.body.result.structuredContent;
  // The last of all becomes the first.
  await call(mcp, "put_item", { sku: "s1", price: 1_000 });
  const renewed = await until(list, (got) => isMirrored(got) && skusIn(got)[0] === "s1");
  expect(skusIn(renewed).slice(1)).toEqual(skusIn(first).slice(0, -1));
  const second = await list(nextCursor);
  expect([isMirrored(second), second.cache?.status]).toEqual([true, "stale"]);
  expect(skusIn(second).at(-1)).toBe("s1");
  expect(new Set([...skusIn(first), ...skusIn(second)]).size).toBe(30);
});

test("an isolate that cannot hear what has changed says so, and gives nothing that must not be old", async () => {
  isReachable = false;
  const at = `${replica.urls[1]}/mcp`;
  const got = await call(at, "get_item", { sku: "s6" });
  expect(statusOf(got)).toMatch(/; hit; ttl=\d+; detail=mirror; detached$/);
  const strict = await call(at, "strict_item", { sku: "s6" });
  expect([isMirrored(strict), asked("strict_item")]).toEqual([false, 1]);
  isReachable = true;
});

describe("what is older than three pulls", () => {
  test("is asked of the origin, and stands in where that fails", async () => {
    await age("aged", 4 * HOUR);
    const got = await get("s30", {}, "aged_item");
    expect([isMirrored(got), asked("aged_item")]).toEqual([false, 1]);
    origin.on("tools/call aged_item", () => ({ status: 503, text: "" }));
    origin.on("tools/call told_item", () => ({ status: 503, text: "" }));
    for (const ask of [call, legacyCall]) {
      const stale = await ask(mcp, "aged_item", { sku: "s30" });
      expect([stale.cache?.status, stale.body.result.structuredContent]).toEqual(["stale", items.get("s30")]);
      expect(stale.cache!.ageMs).toBeGreaterThanOrEqual(4 * HOUR);
      expect(statusOf(stale)).toMatch(/fwd=stale; fwd-status=503; ttl=-\d+; detail=stale-if-error/);
    }
    const told = await get("s30", {}, "told_item");
    expect(told.body.result.content.at(-1).text).toMatch(/^Note: this answer is 4 hours old/);
    const cached = await get("s30", { headers: { "cache-control": "only-if-cached" } }, "aged_item");
    expect([cached.cache?.status, isMirrored(cached)]).toEqual(["stale", true]);
    // As long as the operator lets it.
    await age("aged", 24 * 8 * HOUR);
    expect(codeOf(await get("s30", {}, "aged_item"))).toBe("origin_unavailable");
    behave(origin);
  });
});

describe("with the origin gone", () => {
  beforeAll(async () => {
    await age("aged", 4 * HOUR);
    await origin.stop();
  });

  test("all that is mirrored is answered, as never asked before, and what is stale at once", async () => {
    for (const sku of ["s40", "s41", "s42"]) {
      const got = await get(sku);
      expect([isMirrored(got), got.body.result.structuredContent]).toEqual([true, items.get(sku)]);
    }
    expect(isMirrored(await call(mcp, "find_items", { category: "odd", limit: 3 }))).toBe(true);
    for (const uri of ["doc://b", "doc://c"]) {
      expect((await modern(mcp, "resources/read", { uri })).body.result.contents).toEqual([RESOURCES[uri]]);
    }
    expect((await legacy(mcp, "resources/list")).body.result.resources).toHaveLength(3);
    for (let nth = 2; nth < 10; nth++) {
      const stale = await get(`s${nth}`, {}, "aged_item");
      expect([stale.cache?.status, stale.body.result.structuredContent]).toEqual(["stale", items.get(`s${nth}`)]);
    }
  });

  test("messages of a batch are answered one by one", async () => {
    const message = (id: number, sku: string) =>
      JSON.parse(modernBody("tools/call", { name: "get_item", arguments: { sku } }, { id }));
    const headers = {
      ...modernHeaders("tools/call", { name: "get_item" }),
      "mcp-protocol-version": "2025-03-26",
      "mcp-method": null,
      "mcp-name": null,
    };
    const bare = [1, 2].map((id) => {
      const { params, ...rest } = message(id, `s${id}`);
      return { ...rest, params: { name: params.name, arguments: params.arguments } };
    });
    const got = await send(mcp, { headers, body: JSON.stringify(bare) });
    const results = JSON.parse(got.text).map(({ result }: any) => result.structuredContent.sku);
    expect(results.toSorted()).toEqual(["s1", "s2"]);
  });
});
