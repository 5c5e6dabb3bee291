import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, text, tool } from "./support/fixture.ts";
import { headerOf, type Replica, sealedAs, seed, startReplica, textIn } from "./support/replica.ts";
import { call, type Got, legacy, legacyCall, modern, said, until } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;
const MINUTE = 60_000;
const HOUR = 3_600_000;

beforeAll(async () => {
  await origin.start();
  origin.tools = ["op", "hinted", "swr", "kept", "told"].map((name) => tool(name));
  replica = await startReplica(
    {
      origins: {
        o: {
          url: origin.url,
          lists: { defaultTtl: "10m" },
          tools: {
            op: { cache: { ttl: "10m" } },
            hinted: { cache: { staleIfError: "1h" } },
            swr: { cache: { ttl: "10m", staleWhileRevalidate: "1h" } },
            told: { cache: { ttl: "10m", clientTtl: "30s" } },
          },
          resources: { "op://*": { cache: { ttl: "10m" } }, "client://*": { cache: { ttl: "10m", clientTtl: "30s" } } },
        },
      },
    },
    { instances: 2 },
  );
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const read = (uri: string) => modern(replica.mcp, "resources/read", { uri });
const ttlOf = ({ headers }: Got) => Number(/ttl=(-?\d+)/.exec(headers["cache-status"]!)?.[1]);
const contents = (hints: Record<string, unknown>) => () => ({ result: { contents: [], ...hints } });

describe("the ttl", () => {
  test("is the operator's, give or take a tenth, and callers are not promised it", async () => {
    await call(replica.mcp, "op");
    const ttl = ttlOf(await call(replica.mcp, "op"));
    expect(ttl).toBeGreaterThanOrEqual(535);
    expect(ttl).toBeLessThanOrEqual(660);
    origin.on("resources/read", contents({ ttlMs: 5_000, cacheScope: "private" }));
    expect((await read("op://x")).body.result.ttlMs).toBe(0);
    const hit = await read("op://x");
    expect([hit.cache?.status, hit.body.result.ttlMs, ttlOf(hit) > 500]).toEqual(["hit", 0, true]);
  });

  test("ends: what was a hit is a miss afterwards, and is asked for anew", async () => {
    const entry = { ttlMs: MINUTE };
    await seed(replica, { target: "op", variant: { before: "its end" }, ageMs: MINUTE - 10_000, entry });
    await seed(replica, { target: "op", variant: { after: "its end" }, ageMs: MINUTE + 1, entry });
    const before = await call(replica.mcp, "op", { before: "its end" });
    expect([before.cache?.status, said(before)]).toEqual(["hit", "old"]);
    const after = await call(replica.mcp, "op", { after: "its end" });
    expect([after.cache?.status, said(after)]).toEqual(["miss", "op 1"]);
    expect(origin.count("tools/call")).toBe(1);
  });

  test("is the origin's own where the operator gives none, and is told on as what remains", async () => {
    origin.on("resources/read", contents({ ttlMs: MINUTE, cacheScope: "private" }));
    const first = (await read("x://1")).body.result.ttlMs;
    expect(first).toBeLessThanOrEqual(MINUTE);
    expect(first).toBeGreaterThan(0.85 * MINUTE);
    const aged = { method: "resources/read", target: "x://2", ageMs: 40_000 };
    await seed(replica, { ...aged, entry: { ttlMs: MINUTE, promisedMs: MINUTE, body: '"contents":[]' } });
    const got = await read("x://2");
    expect([got.cache?.status, got.cache!.ageMs >= 40_000]).toEqual(["hit", true]);
    expect(got.body.result.ttlMs).toBeLessThanOrEqual(20_000);
    expect(got.body.result.ttlMs).toBeGreaterThan(15_000);
  });

  test("as told adds up with the age, hop by hop", async () => {
    origin.on("resources/read", contents({ ttlMs: MINUTE, cacheScope: "private" }));
    for (let hop = 0; hop < 3; hop++) {
      const got = await read("x://sum");
      expect(got.body.result.ttlMs + got.cache!.ageMs).toBeLessThanOrEqual(MINUTE);
    }
  });

  test("as told is 0 for a stale answer", async () => {
    origin.on("prompts/list", () => ({ status: 503, text: "" }));
    const entry = { ttlMs: MINUTE, promisedMs: MINUTE, staleIfErrorMs: HOUR, body: '"prompts":[]' };
    await seed(replica, { method: "prompts/list", variant: "p", ageMs: 2 * MINUTE, entry });
    const got = await modern(replica.mcp, "prompts/list", { cursor: "p" });
    expect([got.cache?.status, got.body.result.ttlMs]).toEqual(["stale", 0]);
  });

  test.each([
    ["0", 0],
    ["negative", -1],
    ["no integer", 1.5],
    ["no number", "60000"],
    ["absent", undefined],
  ])("is none where the origin's is %s", async (what, ttlMs) => {
    origin.on("resources/read", contents({ ttlMs, cacheScope: "private" }));
    const uri = `x://none/${what}`;
    await read(uri);
    await read(uri);
    expect(origin.count("resources/read", uri)).toBe(2);
  });

  test("of a list is the default where the origin gives none, not where it gives 0", async () => {
    for (const cursor of ["none", "zero"]) {
      origin.on("prompts/list", () => ({ result: { prompts: [], ...(cursor === "zero" && { ttlMs: 0 }) } }));
      await modern(replica.mcp, "prompts/list", { cursor });
      const then = await modern(replica.mcp, "prompts/list", { cursor });
      expect([cursor, then.cache?.status]).toEqual([cursor, cursor === "none" ? "hit" : "miss"]);
    }
    await legacy(replica.mcp, "resources/list");
    expect((await legacy(replica.mcp, "resources/list")).cache?.status).toBe("hit");
  });

  test("may be told to callers by clientTtl, in the modern era alone", async () => {
    for (const ask of [() => call(replica.mcp, "told"), () => read("client://x")]) {
      await ask();
      const { result } = (await ask()).body;
      expect(result.ttlMs).toBeLessThanOrEqual(30_000);
      expect(result.ttlMs).toBeGreaterThan(25_000);
      expect(result.cacheScope).toBe("private");
    }
    const { result } = (await legacyCall(replica.mcp, "told")).body;
    expect(Object.keys(result).sort()).toEqual(["_meta", "content"]);
  });
});

describe("the origin's own word in _meta", () => {
  const hint = (words: string) => text("hinted", { _meta: { "edge-replica/cache-control": words, mine: 1 } });
  const ask = (words: string) => call(replica.mcp, "hinted", { words });

  test("gives a tool a ttl where the operator gives none, and stays here", async () => {
    origin.on("tools/call", () => hint("max-age=600"));
    await ask("max-age");
    const got = await ask("max-age");
    expect([got.cache?.status, ttlOf(got) > 500]).toEqual(["hit", true]);
    expect(Object.keys(got.body.result._meta).sort()).toEqual(["edge-replica/cache", "mine"]);
  });

  test.each(["no-store", "max-age=600, no-store"])("%s keeps nothing", async (words) => {
    origin.on("tools/call", () => hint(words));
    await ask(words);
    origin.on("tools/call", () => ({ status: 503, text: "" }));
    expect((await ask(words)).body.result.isError).toBe(true);
  });

  test("must-revalidate keeps nothing beyond the ttl", async () => {
    origin.on("tools/call", () => hint("max-age=1, must-revalidate"));
    await ask("must");
    origin.on("tools/call", () => ({ status: 503, text: "" }));
    const got = await until(
      () => ask("must"),
      ({ cache }) => cache?.status !== "hit",
    );
    expect(got.body.result.isError).toBe(true);
  });
});

describe("stale-while-revalidate", () => {
  test("answers the old at once, however many ask, refreshes once behind, and then is fresh", async () => {
    let open: () => void = () => {};
    const held = new Promise<void>((resolve) => (open = resolve));
    origin.on("tools/call swr", async () => {
      await held;
      return text("new");
    });
    const entry = { ttlMs: MINUTE, staleWhileRevalidateMs: HOUR };
    await seed(replica, { target: "swr", variant: { q: 1 }, ageMs: 2 * MINUTE, entry });
    // The origin does not answer yet: whoever waited for it would not come back.
    for (let round = 0; round < 3; round++) {
      const asked = Array.from({ length: 10 }, () => call(replica.mcp, "swr", { q: 1 }));
      for (const got of await Promise.all(asked)) expect([got.cache?.status, said(got)]).toEqual(["stale", "old"]);
    }
    open();
    const fresh = await until(
      () => call(replica.mcp, "swr", { q: 1 }),
      ({ cache }) => cache?.status === "hit",
    );
    expect(said(fresh)).toBe("new");
    expect(origin.count("tools/call", "swr")).toBe(1);
  });

  test("keeps the old answer when the refresh fails, and tries again", async () => {
    origin.on("tools/call swr", ({ nth }) => (nth <= 2 ? "reset" : text("at last")));
    const entry = { ttlMs: MINUTE, staleWhileRevalidateMs: HOUR };
    await seed(replica, { target: "swr", variant: { q: 2 }, ageMs: 2 * MINUTE, entry });
    expect(said(await call(replica.mcp, "swr", { q: 2 }))).toBe("old");
    // A connection that breaks is tried once more at once.
    await expect.poll(() => origin.count("tools/call", "swr")).toBe(2);
    expect(said(await call(replica.mcp, "swr", { q: 2 }))).toBe("old");
    await until(
      () => call(replica.mcp, "swr", { q: 2 }),
      (got) => said(got) === "at last" && got.cache?.status === "hit",
    );
  });

  test("ends with its window", async () => {
    const entry = { ttlMs: MINUTE, staleWhileRevalidateMs: MINUTE };
    await seed(replica, { target: "swr", variant: { q: 3 }, ageMs: 3 * MINUTE, entry });
    const got = await call(replica.mcp, "swr", { q: 3 });
    expect([got.cache?.status, said(got)]).toEqual(["miss", "swr 1"]);
  });
});

describe("what is in KV", () => {
  const SAME = '"content":[{"type":"text","text":"same"}]';
  const again = { headers: { "cache-control": "no-cache" } };

  test("is written anew when the answer changed or is past half its life, not otherwise", async () => {
    const place = (variant: object, ageMs: number, body = SAME) =>
      seed(replica, { target: "op", variant, ageMs, entry: { ttlMs: 10 * MINUTE, body } });
    const young = await place({ kv: "young" }, MINUTE);
    const past = await place({ kv: "past" }, 6 * MINUTE);
    const changed = await place({ kv: "changed" }, MINUTE, '"content":[]');
    const before = await textIn(replica, young);
    origin.on("tools/call op", () => text("same"));
    for (const kv of ["young", "past", "changed"]) {
      expect((await call(replica.mcp, "op", { kv }, again)).cache?.status).toBe("miss");
    }
    const isNew = async (name: string) => Date.now() - (await headerOf(replica, name))["storedAt"] < 10_000;
    await expect.poll(() => isNew(past)).toBe(true);
    await expect.poll(() => isNew(changed)).toBe(true);
    expect(await textIn(replica, young)).toBe(before);
  });

  test("is a header line of JSON, and the body as the origin wrote it", async () => {
    const name = await seed(replica, { target: "op", variant: { form: 1 }, ageMs: HOUR * 24 });
    origin.on("tools/call op", () => text("as written"));
    await call(replica.mcp, "op", { form: 1 });
    const value = await until(
      () => textIn(replica, name),
      (text) => text!.includes("as written"),
    );
    const [header, body] = value!.split("\n");
    expect(JSON.parse(header!)).toMatchObject({ v: 1, scope: "private", split: body!.length });
    expect(body).toBe('"content":[{"type":"text","text":"as written"}]');
  });

  const spoil = (change: (header: any) => unknown) => (value: string) => {
    const [line, body] = value.split("\n");
    const header = JSON.parse(line!);
    change(header);
    return `${JSON.stringify(header)}\n${body}`;
  };
  const SPOILT: [string, (value: string) => string][] = [
    ["empty", () => ""],
    ["not an entry", () => "hello\nthere"],
    ["cut short", (value) => value.slice(0, -3)],
    ["changed in its body", (value) => value.replace("old", "bad")],
    ["of another version", spoil((header) => (header.v = 2))],
    ["without its times", spoil((header) => delete header.storedAt)],
    ["of a negative time", spoil((header) => (header.ttlMs = -1))],
    ["from the future", spoil((header) => (header.storedAt = Date.now() + HOUR))],
    ["without a scope", spoil((header) => delete header.scope)],
  ];

  test.each(SPOILT)("is a miss where it is %s", async (what, change) => {
    const name = await seed(replica, { target: "op", variant: { what }, ageMs: 0 });
    await replica.store.put(name, await sealedAs(name, change((await textIn(replica, name))!)));
    const got = await call(replica.mcp, "op", { what });
    expect([got.status, got.cache?.status, said(got)]).toEqual([200, "miss", "op 1"]);
  });
});
