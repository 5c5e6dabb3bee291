import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, text, tool } from "./support/fixture.ts";
import { type Replica, seed, startReplica, stored } from "./support/replica.ts";
import { call, type Got, legacyCall, modern, said, send } from "./support/wire.ts";

const origin = new Fixture();
const old = new Fixture();
let replica: Replica;
const bearer = { authorization: "Bearer s3cret" };

beforeAll(async () => {
  await origin.start();
  await old.start();
  const cache = { ttl: "10m", staleWhileRevalidate: "1h", scope: "public" } as const;
  const tools = {
    t: { cache },
    mirrored: { cache },
    own: { cache: { ttl: "10m" } },
    "read_*": { cache },
    secret: { deny: true },
  } as const;
  replica = await startReplica(
    {
      origins: {
        o: { url: origin.url, default: true, lists: { defaultTtl: "10m" }, tools },
        old: { url: old.url, lists: { defaultTtl: "10m" }, tools: { t: { cache } } },
      },
      access: { keys: true, open: true },
    },
    { instances: 2, vars: { ADMIN_TOKEN: "s3cret" } },
  );
});
beforeEach(() => {
  origin.reset();
  old.reset();
  old.eras = "legacy";
  const readOnly = { annotations: { readOnlyHint: true } };
  const inputSchema = { type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } } };
  origin.tools = [
    tool("t"),
    tool("own"),
    tool("read_it", readOnly),
    tool("read_not"),
    { name: "mirrored", inputSchema },
  ];
  old.tools = [tool("t")];
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
  await old.stop();
});

const statusOf = ({ cache }: Got) => cache?.status;
let ids = 0;
const fresh = () => ({ id: `${++ids}` });

function warm(body: object | string, headers: Record<string, string> = bearer): Promise<Got> {
  return send(`${replica.url}/admin/warm`, { headers, body: typeof body === "string" ? body : JSON.stringify(body) });
}

describe("what is warmed", () => {
  test("is asked for once, and kept for everybody, everywhere: of either era, with the origin gone", async () => {
    const all = [fresh(), fresh(), fresh()];
    const { status, body } = await warm({ tool: "t", arguments: all });
    expect([status, body]).toEqual([200, { origin: "o", tool: "t", results: all.map(() => ({ result: "miss" })) }]);
    expect(origin.count("tools/call", "t")).toBe(3);
    for (const args of all) {
      const got = await call(replica.mcp, "t", args);
      expect([statusOf(got), said(got)]).toEqual(["hit", expect.stringMatching(/^t [123]$/)]);
      expect(statusOf(await legacyCall(replica.mcp, "t", args))).toBe("hit");
    }
    const elsewhere = () => call(`${replica.urls[1]}/mcp`, "t", all[0]);
    await expect.poll(async () => statusOf(await elsewhere())).toBe("hit");
    expect(origin.count("tools/call", "t")).toBe(3);
  });

  test("that was there already is not asked for again, and what is stale is refreshed", async () => {
    const args = fresh();
    await call(replica.mcp, "t", args);
    expect((await warm({ tool: "t", arguments: [args] })).body.results).toEqual([{ result: "hit" }]);
    expect(origin.count("tools/call", "t")).toBe(1);
    const stale = fresh();
    const nothing = { headers: bearer, body: JSON.stringify({ tags: ["nothing that exists"] }) };
    const { feedId, seq } = (await send(`${replica.url}/admin/purge`, nothing)).body;
    const entry = { ttlMs: 1, staleWhileRevalidateMs: 3_600_000, scope: "public", feedId, seq } as const;
    await seed(replica, { target: "t", variant: stale, ageMs: 60_000, entry });
    expect((await warm({ tool: "t", arguments: [stale] })).body.results).toEqual([{ result: "stale" }]);
    await expect.poll(async () => statusOf(await call(replica.mcp, "t", stale))).toBe("hit");
    expect(origin.count("tools/call", "t")).toBe(2);
  });

  test("of an origin that speaks the earlier revisions only is there for callers of the newest", async () => {
    const args = fresh();
    const { body } = await warm({ origin: "old", tool: "t", arguments: [args] });
    expect(body.results).toEqual([{ result: "miss" }]);
    expect(old.last("tools/call").isModern).toBe(false);
    expect(statusOf(await call(`${replica.url}/mcp/old`, "t", args))).toBe("hit");
    expect(old.count("tools/call")).toBe(1);
  });

  test("of a tool that wants arguments mirrored in headers is asked for with them, and found by who sends them", async () => {
    const args = { region: "eu", ...fresh() };
    const { body } = await warm({ tool: "mirrored", arguments: [args, fresh()] });
    expect(body.results).toEqual([{ result: "miss" }, { result: "miss" }]);
    const calls = origin.seen.filter(({ name }) => name === "mirrored");
    const told = calls.map(({ params, headers }) => [params.arguments.region, headers["mcp-param-region"]]);
    expect(told.toSorted()).toEqual(
      [
        ["eu", "eu"],
        [undefined, undefined],
      ].toSorted(),
    );
    const ask = { headers: { "mcp-param-region": "eu" } };
    expect(statusOf(await call(replica.mcp, "mirrored", args, ask))).toBe("hit");
  });

  test("reaches the origin a few at a time", async () => {
    let now = 0;
    let most = 0;
    let release!: () => void;
    const released = new Promise<void>((resolve) => (release = resolve));
    origin.on("tools/call t", async () => {
      most = Math.max(most, ++now);
      await released;
      now--;
      return text("t");
    });
    const warming = warm({ tool: "t", arguments: Array.from({ length: 10 }, fresh) });
    await expect.poll(() => now).toBe(4);
    release();
    expect((await warming).body.results).toHaveLength(10);
    expect(most).toBe(4);
  });
});

