import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connectModern } from "../origin/clients.ts";
import { Hearing } from "./support/Hearing.ts";
import { Fixture, text, tool } from "./support/fixture.ts";
import { left, Scripted } from "./support/scripted.ts";
import { headerOf, type Replica, seed, startReplica, stored } from "./support/replica.ts";
import { type Ask, call, codeOf, type Got, initialize, legacyCall, modern } from "./support/wire.ts";
import { modernBody, modernHeaders, type Params, said } from "./support/wire.ts";

const origin = new Fixture();
const lone = new Scripted();
let replica: Replica;

beforeAll(async () => {
  await Promise.all([origin.start(), lone.start()]);
  const shared = { cache: { ttl: "10m", staleIfError: "1h", scope: "public" } } as const;
  replica = await startReplica(
    {
      origins: {
        o: {
          url: origin.url,
          tools: { own: { cache: { ttl: "10m", staleIfError: "1h" } }, shared, regional: shared },
          default: true,
        },
        lone: { url: lone.url, tools: { shared } },
      },
      limits: { entry: "64KB" },
    },
    { instances: 2 },
  );
});
beforeEach(() => {
  origin.reset();
  origin.tools = ["own", "shared", "regional"].map((name) => tool(name));
});
afterEach(() => origin.start().catch(() => {}));
afterAll(async () => {
  await replica?.close();
  await Promise.all([origin.stop(), lone.stop()]);
});

const statusOf = ({ cache }: Got) => cache?.status;
const ONLY_CACHED = { "cache-control": "only-if-cached" };
const read = (uri: string, who: Ask = {}, url = replica.mcp) => modern(url, "resources/read", { uri }, who);
const hints = (cacheScope: string, ttlMs = 60_000) => ({ cacheScope, ttlMs });
const tellHints = (more: object) => () => ({ result: { contents: [{ uri: "x", text: `${++nth}` }], ...more } });

let nth = 0;
const unique = (): Params => ({ nth: ++nth });

describe("14: ids and flights", () => {
  test("a hit has the caller's id, with its type", async () => {
    const args = unique();
    await call(replica.mcp, "shared", args);
    for (const id of [1, "1", 0, "", -5, 'é"\\']) {
      const got = await call(replica.mcp, "shared", args, { id });
      expect([statusOf(got), got.body.id]).toEqual(["hit", id]);
    }
  });

  test("duplicates make one call, which does not end for one who leaves", async () => {
    let release = () => {};
    const hold = new Promise<void>((resolve) => (release = resolve));
    origin.on("tools/call shared", () => ({ ...text("once"), hold }));
    const params = { name: "shared", arguments: unique() };
    const request = {
      url: replica.mcp,
      headers: modernHeaders("tools/call", params),
      body: modernBody("tools/call", params),
    };
    const leaves = new AbortController();
    const leaving = Hearing.open(request, leaves).catch(() => "left");
    await expect.poll(() => origin.count("tools/call", "shared")).toBe(1);
    const staying = Array.from({ length: 5 }, () => call(replica.mcp, "shared", params.arguments));
    // Nothing says that they wait, for they make no call of their own.
    await pause(200);
    leaves.abort();
    expect(await leaving).toBe("left");
    release();
    for (const got of await Promise.all(staying)) expect(said(got)).toBe("once");
    expect(origin.count("tools/call", "shared")).toBe(1);
  });

  test("a call that nobody waits for any more is called off", async () => {
    let isCalledOff: Promise<void> | undefined;
    lone.on("tools/call", (_, response) => (isCalledOff = left(response)));
    const params = { name: "shared", arguments: unique() };
    const url = `${replica.url}/mcp/lone`;
    const request = { url, headers: modernHeaders("tools/call", params), body: modernBody("tools/call", params) };
    const leaves = new AbortController();
    const leaving = Hearing.open(request, leaves).catch(() => "left");
    await expect.poll(() => lone.count("tools/call")).toBe(1);
    leaves.abort();
    expect(await leaving).toBe("left");
    await isCalledOff;
  });
});

describe("15: a malformed request for a key that is cached gets 400, never the cached body", () => {
  const args = { sensible: true };
  const VERSION = "io.modelcontextprotocol/protocolVersion";
  const BAD: [what: string, code: number, more: Ask][] = [
    ["a header that contradicts", -32020, { headers: { "mcp-method": "prompts/get" } }],
    ["no Mcp-Name", -32020, { headers: { "mcp-name": null } }],
    ["a bad version", -32022, { headers: { "mcp-protocol-version": "2099-01-01" }, meta: { [VERSION]: "2099-01-01" } }],
  ];

  test.each(BAD)("%s", async (_, code, more) => {
    origin.on("tools/call shared", ({ headers }) =>
      headers["mcp-name"] === "shared" && headers["mcp-method"] === "tools/call"
        ? text("cached body")
        : { status: 400, error: { code, message: "the origin's word" } },
    );
    await call(replica.mcp, "shared", args);
    expect(said(await call(replica.mcp, "shared", args))).toBe("cached body");
    if (code !== -32022) {
      const up = await call(replica.mcp, "shared", args, more);
      expect([up.status, up.body.error?.message]).toEqual([400, "the origin's word"]);
    }
    await origin.stop();
    const down = await call(replica.mcp, "shared", args, more);
    expect([down.status, down.body.error?.code, down.text.includes("cached body")]).toEqual([400, code, false]);
  });
});

