import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, tool } from "./support/fixture.ts";
import { type Replica, seed, startReplica } from "./support/replica.ts";
import { type Ask, call, codeOf, initialize, legacy, legacyCall, modern, said } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("t", { annotations: { readOnlyHint: true } }), tool("plain"), tool("old")];
  const cache = { ttl: "10m", staleIfError: "1h" } as const;
  replica = await startReplica({
    origins: { o: { url: origin.url, tools: { t: { cache }, "pattern_*": { cache }, old: { cache } } } },
  });
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

/** Both ways of asking. */
const WAYS: [string, (directive: string) => Ask][] = [
  ["the header", (directive) => ({ headers: { "cache-control": directive } })],
  ["_meta", (directive) => ({ meta: { "edge-replica/cache-control": directive } })],
];

describe.each(WAYS)("asked by %s", (way, asking) => {
  test("no-cache asks the origin again, and what comes is kept", async () => {
    for (const ask of [call, legacyCall]) {
      const args = { way, era: ask.name };
      const first = await ask(replica.mcp, "t", args);
      const again = await ask(replica.mcp, "t", args, asking("no-cache"));
      expect(again.cache?.status).toBe("miss");
      expect(said(again)).not.toBe(said(first));
      const then = await ask(replica.mcp, "t", args);
      expect([then.cache?.status, said(then)]).toEqual(["hit", said(again)]);
    }
  });

  test("no-cache is answered stale where the origin fails", async () => {
    await call(replica.mcp, "t", { way, down: 1 });
    origin.on("tools/call", () => ({ status: 503, text: "" }));
    expect((await call(replica.mcp, "t", { way, down: 1 }, asking("no-cache"))).cache?.status).toBe("stale");
  });

  test("only-if-cached is answered with what is stored", async () => {
    for (const ask of [call, legacyCall]) {
      await ask(replica.mcp, "t", { way, only: 1 });
      const got = await ask(replica.mcp, "t", { way, only: 1 }, asking("only-if-cached"));
      expect(got.cache?.status).toBe("hit");
    }
  });

  test("only-if-cached is answered with what is stale, marked so, and nothing is refreshed", async () => {
    await seed(replica, {
      target: "old",
      variant: { way },
      ageMs: 700_000,
      entry: { ttlMs: 600_000, staleIfErrorMs: 3_600_000 },
    });
    const got = await call(replica.mcp, "old", { way }, asking("only-if-cached"));
    expect([got.cache?.status, said(got)]).toEqual(["stale", "old"]);
    expect(origin.count("tools/call")).toBe(0);
  });

  test("only-if-cached never reaches the origin, whatever is asked", async () => {
    const only = asking("only-if-cached, max-age=5");
    const asks = [
      ["tools/call", { name: "t", arguments: { never: way } }],
      ["tools/call", { name: "plain", arguments: {} }],
      ["tools/call", { name: "pattern_x", arguments: { never: way } }],
      ["tools/call", { name: "t", arguments: { never: way }, task: {} }],
      ["prompts/get", { name: "p" }],
      ["prompts/list", { cursor: way }],
      ["resources/read", { uri: "x://never" }],
      ["completion/complete", { ref: { type: "ref/prompt", name: "p" }, argument: { name: "a", value: "b" } }],
      ["acme/unknown", {}],
    ] as const;
    for (const [method, params] of asks) {
      for (const ask of [modern, legacy]) {
        const got = await ask(replica.mcp, method, params, only);
        expect([method, ask.name, got.status, codeOf(got)]).toEqual([method, ask.name, 200, "not_cached"]);
      }
    }
    expect(origin.seen.map(({ text }) => text)).toEqual([]);
  });
});

test("only-if-cached keeps initialize and discover from the origin, too", async () => {
  const fresh = await startReplica({ origins: { o: { url: origin.url } } });
  try {
    const only = { headers: { "cache-control": "only-if-cached" } };
    for (const [, asking] of WAYS) {
      expect(codeOf(await initialize(fresh.mcp, "2025-11-25", asking("only-if-cached")))).toBe("not_cached");
      expect(codeOf(await modern(fresh.mcp, "server/discover", {}, asking("only-if-cached")))).toBe("not_cached");
    }
    expect(origin.seen).toEqual([]);
    await initialize(fresh.mcp);
    const stored = await initialize(fresh.mcp, "2025-11-25", only);
    expect(stored.body.result.serverInfo.name).toBe("fixture");
    expect(origin.count("initialize")).toBe(1);
  } finally {
    await fresh.close();
  }
});

test("no-cache asks anew even while another call for the same is in flight", async () => {
  let open: () => void = () => {};
  const held = new Promise<void>((resolve) => (open = resolve));
  origin.on("tools/call t", async ({ nth }) => {
    if (nth === 1) await held;
    return { result: { content: [{ type: "text", text: `answer ${nth}` }] } };
  });
  const slow = call(replica.mcp, "t", { flight: 1 });
  await expect.poll(() => origin.count("tools/call", "t")).toBe(1);
  const again = await call(replica.mcp, "t", { flight: 1 }, { headers: { "cache-control": "no-cache" } });
  expect(said(again)).toBe("answer 2");
  open();
  expect(said(await slow)).toBe("answer 1");
});

test("a directive that is no directive changes nothing", async () => {
  await call(replica.mcp, "t", { junk: 1 });
  for (const junk of ["", ",,", "no-cachet", 'private="no-cache"', "max-age=0"]) {
    const got = await call(replica.mcp, "t", { junk: 1 }, { headers: { "cache-control": junk } });
    expect([junk, got.cache?.status]).toEqual([junk, "hit"]);
  }
});
