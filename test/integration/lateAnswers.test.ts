import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, text, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { nameInKv, type Replica, startReplica, stored } from "./support/replica.ts";
import { type Ask, call, codeOf, type Got, legacy, legacyCall, modern, said } from "./support/wire.ts";

type Caller = { headers: Record<string, string> };

const origin = new Fixture();
let replica: Replica;
let ann: Caller;
let bob: Caller;
let cy: Caller;

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("t")];
  replica = await startReplica(
    {
      origins: {
        o: {
          url: origin.url,
          lists: { staleIfError: "7d" },
          tools: { t: { cache: { ttl: "10m", staleIfError: "1h", scope: "public" } } },
        },
      },
      access: { keys: true },
    },
    { instances: 2, vars: { KEY_PEPPER: PEPPER } },
  );
  [ann, bob, cy] = (await Promise.all([1, 2, 3].map(() => makeKey(replica)))).map(({ key }) => bearer(key)) as [
    Caller,
    Caller,
    Caller,
  ];
  // What the tools declare is known beforehand.
  for (const url of replica.urls) await call(`${url}/mcp`, "t", { warm: 1 }, ann);
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const other = () => `${replica.urls[1]}/mcp`;
const again = ({ headers }: Caller): Ask => ({ headers: { ...headers, "cache-control": "no-cache" } });
const statusOf = ({ cache }: Got) => cache?.status;
const PUBLIC = { ttlMs: 60_000, cacheScope: "public" };
const PRIVATE = { ttlMs: 60_000, cacheScope: "private" };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A gate that handlers wait at. */
function gate(): { open: () => void; passed: Promise<void> } {
  let open: () => void = () => {};
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
}

describe("a call that asks anew", () => {
  test("is not undone by an answer that was asked for before and comes later, in memory or in KV", async () => {
    const { open, passed } = gate();
    origin.on("tools/call t", async ({ nth }) => {
      if (nth > 1) return text("new");
      await passed;
      return text("old");
    });
    const args = { late: 1 };
    const slow = call(replica.mcp, "t", args, ann);
    await expect.poll(() => origin.count("tools/call", "t")).toBe(1);
    expect(said(await call(replica.mcp, "t", args, again(bob)))).toBe("new");
    const name = await nameInKv(replica, { target: "t", variant: args, entry: { scope: "public" } });
    await expect.poll(() => replica.store.get(name)).toContain('"new"');
    open();
    expect(said(await slow)).toBe("old");
    await pause(100);
    for (const url of [replica.mcp, other()]) {
      const got = await call(url, "t", args, cy);
      expect([statusOf(got), said(got)]).toEqual(["hit", "new"]);
    }
    expect(await replica.store.get(name)).toContain('"new"');
  });

  test("is not undone by a relayed answer that was asked for before, in memory or in KV", async () => {
    const { open, passed } = gate();
    const args = { relayed: 1 };
    const entry = { scope: "public" } as const;
    const name = await nameInKv(replica, { target: "t", variant: args, entry });
    origin.on("tools/call t", async ({ nth }) => {
      if (nth === 1) await passed;
      return text(nth === 1 ? "old" : "new");
    });
    const streamed = { meta: { progressToken: 1 } };
    const slow = call(replica.mcp, "t", args, { ...ann, ...streamed });
    await expect.poll(() => origin.count("tools/call", "t")).toBe(1);
    expect(said(await call(replica.mcp, "t", args, { ...bob, ...streamed }))).toBe("new");
    await expect.poll(() => replica.store.get(name)).toContain('"new"');
    open();
    expect(said(await slow)).toBe("old");
    // What is kept after it is kept after the old one has been dealt with.
    await call(replica.mcp, "t", { relayed: 2 }, { ...ann, ...streamed });
    const next = await nameInKv(replica, { target: "t", variant: { relayed: 2 }, entry });
    await expect.poll(() => replica.store.get(next)).not.toBeNull();
    expect(await replica.store.get(name)).toContain('"new"');
    expect(said(await call(replica.mcp, "t", args, cy))).toBe("new");
  });

  test("drops what was kept where the new answer may not be", async () => {
    const args = { dropped: 1 };
    const entry = { scope: "public" } as const;
    const name = await nameInKv(replica, { target: "t", variant: args, entry });
    await call(replica.mcp, "t", args, ann);
    await expect.poll(() => replica.store.get(name)).not.toBeNull();
    const _meta = { "edge-replica/cache-control": "no-store" };
    origin.on("tools/call t", ({ nth }) => text(`unkept ${nth}`, { _meta }));
    expect(said(await call(replica.mcp, "t", args, again(ann)))).toMatch("unkept");
    await expect.poll(() => replica.store.get(name)).toBeNull();
    for (const url of [replica.mcp, other()]) expect(said(await call(url, "t", args, bob))).toMatch("unkept");
  });
});

test("a list that was asked for before it came under suspicion does not come back", async () => {
  const { open, passed } = gate();
  let edition = "old";
  origin.on("prompts/list", async ({ params }) => {
    if (params.cursor) return { error: { code: -32602, message: "Invalid cursor" } };
    const mine = edition;
    if (mine === "old") await passed;
    return { result: { prompts: [{ name: mine }], ...PRIVATE } };
  });
  const list = async (params = {}) => (await modern(replica.mcp, "prompts/list", params, ann)).body;
  const slow = list();
  await expect.poll(() => origin.count("prompts/list")).toBe(1);
  edition = "new";
  expect((await list({ cursor: "made up" })).error.code).toBe(-32602);
  expect((await list()).result.prompts).toEqual([{ name: "new" }]);
  open();
  expect((await slow).result.prompts).toEqual([{ name: "old" }]);
  for (let nth = 0; nth < 3; nth++) expect((await list()).result.prompts).toEqual([{ name: "new" }]);
});

