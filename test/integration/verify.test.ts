import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OriginConfig } from "../../src/config/types.ts";
import type { MirrorStatus } from "../../src/mirror/MirrorStatus.ts";
import { Fixture, text, tool } from "./support/fixture.ts";
import { scrape, sumOf } from "./support/metrics.ts";
import { type Replica, type Seed, seed, startReplica } from "./support/replica.ts";
import { call, legacyCall, said, send, until } from "./support/wire.ts";

const HOST = "replica.example.com";
const LIMIT = 3;
/** Pulls share the machine with whatever else is tested. */
const PATIENCE_MS = 20_000;
const origin = new Fixture();
const older = new Fixture();
const stock = new Fixture();
let replica: Replica;
/** What `stock` has: a price by item. Nobody is told where it changes. */
const prices = new Map(Array.from({ length: 40 }, (_, nth): [string, number] => [`s${nth}`, nth]));

const cache = { ttl: "10m", scope: "public" } as const;
const STOCK: OriginConfig["collections"] = {
  items: {
    from: { tool: "list_items", rows: "/items" },
    key: "sku",
    index: ["price"],
    row: { tool: "get_item", arguments: { sku: "{sku}" } },
    scope: "public",
    every: "1h",
  },
};

beforeAll(async () => {
  await Promise.all([origin.start(), older.start(), stock.start()]);
  older.eras = "legacy";
  const names = ["same", "other", "volatile", "failing", "refusing", "held", "purged", "limited", "unverified"];
  for (const one of [origin, older]) one.tools = names.map((name) => tool(name));
  for (const one of [older, stock]) sell(one);
  const tools = Object.fromEntries(names.map((name) => [name, { cache, verify: 1 }]));
  replica = await startReplica(
    {
      origins: {
        o: {
          url: origin.url,
          default: true,
          lists: { defaultTtl: "10m" },
          tools: {
            ...tools,
            volatile: { cache, verify: 1, volatile: ["/now", "/rows/0/seen"] },
            purged: { cache: { ...cache, tags: ["it"] }, verify: 1 },
            unverified: { cache },
          },
        },
        stock: {
          url: stock.url,
          lists: { defaultTtl: "10m" },
          collections: STOCK,
          tools: {
            get_item: {
              answer: { from: "items", key: "{sku}" },
              verify: 1,
              maxMismatch: 0.5,
              volatile: ["/seen"],
            },
            dear_items: {
              answer: { from: "items", where: { price: { gte: "{price}" } } },
              shape: { value: { skus: { each: "{row.sku}" } } },
              verify: 1,
            },
          },
        },
        older: {
          url: older.url,
          lists: { defaultTtl: "10m" },
          collections: STOCK,
          tools: { ...tools, get_item: { answer: { from: "items", key: "{sku}" }, verify: 1, volatile: ["/seen"] } },
        },
      },
      hosts: [HOST],
      access: { open: true, openOnPurpose: true },
      limits: { origin: "ORIGIN_LIMIT" },
    },
    { vars: { REPLICA_LOG: "json" }, rateLimits: { ORIGIN_LIMIT: { limit: LIMIT, period: 60 } } },
  );
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([origin.stop(), older.stop(), stock.stop()]);
});
beforeEach(() => origin.reset());

/** Has an origin answer from the prices; each answer says which one it is. */
function sell(stock: Fixture): void {
  let seen = 0;
  const item = (sku: string) => ({ sku, price: prices.get(sku), seen: seen++ });
  stock.tools = [
    ...stock.tools,
    tool("list_items"),
    tool("get_item", { inputSchema: { type: "object", properties: { sku: { type: "string" } } } }),
    tool("dear_items", { inputSchema: { type: "object", properties: { price: { type: "number" } } } }),
  ];
  const answers: Record<string, (args: any) => object> = {
    list_items: () => ({ items: [...prices.keys()].map(item) }),
    get_item: ({ sku }) => item(sku),
    dear_items: ({ price }) => ({ skus: [...prices.keys()].toSorted().filter((sku) => prices.get(sku)! >= price) }),
  };
  for (const [name, answer] of Object.entries(answers)) {
    stock.on(`tools/call ${name}`, ({ params }) => ({ result: resultOf(answer(params.arguments)) }));
  }
}

/** How the answers of a tool compared, as status says. */
async function verified(name: string, at = "o") {
  const { body } = await send(`${replica.url}/admin/status?origin=${at}`, { method: "GET" });
  const { verified: all } = body.origins[at].counted as { verified: { name: string }[] };
  const { name: _, ...counts } = all.find((one) => one.name === name) ?? {};
  return counts as { lane?: string; matches?: number; mismatches?: number; staleMs?: number };
}

