import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, text, tool } from "./support/fixture.ts";
import { headerOf, nameInKv, type Replica, seed, startReplica } from "./support/replica.ts";
import { call, codeOf, type Got, modern, said, send } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;

beforeAll(async () => {
  await origin.start();
  const kept = { ttl: "10m", staleIfError: "1h", scope: "public" } as const;
  replica = await startReplica(
    {
      origins: {
        o: {
          url: origin.url,
          sync: { pulse: "250ms" },
          lists: { defaultTtl: "10m" },
          timeout: { firstByte: "5s", total: "5s" },
          tools: {
            t: { cache: { ...kept, tags: ["item:{id}"] } },
            brief: { cache: { ttl: "10m", staleWhileRevalidate: "10m", scope: "public" } },
          },
          resources: { "x://*": { cache: kept } },
        },
      },
    },
    { instances: 2 },
  );
});
beforeEach(async () => {
  await origin.stop();
  await origin.start();
  origin.reset();
  origin.tools = [tool("t"), tool("brief")];
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const at = (instance: number) => `${replica.urls[instance]}/mcp`;
const statusOf = ({ cache }: Got) => cache?.status;
let ids = 0;
/** Arguments that nobody has used. */
const fresh = () => ({ id: `${++ids}` });

async function purge(body: object, headers: Record<string, string> = {}, url = replica.url): Promise<Got> {
  return send(`${url}/admin/purge`, { headers, body: JSON.stringify(body) });
}

/** Has both instances keep an answer. */
async function kept(ask: (instance: number) => Promise<Got>): Promise<void> {
  for (const instance of [0, 1]) {
    await ask(instance);
    await expect.poll(async () => statusOf(await ask(instance))).toBe("hit");
  }
}

/** Waits until an instance answers anew, within some pulses. */
async function anew(ask: (instance: number) => Promise<Got>, instance: number): Promise<Got> {
  let got!: Got;
  await expect
    .poll(async () => statusOf((got = await ask(instance))), { timeout: 5_000 })
    .toSatisfy((status) => status !== "hit");
  return got;
}

describe("after a purge through one instance", () => {
  test("of a tool, that one answers anew at once, and the other within a pulse", async () => {
    const args = fresh();
    const ask = (instance: number) => call(at(instance), "t", args);
    await kept(ask);
    const { status, body } = await purge({ tool: "t" });
    expect([status, body]).toEqual([
      200,
      { origin: "o", tags: ["tool:t"], hard: false, feedId: expect.any(String), seq: expect.any(Number) },
    ]);
    const got = await ask(0);
    expect([statusOf(got), said(got)]).toEqual(["miss", "t 2"]);
    await expect.poll(async () => said(await ask(1)), { timeout: 5_000 }).toBe("t 2");
    // The one call served both: nobody knows of an invalidation after it.
    expect(origin.count("tools/call", "t")).toBe(2);
  });

  test.each([
    ["a tag", (id: string) => ({ tags: [`item:${id}`] })],
    ["the origin", () => ({ origin: "o" })],
  ])("of %s, what carries it is asked for anew, and nothing else is", async (_, body) => {
    const [args, others] = [fresh(), fresh()];
    const ask = (instance: number) => call(at(instance), "t", args);
    const other = (instance: number) => call(at(instance), "t", others);
    await kept(ask);
    await kept(other);
    const what = body(args.id);
    await purge(what);
    await anew(ask, 1);
    expect(statusOf(await other(1))).toBe("origin" in what ? "miss" : "hit");
  });

  test("of a resource, that one is read anew", async () => {
    const read = (uri: string) => (instance: number) => modern(at(instance), "resources/read", { uri });
    await kept(read("x://1"));
    await kept(read("x://2"));
    await purge({ resource: "x://1" });
    await anew(read("x://1"), 1);
    expect(statusOf(await read("x://2")(1))).toBe("hit");
  });

  test("soft, the old answer stands in for an origin that is down, marked stale and promised nothing", async () => {
    const args = fresh();
    const ask = (instance: number) => call(at(instance), "t", args);
    await kept(ask);
    await origin.stop();
    await purge({ tool: "t" });
    for (const instance of [0, 1]) {
      const got = await anew(ask, instance);
      expect([statusOf(got), said(got)]).toEqual(["stale", "t 1"]);
    }
  });

  test("soft, an answer without stale-if-error is not given any more, nor answered while it is revalidated", async () => {
    const args = fresh();
    const ask = (instance: number) => call(at(instance), "brief", args);
    await kept(ask);
    await purge({ tool: "brief" });
    expect(statusOf(await ask(0))).toBe("miss");
    await origin.stop();
    await purge({ tool: "brief" });
    expect(codeOf(await ask(0))).toBe("origin_unavailable");
    expect(codeOf(await anew(ask, 1))).toBe("origin_unavailable");
  });

  test("hard, nothing is left, in memory or in KV", async () => {
    const args = fresh();
    const ask = (instance: number) => call(at(instance), "t", args);
    await kept(ask);
    await origin.stop();
    await purge({ tags: [`item:${args.id}`], hard: true });
    for (const instance of [0, 1]) expect(codeOf(await anew(ask, instance))).toBe("origin_unavailable");
    const cached = { headers: { "cache-control": "only-if-cached" } };
    for (const instance of [0, 1]) expect(codeOf(await call(at(instance), "t", args, cached))).toBe("not_cached");
  });

  test("an answer that comes late, though it was asked for before, is not given to the next", async () => {
    const args = fresh();
    let land!: () => void;
    const landed = new Promise<void>((resolve) => (land = resolve));
    origin.on("tools/call t", ({ nth }) => ({ ...text(`t ${nth}`), ...(nth === 1 && { sse: [], hold: landed }) }));
    const late = call(at(1), "t", args);
    await expect.poll(() => origin.count("tools/call", "t")).toBe(1);
    await purge({ tool: "t" });
    // Who knows of the purge does not wait for what was asked for before it.
    expect(said(await call(at(0), "t", args))).toBe("t 2");
    land();
    expect(said(await late)).toBe("t 1");
    await expect.poll(async () => said(await call(at(1), "t", args))).not.toBe("t 1");
    expect(said(await call(at(0), "t", args))).not.toBe("t 1");
  });

  test("who waits for such an answer of another's, and knows of the purge when it comes, gets a new one", async () => {
    const args = fresh();
    let land!: () => void;
    const landed = new Promise<void>((resolve) => (land = resolve));
    origin.on("tools/call t", ({ nth }) => ({ ...text(`t ${nth}`), ...(nth === 1 && { sse: [], hold: landed }) }));
    const first = call(at(1), "t", args);
    await expect.poll(() => origin.count("tools/call", "t")).toBe(1);
    const second = call(at(0), "t", args);
    await purge({ tool: "t" });
    land();
    expect([said(await first), said(await second)]).toEqual(["t 1", "t 2"]);
  });

  test("what is revalidated is saved again, though it says the same: elsewhere nobody doubts it", async () => {
    const args = fresh();
    origin.on("tools/call t", () => text("always"));
    const name = await nameInKv(replica, { target: "t", variant: args, entry: { scope: "public" } });
    await call(at(0), "t", args);
    await expect.poll(() => replica.store.get(name)).not.toBeNull();
    const before = await headerOf(replica, name);
    const { body } = await purge({ tool: "t" });
    expect(statusOf(await call(at(0), "t", args))).toBe("miss");
    await expect.poll(async () => (await headerOf(replica, name))["seq"]).toBeGreaterThanOrEqual(body.seq);
    expect(before["seq"]).toBeLessThan(body.seq);
  });
});

test.each([
  ["an earlier version stored", { feedId: undefined, seq: undefined }],
  ["is of another feed", { feedId: "lost", seq: 1_000 }],
])("what %s is asked for anew, and stands in where it has to", async (_, position) => {
  const args = fresh();
  const where = { target: "t", variant: args, ageMs: 1_000 };
  await seed(replica, { ...where, entry: { scope: "public", ...position } as object });
  await origin.stop();
  const got = await call(at(1), "t", args);
  expect([statusOf(got), said(got)]).toEqual(["stale", "old"]);
  await origin.start();
  await expect.poll(async () => statusOf(await call(at(1), "t", args))).toBe("miss");
});

describe("what one instance hears of the origin", () => {
  test("the other goes by within a pulse: a cursor that the origin does not know any more", async () => {
    let edition = "old";
    origin.on("prompts/list", ({ params }) => {
      if (!params.cursor) return { result: { prompts: [{ name: edition }], nextCursor: edition } };
      if (params.cursor !== edition) return { error: { code: -32602, message: "Invalid cursor" } };
      return { result: { prompts: [] } };
    });
    const prompts = (instance: number, params = {}) => modern(at(instance), "prompts/list", params);
    await kept(prompts);
    edition = "new";
    expect((await prompts(0, { cursor: "old" })).body.error.code).toBe(-32602);
    // It asks for it by itself, as soon as it knows.
    const shown = async () => (await prompts(1)).body.result.prompts;
    await expect.poll(shown, { timeout: 5_000 }).toEqual([{ name: "new" }]);
  });
});

describe("a purge is refused", () => {
  let guarded: Replica;
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  beforeAll(async () => {
    const url = origin.url;
    guarded = await startReplica(
      { origins: { a: { url }, b: { url } }, hosts: ["replica.test"] },
      { vars: { ADMIN_TOKEN: "s3cret" } },
    );
  });
  afterAll(() => guarded?.close());

  test.each([
    ["without a token", {}],
    ["with another token", bearer("s3creT")],
    ["with a longer one", bearer("s3crets")],
    ["with none", bearer("")],
    ["in another scheme", { authorization: "Basic s3cret" }],
  ])("%s, where there is one", async (_, headers) => {
    const got = await purge({ origin: "a" }, headers, guarded.url);
    expect([got.status, got.body.error.data.code]).toEqual([401, "admin_unauthorized"]);
    expect(got.headers["www-authenticate"]).toBe("Bearer");
  });

  test("off loopback, where no token is configured", async () => {
    const open = await startReplica({ origins: { a: { url: origin.url } }, hosts: ["replica.test"] });
    try {
      const got = await purge({ origin: "a" }, { host: "replica.test" }, open.url);
      expect([got.status, got.body.error.data.code]).toEqual([403, "admin_on_loopback_only"]);
    } finally {
      await open.close();
    }
    expect((await purge({ origin: "a" }, { host: "replica.test", ...bearer("s3cret") }, guarded.url)).status).toBe(200);
  });

  test.each([
    ["to a name that is not served", { host: "evil.test" }, "host_not_served"],
    ["from a page, even here", { origin: "http://localhost:3000" }, "origin_not_allowed"],
  ])("%s", async (_, headers, code) => {
    const got = await purge({ origin: "a" }, { ...bearer("s3cret"), ...headers }, guarded.url);
    expect([got.status, got.body.error.data.code]).toEqual([403, code]);
  });

  test.each([
    ["of nothing", {}, 400, "bad_purge", "names no tag"],
    ["of no tags", { origin: "a", tags: [] }, 400, "bad_purge", "names no tag"],
    ["of what it does not know", { origin: "a", tol: "t" }, 400, "bad_purge", "tol"],
    ["of another kind", { origin: "a", tags: "t" }, 400, "bad_purge", "tags"],
    ["of a list", [], 400, "bad_purge", "the body"],
    ["of another origin", { origin: "c" }, 404, "unknown_origin", "a, b"],
    ["of none of several origins", { tool: "t" }, 404, "unknown_origin", "a, b"],
  ])("%s, with what is wrong", async (_, body, status, code, words) => {
    const got = await purge(body, bearer("s3cret"), guarded.url);
    expect([got.status, got.body.error.data.code]).toEqual([status, code]);
    expect(got.body.error.message).toContain(words);
  });

  test("in another way than a POST, or as no JSON", async () => {
    const url = `${guarded.url}/admin/purge`;
    const got = await send(url, { method: "GET", headers: bearer("s3cret") });
    expect([got.status, got.headers["allow"]]).toEqual([405, "POST"]);
    const garbled = await send(url, { headers: bearer("s3cret"), body: "{" });
    expect(garbled.body.error.data.code).toBe("bad_purge");
    const large = await send(url, { headers: bearer("s3cret"), body: JSON.stringify({ tool: "t".repeat(2_000_000) }) });
    expect(large.status).toBe(413);
  });
});