test("a later page of a private list stays its caller's where it was passed straight through", async () => {
  let asked = 0;
  origin.on("resources/list", ({ params }) => {
    if (!params.cursor) return { result: { resources: [], nextCursor: "2", ...PRIVATE } };
    // An answer that cannot be shared lets the next ones pass for a while.
    if (++asked === 1) return { error: { code: -32603, message: "Try again" } };
    return { result: { resources: [{ uri: `x://${asked}`, name: "x" }], ...PUBLIC } };
  });
  const page = (who: Caller) => modern(replica.mcp, "resources/list", { cursor: "2" }, who);
  await modern(replica.mcp, "resources/list", {}, ann);
  expect((await page(ann)).body.error.code).toBe(-32603);
  expect((await page(ann)).body.result.resources[0].uri).toBe("x://2");
  await expect.poll(async () => statusOf(await page(ann))).toBe("hit");
  const got = await page(bob);
  expect([statusOf(got) === "hit", got.body.result.resources[0].uri === "x://2"]).toEqual([false, false]);
  expect((await stored(replica, "resources/list")).some((name) => name.includes("/public/"))).toBe(false);
});

describe("what was public and has turned private", () => {
  test("is nobody else's any more, from memory, KV or flights", async () => {
    let scope = "public";
    origin.on("resources/read", ({ nth }) => ({
      result: { contents: [{ uri: "flip://1", text: `${scope} ${nth}` }], ttlMs: 60_000, cacheScope: scope },
    }));
    const read = async (who: Ask, url = replica.mcp) => {
      const got = await modern(url, "resources/read", { uri: "flip://1" }, who);
      return [statusOf(got), got.body.result.contents[0].text];
    };
    expect(await read(bob)).toEqual(["miss", "public 1"]);
    expect(await read(cy)).toEqual(["hit", "public 1"]);
    await expect.poll(() => stored(replica, "resources/read")).toHaveLength(1);
    scope = "private";
    expect(await read(again(ann))).toEqual(["miss", "private 2"]);
    await expect.poll(async () => (await stored(replica, "resources/read"))[0]).not.toContain("/public/");
    expect(await read(bob)).toEqual(["miss", "private 3"]);
    expect(await read(cy, other())).toEqual(["miss", "private 4"]);
    expect(await read(ann)).toEqual(["hit", "private 2"]);
  });

  test("takes the other pages of its list along", async () => {
    let hints = PUBLIC;
    origin.on("prompts/list", ({ params, nth }) => ({
      result: { prompts: [{ name: `${nth}` }], ...(!params.cursor && { nextCursor: "2" }), ...hints },
    }));
    const list = async (who: Ask, params = {}) => modern(replica.mcp, "prompts/list", params, who);
    await list(again(bob));
    await list(bob, { cursor: "2" });
    for (const params of [{}, { cursor: "2" }]) expect(statusOf(await list(cy, params))).toBe("hit");
    hints = PRIVATE;
    await list(again(ann));
    for (const params of [{ cursor: "2" }, {}]) {
      const got = await list(cy, params);
      expect([statusOf(got), Number(got.body.result.prompts[0].name) > 2]).toEqual(["miss", true]);
    }
    await expect
      .poll(async () => (await stored(replica, "prompts/list")).filter((name) => name.includes("/public/")))
      .toEqual([]);
  });
});

test("a legacy answer, which says nothing of its scope, takes no public list from those who come in an outage", async () => {
  origin.on("tools/list", ({ isModern }) => ({ result: { tools: origin.tools, ...(isModern && PUBLIC) } }));
  await modern(replica.mcp, "tools/list", {}, again(ann));
  const isPublic = async () => (await stored(replica, "tools/list")).some((name) => name.includes("/public/"));
  await expect.poll(isPublic).toBe(true);
  expect((await legacy(replica.mcp, "tools/list", {}, again(bob))).body.result.tools).toEqual(origin.tools);
  await pause(100);
  expect(await isPublic()).toBe(true);
  origin.on("tools/list", () => "reset");
  for (const url of [replica.mcp, other()]) {
    const got = await modern(url, "tools/list", {}, cy);
    expect([codeOf(got), got.body.result?.tools]).toEqual([undefined, origin.tools]);
  }
});

describe("a legacy call that fails", () => {
  test("does not fail the modern caller who waited for it", async () => {
    const { open, passed } = gate();
    origin.on("tools/call t", async ({ isModern }) => {
      if (isModern) return text("fine");
      await passed;
      return { status: 500, text: "" };
    });
    const first = legacyCall(replica.mcp, "t", { leg: 1 }, ann);
    await expect.poll(() => origin.count("tools/call", "t")).toBe(1);
    const second = call(replica.mcp, "t", { leg: 1 }, bob);
    await pause(200);
    open();
    expect(said(await second)).toBe("fine");
    expect(codeOf(await first)).toBe("origin_unavailable");
  });

  test("does not fail the one who comes after it, nor does a modern one fail a legacy one", async () => {
    for (const failing of [false, true]) {
      origin.on("tools/call t", ({ isModern }) => (isModern === failing ? { status: 500, text: "" } : text("fine")));
      const [fails, works] = failing ? [call, legacyCall] : [legacyCall, call];
      const args = { failing };
      expect(codeOf(await fails(replica.mcp, "t", args, ann))).toBe("origin_unavailable");
      expect(said(await works(replica.mcp, "t", args, bob))).toBe("fine");
    }
  });
});