describe("what cannot be kept is told, each with its reason, and the rest goes on", () => {
  test("because the origin failed, refused, or failed the call", async () => {
    origin.on("tools/call t", ({ params }) => {
      if (params.arguments.how === "down") return { status: 503, text: "" };
      if (params.arguments.how === "refused") return { error: { code: -32602, message: "no such id" } };
      if (params.arguments.how === "failed") return text("not today", { isError: true });
      return text("t");
    });
    const all = ["down", "refused", "failed", "well"].map((how) => ({ how, ...fresh() }));
    const { status, body } = await warm({ tool: "t", arguments: all });
    expect(status).toBe(200);
    expect(body.results).toMatchObject([
      { result: "failed", error: { code: "origin_unavailable", message: expect.stringContaining("503") } },
      { result: "failed", error: { code: "not_kept", message: expect.stringContaining("no such id") } },
      { result: "failed", error: { code: "not_kept", message: expect.stringContaining("not today") } },
      { result: "miss" },
    ]);
  });

  test("because the origin calls it private; and a tool that it does not call read-only is not even called", async () => {
    const hint = (words: string) => text("r", { _meta: { "edge-replica/cache-control": words } });
    origin.on("tools/call read_it", ({ params }) => hint(params.arguments.id ? "public" : "private"));
    const read = await warm({ tool: "read_it", arguments: [{}, fresh()] });
    expect(read.body.results).toMatchObject([
      { result: "failed", error: { code: "warm_private" } },
      { result: "miss" },
    ]);
    const { body } = await warm({ tool: "read_not", arguments: [{}] });
    expect(body.results).toMatchObject([{ result: "failed", error: { code: "warm_not_cached" } }]);
    expect(origin.count("tools/call", "read_not")).toBe(0);
  });
});

describe("a warming is refused", () => {
  test.each([
    ["of a tool whose answers are private", { tool: "own", arguments: [{}] }, 400, "warm_private", "cache.scope"],
    ["of a tool that is not cached", { tool: "another", arguments: [{}] }, 400, "warm_not_cached", "another"],
    ["of a tool that is denied", { tool: "secret", arguments: [{}] }, 400, "warm_not_cached", "secret"],
    ["of another origin", { origin: "c", tool: "t", arguments: [{}] }, 404, "unknown_origin", "o, old"],
    ["of no tool", { arguments: [{}] }, 400, "bad_warm", "tool"],
    ["of no call", { tool: "t", arguments: [] }, 400, "bad_warm", "1 to 50"],
    ["of too many", { tool: "t", arguments: Array(51).fill({}) }, 400, "bad_warm", "1 to 50"],
    ["of arguments that are none", { tool: "t", arguments: [{}, []] }, 400, "bad_warm", "arguments.1: an object"],
    ["of what it does not know", { tool: "t", arguments: [{}], tags: [] }, 400, "bad_warm", "tags"],
    ["of a number that is not held", '{"tool":"t","arguments":[{"n":9007199254740993}]}', 400, "bad_warm", "exactly"],
    ["that is no JSON", "{", 400, "bad_warm", "not JSON"],
    [
      "that nests deeply",
      `{"tool":"t","arguments":[${"[".repeat(70)}${"]".repeat(70)}]}`,
      400,
      "bad_warm",
      "64 levels",
    ],
  ])("%s, with what is wrong, and nobody is asked", async (_, body, status, code, words) => {
    const got = await warm(body);
    expect([got.status, got.body.error.data.code]).toEqual([status, code]);
    expect(got.body.error.message).toContain(words);
    expect(origin.count("tools/call")).toBe(0);
  });

  test.each([
    ["without the token", {}, 401, "admin_unauthorized"],
    ["from a page, even here", { ...bearer, origin: "http://localhost:3000" }, 403, "origin_not_allowed"],
    ["to a name that is not served", { ...bearer, host: "evil.test" }, 403, "host_not_served"],
  ])("%s", async (_, headers, status, code) => {
    const got = await warm({ tool: "t", arguments: [{}] }, headers);
    expect([got.status, got.body.error.data.code]).toEqual([status, code]);
    expect(origin.count("tools/call")).toBe(0);
  });

  test("in another way than a POST", async () => {
    const got = await send(`${replica.url}/admin/warm`, { method: "GET", headers: bearer });
    expect([got.status, got.headers["allow"]]).toEqual([405, "POST"]);
  });
});

test("nothing is stored under the name of who warms", async () => {
  const before = await stored(replica, "tools/call");
  await warm({ tool: "t", arguments: [fresh()] });
  await expect.poll(async () => (await stored(replica, "tools/call")).length).toBe(before.length + 1);
  const names = await stored(replica, "tools/call");
  const added = names.filter((name) => !before.includes(name));
  expect(added).toEqual([expect.stringMatching(/^e1\/o\/tools\/call\/public\//)]);
  expect((await modern(replica.mcp, "tools/list")).status).toBe(200);
});