test("16: an entry is told in the form of each era, whoever filled it", async () => {
  for (const [first, second] of [
    [legacyCall, call],
    [call, legacyCall],
  ] as const) {
    const args = unique();
    origin.on("tools/call shared", () => text("either", { structuredContent: { n: 1 }, _meta: { own: 1 } }));
    await first(replica.mcp, "shared", args);
    const got = await second(replica.mcp, "shared", args);
    const { _meta, ...result } = got.body.result;
    expect([statusOf(got), _meta.own, result]).toEqual([
      "hit",
      1,
      {
        content: [{ type: "text", text: "either" }],
        structuredContent: { n: 1 },
        ...(second === call && { resultType: "complete" }),
      },
    ]);
  }
});

describe("17: while the origin is down", () => {
  test("what is kept is told as stale, the rest is an error after one try, and coming back resets it", async () => {
    origin.on("resources/read", tellHints(hints("private", 1)));
    const asks: [what: string, ask: () => Promise<Got>][] = [
      ["discover", () => modern(replica.mcp, "server/discover")],
      ["initialize", () => initialize(replica.mcp)],
      ["list", () => modern(replica.mcp, "tools/list")],
      ["tool", () => call(replica.mcp, "own", { down: 1 }, { headers: { "cache-control": "no-cache" } })],
    ];
    for (const [, ask] of asks) expect((await ask()).status).toBe(200);
    origin.reset();
    for (const method of ["server/discover", "initialize", "tools/list", "tools/call"])
      origin.on(method, () => "reset");
    for (const [what, ask] of asks) {
      const got = await ask();
      expect([what, got.status, statusOf(got)]).toEqual([what, 200, "stale"]);
    }
    const tries = origin.count("tools/call", "plain");
    expect(codeOf(await call(replica.mcp, "plain"))).toBe("origin_unavailable");
    expect(origin.count("tools/call", "plain")).toBe(tries + 1);
    origin.reset();
    await expect.poll(async () => (await asks[3]![1]()).cache?.status, { timeout: 5_000 }).toBe("miss");
    expect(said(await call(replica.mcp, "plain"))).toBe("plain 1");
  });
});

test.each([
  ["Region", "", false],
  ["Zone", ", right after the list could not be had", true],
])(
  "18: a header that a tool declares later (%s) makes the client's own retry succeed%s",
  async (wanted, _, hasFailed) => {
    const list = () => ({ result: { tools: origin.tools, ...hints("public", 600_000) } });
    origin.on("tools/list", list);
    const client = await connectModern(replica.mcp);
    try {
      await client.listTools();
      if (hasFailed) {
        origin.on("tools/list", () => "reset");
        const again = { headers: { "cache-control": "no-cache" } };
        expect(statusOf(await modern(replica.mcp, "tools/list", {}, again))).toBe("stale");
        origin.on("tools/list", list);
      }
      const region = { type: "object", properties: { region: { type: "string", "x-mcp-header": wanted } } };
      const name = `mcp-param-${wanted.toLowerCase()}`;
      origin.tools = [...origin.tools.slice(0, 2), { name: "regional", inputSchema: region }];
      origin.on("tools/call regional", ({ headers }) =>
        headers[name] === undefined
          ? { status: 400, error: { code: -32020, message: `${name} is missing` } }
          : text(`in ${headers[name]}`),
      );
      const got = await client.callTool({ name: "regional", arguments: { region: wanted } });
      expect(got.content).toEqual([{ type: "text", text: `in ${wanted}` }]);
      expect(origin.count("tools/call", "regional")).toBe(2);
    } finally {
      await client.close();
    }
  },
);

describe("20: limits", () => {
  test("an entry over the limit is told and not stored, in bytes", async () => {
    const large = "é".repeat(33_000);
    origin.on("tools/call own", () => text(large));
    for (const meta of [{}, { progressToken: 1 }]) {
      const args = unique();
      expect(said(await call(replica.mcp, "own", args, { meta }))).toBe(large);
      expect(codeOf(await call(replica.mcp, "own", args, { headers: ONLY_CACHED }))).toBe("not_cached");
    }
  });

  test("an older value that KV still shows does not replace what is newer here", async () => {
    const args = unique();
    await call(replica.mcp, "own", args);
    await expect.poll(async () => (await stored(replica, "tools/call")).length).toBeGreaterThan(0);
    await seed(replica, { target: "own", variant: args, ageMs: 5_000 });
    expect(said(await call(replica.mcp, "own", args))).not.toBe("old");
    const again = { headers: { "cache-control": "no-cache" } };
    expect(said(await call(replica.mcp, "own", args, again))).toBe("own 2");
    expect(said(await call(replica.mcp, "own", args))).toBe("own 2");
  });

  test("a ttl is at most a day, as stored and as told", async () => {
    origin.on("resources/read", tellHints(hints("public", 30 * 86_400_000)));
    const before = await stored(replica, "resources/read");
    expect((await read("long://1")).body.result.ttlMs).toBeLessThanOrEqual(86_400_000);
    await expect.poll(async () => (await stored(replica, "resources/read")).length).toBe(before.length + 1);
    const name = (await stored(replica, "resources/read")).find((one) => !before.includes(one))!;
    const header = await headerOf(replica, name);
    expect(Math.max(header["ttlMs"], header["promisedMs"])).toBeLessThanOrEqual(86_400_000);
  });

  test("an entry from the near future is new, one from far in the future is not there", async () => {
    await seed(replica, { target: "own", variant: { soon: 1 }, ageMs: -5_000 });
    const soon = await call(replica.mcp, "own", { soon: 1 });
    expect([statusOf(soon), soon.cache!.ageMs]).toEqual(["hit", 0]);
    await seed(replica, { target: "own", variant: { far: 1 }, ageMs: -3_600_000 });
    expect(statusOf(await call(replica.mcp, "own", { far: 1 }))).toBe("miss");
    expect(statusOf(await call(replica.mcp, "own", { far: 1 }))).toBe("hit");
  });
});
