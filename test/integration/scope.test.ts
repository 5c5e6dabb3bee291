import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, text, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { type Replica, seed, startReplica, stored } from "./support/replica.ts";
import { call, type Got, modern, said } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;
let ann: { headers: Record<string, string> };
let bob: { headers: Record<string, string> };
let annsPrincipal: string;

beforeAll(async () => {
  await origin.start();
  const readOnly = { annotations: { readOnlyHint: true } };
  origin.tools = [tool("own"), tool("shared"), tool("find_x", readOnly), tool("get_x", readOnly)];
  replica = await startReplica(
    {
      origins: {
        o: {
          url: origin.url,
          tools: {
            own: { cache: { ttl: "10m" } },
            shared: { cache: { ttl: "10m", scope: "public" } },
            "find_*": { cache: { ttl: "10m", scope: "public" } },
            "get_*": { cache: { ttl: "10m" } },
          },
          resources: {
            "shared://1": { cache: { ttl: "10m", scope: "public" } },
            "follow://*": { cache: { ttl: "10m", scope: "public" } },
            "own://*": { cache: { ttl: "10m" } },
          },
        },
      },
      access: { keys: true },
    },
    { instances: 2, vars: { KEY_PEPPER: PEPPER } },
  );
  const [a, b] = [await makeKey(replica), await makeKey(replica)];
  [ann, bob, annsPrincipal] = [bearer(a.key), bearer(b.key), `key:${a.id}`];
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const other = () => `${replica.urls[1]}/mcp`;
const read = (uri: string, who: typeof ann, url = replica.mcp) => modern(url, "resources/read", { uri }, who);
const contents = (hints: object) => () => ({ result: { contents: [], ...hints } });
const statusOf = ({ cache }: Got) => cache?.status;

test("a tool's answers are private unless the operator says otherwise, in memory and in KV", async () => {
  expect([said(await call(replica.mcp, "own", {}, ann)), said(await call(replica.mcp, "own", {}, bob))]).toEqual([
    "own 1",
    "own 2",
  ]);
  expect(said(await call(replica.mcp, "own", {}, ann))).toBe("own 1");
  await expect.poll(() => stored(replica, "tools/call")).toHaveLength(2);
  expect(said(await call(other(), "own", {}, bob))).toBe("own 2");
  expect((await stored(replica, "tools/call")).some((name) => name.includes("/public/"))).toBe(false);
});

test("an exact name with public is shared, whatever the origin says", async () => {
  await call(replica.mcp, "shared", {}, ann);
  expect(statusOf(await call(replica.mcp, "shared", {}, bob))).toBe("hit");
  origin.on("resources/read", contents({ ttlMs: 0, cacheScope: "private" }));
  await read("shared://1", ann);
  expect(statusOf(await read("shared://1", bob))).toBe("hit");
});

describe("a pattern with public", () => {
  test.each([
    ["private", { ttlMs: 60_000, cacheScope: "private" }, "miss"],
    ["public", { ttlMs: 60_000, cacheScope: "public" }, "hit"],
    ["public, and a ttl of 0", { ttlMs: 0, cacheScope: "public" }, "miss"],
    ["public, and no ttl", { cacheScope: "public" }, "miss"],
    ["nothing", {}, "miss"],
    ["no scope that there is", { ttlMs: 60_000, cacheScope: "PUBLIC" }, "miss"],
  ])("follows the origin where it says %s", async (what, hints, then) => {
    origin.on("resources/read", contents(hints));
    const uri = `follow://${what.replaceAll(" ", "-")}`;
    await read(uri, ann);
    expect(statusOf(await read(uri, bob))).toBe(then);
    expect(statusOf(await read(uri, ann))).toBe("hit");
  });

  test("on tools shares what the origin itself calls public, and nothing else", async () => {
    const _meta = { "edge-replica/cache-control": "public, max-age=60" };
    origin.on("tools/call find_x", ({ params }) =>
      text("x", params.arguments.open ? { _meta } : { cacheScope: "public" }),
    );
    for (const open of [true, false]) {
      await call(replica.mcp, "find_x", { open }, ann);
      expect(statusOf(await call(replica.mcp, "find_x", { open }, bob))).toBe(open ? "hit" : "miss");
    }
  });
});

test("a pattern without public is private, although the origin says public", async () => {
  origin.on("resources/read", contents({ ttlMs: 60_000, cacheScope: "public" }));
  await read("own://1", ann);
  expect(statusOf(await read("own://1", bob))).toBe("miss");
});

test("lists and resources without an entry follow the origin", async () => {
  for (const cacheScope of ["public", "private"]) {
    origin.on("resources/read", contents({ ttlMs: 60_000, cacheScope }));
    await read(`none://${cacheScope}`, ann);
    const then = await read(`none://${cacheScope}`, bob);
    expect([statusOf(then), then.body.result.cacheScope]).toEqual([
      cacheScope === "public" ? "hit" : "miss",
      cacheScope,
    ]);
  }
});

test("what turns private at the origin is taken from the others", async () => {
  let cacheScope = "public";
  origin.on("resources/read", ({ nth }) => ({
    result: { contents: [{ uri: "f", text: `${nth}` }], ttlMs: 60_000, cacheScope },
  }));
  const uri = "follow://flip";
  await read(uri, ann);
  expect(statusOf(await read(uri, bob))).toBe("hit");
  const names = async () => (await stored(replica, "resources/read")).filter((name) => name.includes("/public/"));
  const before = await names();
  cacheScope = "private";
  const again = await read(uri, { headers: { ...ann.headers, "cache-control": "no-cache" } });
  expect(again.body.result.contents[0].text).toBe("2");
  const bobs = await read(uri, bob);
  expect([statusOf(bobs), bobs.body.result.contents[0].text]).toEqual(["miss", "3"]);
  await expect.poll(async () => (await names()).length).toBe(before.length - 1);
  expect((await read(uri, ann, other())).body.result.contents[0].text).toBe("2");
});

describe("the pages of a list", () => {
  const page = (names: string, hints: object, nextCursor?: string) => ({
    result: { prompts: [{ name: names }], ...(nextCursor && { nextCursor }), ...hints },
  });
  const list = (who: typeof ann, cursor?: string, url = replica.mcp) =>
    modern(url, "prompts/list", cursor === undefined ? {} : { cursor }, who);
  const PUBLIC = { ttlMs: 60_000, cacheScope: "public" };
  const PRIVATE = { ttlMs: 60_000, cacheScope: "private" };

  beforeEach(async () => {
    for (const name of await stored(replica, "prompts/list")) await replica.store.delete(name);
  });

  test("take the scope of the first, whatever the origin calls them", async () => {
    origin.on("prompts/list", ({ params }) => (params.cursor ? page("b", PUBLIC) : page("a", PRIVATE, "2")));
    await list(ann);
    await list(ann, "2");
    expect(statusOf(await list(bob, "2"))).toBe("miss");
    expect(statusOf(await list(ann, "2"))).toBe("hit");
    expect((await list(ann, "2")).body.result.cacheScope).toBe("private");
  });

  test("are all dropped where the origin no longer knows a cursor", async () => {
    const entry = { ttlMs: 600_000, body: '"prompts":[{"name":"stored"}]' };
    const mine = { method: "prompts/list", principal: annsPrincipal, ageMs: 1_000, entry };
    origin.on("prompts/list", () => page("first", PRIVATE, "bad"));
    await list({ headers: { ...ann.headers, "cache-control": "no-cache" } });
    await seed(replica, { ...mine, variant: "first" });
    await seed(replica, { ...mine, variant: "second" });
    expect(statusOf(await list(ann, "first"))).toBe("hit");
    origin.on("prompts/list", ({ params }) =>
      params.cursor === "bad" ? { error: { code: -32602, message: "Invalid cursor" } } : page("new", PRIVATE),
    );
    expect((await list(ann, "bad")).body.error.code).toBe(-32602);
    await expect.poll(() => stored(replica, "prompts/list")).toEqual([]);
    for (const cursor of ["first", "second"]) {
      const got = await list(ann, cursor);
      expect([statusOf(got), got.body.result.prompts]).toEqual(["miss", [{ name: "new" }]]);
    }
  });

  test("survive a cursor that a caller made up, for when the origin fails", async () => {
    const down = { status: 503 };
    let isDown = false;
    origin.on("prompts/list", ({ params }) => {
      if (isDown) return down;
      return params.cursor === "made up"
        ? { error: { code: -32602, message: "Invalid cursor" } }
        : page("kept", PRIVATE);
    });
    await list(ann);
    expect((await list(ann, "made up")).body.error.code).toBe(-32602);
    isDown = true;
    const got = await list(ann);
    expect([statusOf(got), got.body.result.prompts]).toEqual(["stale", [{ name: "kept" }]]);
  });

  test("are not taken from a KV that goes on with the old ones for a while", async () => {
    const entry = { ttlMs: 600_000, body: '"prompts":[{"name":"stored"}]' };
    const old = { method: "prompts/list", principal: annsPrincipal, ageMs: 5_000, variant: "late", entry };
    origin.on("prompts/list", ({ params }) =>
      params.cursor === "wrong" ? { error: { code: -32602, message: "Invalid cursor" } } : page("new", PRIVATE),
    );
    expect((await list(ann, "wrong")).body.error.code).toBe(-32602);
    await seed(replica, old);
    const got = await list(ann, "late");
    expect([statusOf(got), got.body.result.prompts]).toEqual(["miss", [{ name: "new" }]]);
  });

  test("are asked for anew after that, although they were filled a moment ago", async () => {
    let edition = 1;
    origin.on("prompts/list", ({ params }) =>
      params.cursor === "worse"
        ? { error: { code: -32602, message: "Invalid cursor" } }
        : page(`edition ${edition}`, PRIVATE),
    );
    expect((await list(ann, "x")).body.result.prompts[0].name).toBe("edition 1");
    edition = 2;
    expect((await list(ann, "worse")).body.error.code).toBe(-32602);
    expect((await list(ann, "x")).body.result.prompts[0].name).toBe("edition 2");
  });
});

test("an origin that misses a header purges the list of tools, so that the caller's next one is new", async () => {
  const { tools } = origin;
  try {
    origin.on("tools/list", () => ({ result: { tools: origin.tools, ttlMs: 600_000, cacheScope: "public" } }));
    const list = async () => (await modern(replica.mcp, "tools/list", {}, ann)).body.result.tools;
    await list();
    expect(statusOf(await modern(replica.mcp, "tools/list", {}, ann))).toBe("hit");
    const schema = { type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } } };
    origin.tools = [{ name: "own", inputSchema: schema }];
    origin.on("tools/call", ({ headers }) =>
      headers["mcp-param-region"] === undefined
        ? { status: 400, error: { code: -32020, message: "Mcp-Param-Region is missing" } }
        : text("with the header"),
    );
    const refused = await call(replica.mcp, "own", { region: "eu" }, ann);
    expect([refused.status, refused.body.error.code]).toEqual([400, -32020]);
    expect(await list()).toEqual(origin.tools);
    const headers = { ...ann.headers, "mcp-param-region": "eu" };
    const got = await call(replica.mcp, "own", { region: "eu" }, { headers });
    expect(said(got)).toBe("with the header");
  } finally {
    origin.tools = tools;
  }
});
