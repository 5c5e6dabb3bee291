import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, type Reply, text, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { nameInKv, type Replica, startReplica, stored } from "./support/replica.ts";
import { inside, openAt } from "./support/sessionsOf.ts";
import { makeStateful } from "./support/stateful.ts";
import { type Ask, call, type Got, modern, said } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;
let ann: Ask;
let bob: Ask;
let cy: Ask;

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("t"), tool("find_it", { annotations: { readOnlyHint: true } })];
  replica = await startReplica(
    {
      origins: {
        o: {
          url: origin.url,
          default: true,
          tools: {
            t: { cache: { ttl: "10m", staleIfError: "1h", scope: "public" } },
            "find_*": { cache: { ttl: "10m", scope: "public" } },
          },
        },
        s: { url: origin.url, lists: { defaultTtl: "5m" } },
      },
      access: { keys: true },
      limits: { entry: "16KB" },
    },
    { instances: 2, vars: { KEY_PEPPER: PEPPER } },
  );
  [ann, bob, cy] = (await Promise.all([1, 2, 3].map(() => makeKey(replica)))).map(({ key }) => bearer(key)) as [
    Ask,
    Ask,
    Ask,
  ];
  // What the tools declare is known beforehand.
  for (const url of replica.urls) await call(`${url}/mcp`, "find_it", { warm: 1 }, ann);
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const other = () => `${replica.urls[1]}/mcp`;
/** Asks anew, and to be told of the progress: such a call is relayed. */
const streamed = ({ headers }: Ask): Ask => ({
  headers: { ...headers, "cache-control": "no-cache" },
  meta: { progressToken: 1 },
});
const again = ({ headers }: Ask): Ask => ({ headers: { ...headers, "cache-control": "no-cache" } });
const statusOf = ({ cache }: Got) => cache?.status;
const word = (directives: string) => ({ _meta: { "edge-replica/cache-control": directives } });
const isPublic = (name: string) => name.includes("/public/");

/** A gate that handlers wait at. */
function gate(): { open: () => void; passed: Promise<void> } {
  let open: () => void = () => {};
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
}

describe("what is kept gives way to a newer answer that was relayed and may not be kept", () => {
  const NEWER: [what: string, reply: Reply][] = [
    ["in a stream", { ...text("newer", word("no-store")), sse: true }],
    ["in JSON", text("newer", word("no-store"))],
    ["that asks for input first", { result: { resultType: "input_required", requestState: "s" } }],
    ["that is too large to be an entry", text("x".repeat(20_000))],
    ["that is too large to be looked at", text("x".repeat(400_000))],
    ["that is too large to be looked at in a stream", { ...text("x".repeat(5_000_000)), sse: true }],
  ];

  test.each(NEWER)("%s", async (what, reply) => {
    const args = { what };
    const name = await nameInKv(replica, { target: "t", variant: args, entry: { scope: "public" } });
    await call(replica.mcp, "t", args, ann);
    await expect.poll(() => replica.store.get(name)).not.toBeNull();
    origin.on("tools/call t", () => reply);
    await call(replica.mcp, "t", args, streamed(ann));
    await expect.poll(() => replica.store.get(name)).toBeNull();
    origin.on("tools/call t", () => text("newest"));
    for (const url of [replica.mcp, other()]) expect(said(await call(url, "t", args, bob))).toBe("newest");
  });

  test("but not to one that the tool calls an error, nor to one that was asked for before", async () => {
    const { open, passed } = gate();
    const args = { late: 1 };
    origin.on("tools/call t", async ({ nth }) => {
      if (nth === 1) await passed;
      return nth === 1 ? text("late", word("no-store")) : nth === 2 ? text("kept") : text("oh no", { isError: true });
    });
    const late = call(replica.mcp, "t", args, streamed(ann));
    await expect.poll(() => origin.count("tools/call", "t")).toBe(1);
    expect(statusOf(await call(replica.mcp, "t", args, bob))).toBe("miss");
    open();
    expect(said(await late)).toBe("late");
    expect(said(await call(replica.mcp, "t", args, streamed(ann)))).toBe("oh no");
    const got = await call(replica.mcp, "t", args, bob);
    expect([statusOf(got), said(got)]).toEqual(["hit", "kept"]);
  });
});