const whenVerified = (name: string, times: number, at = "o") =>
  until(
    () => verified(name, at),
    ({ matches = 0, mismatches = 0 }) => matches + mismatches >= times,
  );

/** Puts an answer into KV that the origin gave a while ago. */
const kept = (target: string, value: object, more: Partial<Seed> = {}) =>
  seed(replica, {
    target,
    variant: {},
    ageMs: 90_000,
    ...more,
    entry: { scope: "public", body: JSON.stringify(resultOf(value)).slice(1, -1), ...more.entry },
  });

const resultOf = (value: object, indent?: number) => ({
  content: [{ type: "text", text: JSON.stringify(value, null, indent) }],
  structuredContent: value,
});

describe("an answer from the cache is compared with the origin's", () => {
  test("what says the same in other words matches", async () => {
    origin.on("tools/call same", () => ({ result: { ...resultOf({ b: [1], a: 1 }, 2), _meta: { x: 1 } } }));
    await kept("same", { a: 1, b: [1.0] });
    expect((await call(replica.mcp, "same")).cache?.status).toBe("hit");
    expect(await whenVerified("same", 1)).toEqual({ lane: "cache", matches: 1, mismatches: 0, staleMs: 0 });
  });

  test("what the origin says no more is counted with its age, told, and replaced", async () => {
    origin.on("tools/call other", () => ({ result: resultOf({ price: 2, secret: "s3cret" }) }));
    await kept("other", { price: 1, secret: "s3cret" });
    expect((await call(replica.mcp, "other")).body.result.structuredContent.price).toBe(1);
    const counts = await whenVerified("other", 1);
    expect(counts).toMatchObject({ lane: "cache", matches: 0, mismatches: 1 });
    expect(counts.staleMs).toBeGreaterThanOrEqual(90_000);
    expect(counts.staleMs).toBeLessThan(180_000);
    const again = await call(replica.mcp, "other");
    expect([again.cache?.status, again.body.result.structuredContent.price]).toEqual(["hit", 2]);
    const line = (await until(
      () => replica.lines.find((one) => one.includes("verify-mismatch")),
      (found) => found !== undefined,
    ))!;
    expect(line).toContain("other");
    expect(line).toContain("/content/0/text/price");
    expect(line).not.toContain("s3cret");
    const metrics = await scrape(replica.url);
    const labels = { origin: "o", name: "other", lane: "cache" };
    expect(sumOf(metrics, "mcp_verified_total", { ...labels, result: "mismatch" })).toBe(1);
    expect(sumOf(metrics, "mcp_verified_staleness_max_seconds", labels)).toBe(counts.staleMs! / 1_000);
    expect(sumOf(metrics, "mcp_verified_staleness_seconds_count")).toBeGreaterThanOrEqual(1);
  });

  test("what may differ does not count", async () => {
    const at = (now: number) => ({ now, rows: [{ id: 1, seen: now }] });
    origin.on("tools/call volatile", () => ({ result: resultOf(at(2)) }));
    await kept("volatile", at(1));
    await call(replica.mcp, "volatile");
    expect(await whenVerified("volatile", 1)).toMatchObject({ matches: 1, mismatches: 0 });
  });

  test("in the era in which it was asked for, whatever its caller's", async () => {
    older.on("tools/call same", () => ({ result: resultOf({ b: [1] }) }));
    const past = { origin: "older", entry: { era: "legacy" as const } };
    await kept("same", { b: [1] }, past);
    expect((await legacyCall(`${replica.url}/mcp/older`, "same")).body.result.structuredContent).toEqual({ b: [1] });
    await whenVerified("same", 1, "older");
    expect((await call(`${replica.url}/mcp/older`, "same")).cache?.status).toBe("hit");
    expect(await whenVerified("same", 2, "older")).toMatchObject({ matches: 2, mismatches: 0 });
    // An origin of both eras, which was asked in the modern one: what is told of it to legacy callers is wrapped.
    origin.on("tools/call same", () => ({ result: { content: [], structuredContent: [1] } }));
    await kept("same", [], { variant: { legacy: 1 }, entry: { body: '"content":[],"structuredContent":[1]' } });
    const { matches: before = 0 } = await verified("same");
    await legacyCall(replica.mcp, "same", { legacy: 1 });
    expect(await whenVerified("same", before + 1)).toMatchObject({ matches: before + 1, mismatches: 0 });
    expect(origin.last("tools/call", "same").isModern).toBe(true);
  });
});

