import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, text, tool } from "./support/fixture.ts";
import { scrape, sumOf } from "./support/metrics.ts";
import { type Replica, type Seed, seed, startReplica } from "./support/replica.ts";
import { call, legacyCall, said, send, until } from "./support/wire.ts";

const HOST = "replica.example.com";
const LIMIT = 3;
const origin = new Fixture();
const older = new Fixture();
let replica: Replica;

const cache = { ttl: "10m", scope: "public" } as const;

beforeAll(async () => {
  await Promise.all([origin.start(), older.start()]);
  older.eras = "legacy";
  const names = ["same", "other", "volatile", "failing", "refusing", "held", "purged", "limited", "unverified"];
  for (const one of [origin, older]) one.tools = names.map((name) => tool(name));
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
        older: { url: older.url, lists: { defaultTtl: "10m" }, tools },
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
  await Promise.all([origin.stop(), older.stop()]);
});
beforeEach(() => origin.reset());

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