test("what another's flight brought gives way, too, to a newer answer that may not be kept", async () => {
  const hints = { ttlMs: 60_000, cacheScope: "public" };
  origin.on("resources/read", ({ nth }) => ({
    result: { contents: [{ uri: "x", text: `${nth}` }], ...hints, ...(nth === 2 && word("no-store")) },
  }));
  const read = async (who: Ask) => {
    const { body } = await modern(replica.mcp, "resources/read", { uri: "gives://way" }, who);
    return body.result.contents[0].text;
  };
  expect([await read(bob), await read(again(ann)), await read(bob), await read(cy)]).toEqual(["1", "2", "3", "3"]);
});

describe("what was public and has turned private", () => {
  test("does not come back for others with an answer that was asked for before", async () => {
    const { open, passed } = gate();
    let scope = "public";
    origin.on("resources/read", async ({ nth }) => {
      const mine = scope;
      if (nth === 2) await passed;
      return { result: { contents: [{ uri: "x", text: `${mine} ${nth}` }], ttlMs: 60_000, cacheScope: mine } };
    });
    const read = async (who: Ask, url = replica.mcp) => {
      const got = await modern(url, "resources/read", { uri: "turns://1" }, who);
      return [statusOf(got), got.body.result.contents[0].text];
    };
    expect(await read(cy)).toEqual(["miss", "public 1"]);
    const slow = read(again(bob));
    await expect.poll(() => origin.count("resources/read")).toBe(2);
    scope = "private";
    expect(await read(again(ann))).toEqual(["miss", "private 3"]);
    open();
    expect(await slow).toEqual(["miss", "public 2"]);
    expect(await read(cy)).toEqual(["miss", "private 4"]);
    expect(await read(ann)).toEqual(["hit", "private 3"]);
  });

  test("in an answer that was relayed is nobody else's any more, from memory, KV or flights", async () => {
    const args = { turns: 1 };
    const find = async (who: Ask, url = replica.mcp) => {
      const got = await call(url, "find_it", args, who);
      return [statusOf(got), said(got)];
    };
    origin.on("tools/call find_it", ({ nth }) => text(`public ${nth}`, word("public, max-age=600")));
    expect(await find(cy)).toEqual(["miss", "public 1"]);
    await expect.poll(async () => (await stored(replica, "tools/call")).filter(isPublic)).not.toEqual([]);
    origin.on("tools/call find_it", ({ nth }) => ({ ...text(`private ${nth}`), sse: true }));
    expect(said(await call(replica.mcp, "find_it", args, streamed(ann)))).toBe("private 2");
    const name = await nameInKv(replica, { target: "find_it", variant: args, entry: { scope: "public" } });
    await expect.poll(() => replica.store.get(name)).toBeNull();
    expect((await find(bob))[0]).toBe("miss");
    expect((await find(cy, other()))[0]).toBe("miss");
  });
});

test("a cursor that the origin no longer knows drops the listing of a session, told in a stream as well", async () => {
  origin.tools = [];
  makeStateful(origin);
  origin.sse = true;
  let edition = "old";
  origin.on("prompts/list", ({ params }) => {
    if (!params.cursor) return { result: { prompts: [{ name: edition }], nextCursor: edition } };
    if (params.cursor !== edition) return { error: { code: -32602, message: "Invalid cursor" } };
    return { result: { prompts: [{ name: `${edition} 2` }] } };
  });
  const session = await openAt(`${replica.url}/mcp/s`, { headers: ann.headers as Record<string, string> });
  const list = (params = {}) => inside(session, "prompts/list", params);
  await list();
  await expect.poll(async () => statusOf(await list())).toBe("hit");
  edition = "new";
  expect((await list({ cursor: "old" })).body.error.code).toBe(-32602);
  expect((await list()).body.result.prompts).toEqual([{ name: "new" }]);
});