describe("nothing is compared", () => {
  test("where the operator has not said so", async () => {
    await kept("unverified", { a: 1 });
    await kept("same", { a: 1 }, { variant: { after: 1 } });
    await call(replica.mcp, "unverified");
    await call(replica.mcp, "same", { after: 1 });
    await until(
      () => origin.count("tools/call", "same"),
      (count) => count > 0,
    );
    expect(origin.count("tools/call", "unverified")).toBe(0);
  });

  test("with what is no result: failures and protocol errors. A tool that fails now is another answer", async () => {
    origin.on("tools/call failing", ({ params }) =>
      params.arguments.how === "status"
        ? { status: 500, text: "" }
        : params.arguments.how === "error"
          ? { error: { code: -32602, message: "No." } }
          : text("gone", { isError: true }),
    );
    for (const how of ["status", "error", "isError"]) {
      await kept("failing", { a: 1 }, { variant: { how } });
      expect((await call(replica.mcp, "failing", { how })).cache?.status).toBe("hit");
      await until(
        () => origin.seen.filter(({ params }) => params?.arguments?.how === how).length,
        (count) => count > 0,
      );
    }
    expect(await whenVerified("failing", 1)).toMatchObject({ matches: 0, mismatches: 1 });
  });

  test("while two are being compared", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    origin.on("tools/call held", () => ({ ...text("x"), hold: held }));
    const ask = async (nth: number) => {
      await kept("held", { nth }, { variant: { nth } });
      expect((await call(replica.mcp, "held", { nth })).cache?.status).toBe("hit");
    };
    for (let nth = 0; nth < 5; nth++) await ask(nth);
    await until(
      () => origin.count("tools/call", "held"),
      (count) => count === 2,
    );
    release();
    await whenVerified("held", 2);
    await ask(5);
    await whenVerified("held", 3);
    expect(origin.count("tools/call", "held")).toBe(3);
  });

  test("with what was invalidated while the origin was asked", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    origin.on("tools/call purged", ({ nth }) => (nth === 1 ? { ...text("new"), hold: held } : text("new")));
    await kept("purged", { old: 1 }, { entry: { tags: ["it"] } });
    expect((await call(replica.mcp, "purged")).cache?.status).toBe("hit");
    await until(
      () => origin.count("tools/call", "purged"),
      (count) => count === 1,
    );
    const purge = JSON.stringify({ origin: "o", tags: ["it"] });
    expect((await send(`${replica.url}/admin/purge`, { body: purge })).status).toBe(200);
    release();
    await until(
      () => call(replica.mcp, "purged"),
      (got) => said(got) === "new" && got.cache?.status === "hit",
    );
    expect(await whenVerified("purged", 1)).toMatchObject({ mismatches: 0 });
  });
});

test("the origin's limit counts all comparisons as one more caller, and takes nothing from those who call", async () => {
  // Windows begin with the minute.
  const leftMs = 60_000 - (Date.now() % 60_000);
  if (leftMs < 8_000) await new Promise((resolve) => setTimeout(resolve, leftMs));
  const outside = { headers: { host: HOST, "cf-connecting-ip": "198.51.100.7" } };
  origin.on("tools/call limited", () => text("x"));
  for (let nth = 0; nth < LIMIT + 2; nth++) {
    await kept("limited", { nth }, { variant: { nth } });
    expect((await call(replica.mcp, "limited", { nth }, outside)).cache?.status).toBe("hit");
    await whenVerified("limited", Math.min(nth + 1, LIMIT));
  }
  for (let nth = 0; nth < LIMIT; nth++) {
    expect(said(await call(replica.mcp, "limited", { missed: nth }, outside))).toBe("x");
  }
  expect(await verified("limited")).toMatchObject({ mismatches: LIMIT });
  expect(origin.count("tools/call", "limited")).toBe(2 * LIMIT);
});

describe("an answer from the mirror is compared with the origin's", () => {
  const at = "stock";
  const ask = (name: string, args: object) => call(`${replica.url}/mcp/stock`, name, { ...args });
  const isMirrored = (got: Awaited<ReturnType<typeof ask>>) => got.headers["cache-status"]!.includes("detail=mirror");
  const priceOf = (got: Awaited<ReturnType<typeof ask>>) => got.body.result.structuredContent.price;
  const mirror = async () => {
    const { body } = await send(`${replica.url}/admin/status?origin=stock`, { method: "GET" });
    return body.origins.stock.mirror[0] as MirrorStatus;
  };
  const sync = () => send(`${replica.url}/admin/sync`, { body: JSON.stringify({ origin: "stock" }) });
  const age = async (ms: number) => {
    const db = await replica.d1();
    await db
      .prepare("UPDATE mirror SET as_of = ?1 WHERE origin = 'stock'")
      .bind(Date.now() - ms)
      .run();
  };

  beforeAll(async () => {
    await ask("get_item", { sku: "s1" });
    // An isolate that has found nothing there looks again after a while.
    await until(() => ask("dear_items", { price: 1_000_000 }), isMirrored);
    stock.seen = [];
  });

  test("what may differ does not count, and its caller waits for nothing", async () => {
    expect(isMirrored(await ask("get_item", { sku: "s1" }))).toBe(true);
    expect(await whenVerified("get_item", 1, at)).toEqual({ lane: "mirror", matches: 1, mismatches: 0, staleMs: 0 });
    const { verified: own } = await until(mirror, (one) => one.verified["get_item"] !== undefined);
    expect(own["get_item"]).toEqual({ matches: 1, mismatches: 0, staleMs: 0 });
  });

  test("a row that has changed and nobody was told is counted with its age, and asked for again", async () => {
    prices.set("s2", 2_000);
    await age(90_000);
    expect(priceOf(await ask("get_item", { sku: "s2" }))).toBe(2);
    const { mismatches, staleMs } = await whenVerified("get_item", 2, at);
    expect(mismatches).toBe(1);
    expect(staleMs).toBeGreaterThanOrEqual(90_000);
    const got = await until(
      () => ask("get_item", { sku: "s2" }),
      (one) => isMirrored(one) && priceOf(one) === 2_000,
    );
    expect(priceOf(got)).toBe(2_000);
    expect(stock.count("tools/call", "list_items")).toBe(0);
    expect((await mirror()).verified["get_item"]!.staleMs).toBeGreaterThanOrEqual(90_000);
  });

  test("also an origin's that speaks the earlier revisions only, whatever its caller speaks", async () => {
    const mcp = `${replica.url}/mcp/older`;
    await until(() => call(mcp, "get_item", { sku: "s1" }), isMirrored);
    await whenVerified("get_item", 1, "older");
    prices.set("s4", 4_000);
    expect(isMirrored(await legacyCall(mcp, "get_item", { sku: "s4" }))).toBe(true);
    const { mismatches } = await until(
      () => verified("get_item", "older"),
      (one) => one.mismatches === 1,
    );
    expect(mismatches).toBe(1);
    await until(
      () => call(mcp, "get_item", { sku: "s4" }),
      (one) => isMirrored(one) && priceOf(one) === 4_000,
    );
  });

  test("the rows of an answer of several are asked for again", async () => {
    prices.set("s2", 1);
    const found = (got: Awaited<ReturnType<typeof ask>>) => got.body.result.structuredContent.skus;
    expect(found(await ask("dear_items", { price: 1_500 }))).toContain("s2");
    const got = await until(
      () => ask("dear_items", { price: 1_500 }),
      (one) => !found(one).includes("s2"),
    );
    expect(isMirrored(got)).toBe(true);
    expect((await verified("dear_items", at)).mismatches).toBeGreaterThan(0);
    expect(stock.count("tools/call", "list_items")).toBe(0);
  });

  test("a tool whose answers are too often wrong is answered by the origin until a sync has begun after that", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const items = [...prices.keys()].slice(10);
    for (const sku of items) prices.set(sku, 5_000);
    stock.on("tools/call list_items", () => ({
      result: resultOf({ items: [...prices].map(([sku, price]) => ({ sku, price })) }),
      hold: held,
    }));
    let stopped = false;
    for (const sku of items) {
      const { matches = 0, mismatches = 0 } = await verified("get_item", at);
      if (!isMirrored(await ask("get_item", { sku }))) {
        stopped = true;
        break;
      }
      await whenVerified("get_item", matches + mismatches + 1, at);
    }
    expect(stopped).toBe(true);
    const { stopped: since, verified: counts } = await mirror();
    const { matches, mismatches } = counts["get_item"]!;
    expect(Object.keys(since)).toEqual(["get_item"]);
    expect(matches + mismatches).toBeGreaterThanOrEqual(20);
    expect(mismatches / (matches + mismatches)).toBeGreaterThan(0.5);
    await until(
      () => replica.lines.some((line) => line.includes("mirror-stopped") && line.includes("get_item")),
      Boolean,
    );
    // The other tool goes on.
    expect(isMirrored(await ask("dear_items", { price: 1_000_000 }))).toBe(true);
    const own = await ask("get_item", { sku: "s39" });
    expect([isMirrored(own), priceOf(own)]).toEqual([false, 5_000]);
    release();
    await sync();
    const again = await until(() => ask("get_item", { sku: "s39" }), isMirrored, PATIENCE_MS);
    expect(priceOf(again)).toBe(5_000);
    expect(Object.keys((await mirror()).stopped)).toEqual([]);
  });
});
