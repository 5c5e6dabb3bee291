import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connectModern } from "../origin/clients.ts";
import { Fixture, text, tool } from "./support/fixture.ts";
import { type Replica, startReplica, stored } from "./support/replica.ts";
import { call, codeOf, type Got, modern, type Params } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;

const CACHE = { cache: { ttl: "10m", scope: "public" } } as const;
const params = (properties: object) => ({ inputSchema: { type: "object", properties } });
const declares = (type: string, header: string) => ({ type, "x-mcp-header": header });
const TOOLS = [
  tool("kept"),
  tool("plain"),
  tool(
    "declares",
    params({
      region: declares("string", "Region"),
      count: declares("integer", "Count"),
      on: declares("boolean", "On"),
    }),
  ),
];

beforeAll(async () => {
  await origin.start();
  origin.tools = TOOLS;
  replica = await startReplica({ origins: { o: { url: origin.url, tools: { kept: CACHE, declares: CACHE } } } });
  await call(replica.mcp, "kept", { warm: 1 });
});
beforeEach(() => {
  origin.reset();
  origin.tools = TOOLS;
});
afterEach(() => origin.start().catch(() => {}));
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const statusOf = ({ cache }: Got) => cache?.status;
const ONLY_CACHED = { headers: { "cache-control": "only-if-cached" } };
let nth = 0;
const unique = (): Params => ({ nth: ++nth });

describe("Mcp-Param headers", () => {
  const b64 = (value: string) => `=?base64?${Buffer.from(value).toString("base64")}?=`;
  const AGREEING: [args: Params, headers: Record<string, string>][] = [
    [{ region: "eu" }, { "mcp-param-region": "eu" }],
    [{ region: "eu" }, { "mcp-param-region": b64("eu") }],
    [{ region: "Zürich 東京" }, { "mcp-param-region": b64("Zürich 東京") }],
    [{ region: " padded " }, { "mcp-param-region": b64(" padded ") }],
    [{ region: "=?base64?eA==?=" }, { "mcp-param-region": b64("=?base64?eA==?=") }],
    [{ region: "" }, { "mcp-param-region": "" }],
    [{ count: 42 }, { "mcp-param-count": "42" }],
    [{ count: 42 }, { "mcp-param-count": "42.0" }],
    [{ count: 42 }, { "mcp-param-count": b64("42") }],
    [{ on: true }, { "mcp-param-on": "true" }],
    [{ region: null, count: 0 }, { "mcp-param-count": "0" }],
  ];
  const WRONG: [args: Params, headers: Record<string, string>][] = [
    [{ region: "eu" }, {}],
    [{ region: "eu" }, { "mcp-param-region": "us" }],
    [{ region: "eu" }, { "mcp-param-region": "EU" }],
    [{ region: "eu" }, { "mcp-param-region": "=?BASE64?ZXU=?=" }],
    [{ region: "eu" }, { "mcp-param-region": "=?base64?%%?=" }],
    [{ count: 42 }, { "mcp-param-count": "43" }],
    [{ count: 42 }, { "mcp-param-count": "0x2a" }],
    [{ on: true }, { "mcp-param-on": "1" }],
    [{ on: true }, { "mcp-param-on": "True" }],
    [{ region: null }, { "mcp-param-region": "null" }],
  ];
  const mismatch = () => ({ status: 400, error: { code: -32020, message: "the origin's word" } });

  test.each(AGREEING)("for %j may say %j", async (args, headers) => {
    await call(replica.mcp, "declares", args, { headers });
    expect(statusOf(await call(replica.mcp, "declares", args, { headers }))).toBe("hit");
    for (const [name, value] of Object.entries(headers)) {
      const sent = origin.seen.at(-1)?.headers[name];
      if (sent !== undefined) expect(sent).toBe(value);
    }
  });

  test.each(WRONG)(
    "for %j may not say %j: the origin says so, or the replica while it is down",
    async (args, headers) => {
      origin.on("tools/call", mismatch);
      const up = await call(replica.mcp, "declares", args, { headers });
      expect([up.status, up.body.error.message]).toEqual([400, "the origin's word"]);
      await origin.stop();
      const down = await call(replica.mcp, "declares", args, { headers, id: "mine" });
      expect([down.status, down.body.id, down.body.error.code]).toEqual([400, "mine", -32020]);
    },
  );

  test("that nobody declared are forwarded, and the answer is not shared", async () => {
    for (const name of ["kept", "plain", "declares"]) {
      const args = unique();
      const headers = { "mcp-param-unknown": b64("é"), "mcp-param-x": "1" };
      for (let times = 1; times <= 2; times++) {
        expect((await call(replica.mcp, name, args, { headers })).status).toBe(200);
        expect(origin.last("tools/call").headers).toMatchObject(headers);
        expect(origin.count("tools/call", name)).toBe(times);
      }
      expect(codeOf(await call(replica.mcp, name, args, ONLY_CACHED))).toBe("not_cached");
    }
  });

  test("that the origin has come to want are sent by the client's own retry, in JSON and in a stream", async () => {
    for (const sse of [false, true]) {
      let wants = "";
      const schema = () =>
        wants ? params({ region: declares("string", wants) }) : params({ region: { type: "string" } });
      origin.on("tools/list", () => ({
        result: { tools: [tool("changing", schema()), tool("kept")], ttlMs: 600_000, cacheScope: "public" },
      }));
      origin.on("tools/call changing", ({ headers }) => {
        if (wants && headers[`mcp-param-${wants.toLowerCase()}`] === undefined) return mismatch();
        return {
          ...text(
            `sent ${Object.keys(headers)
              .filter((name) => name.startsWith("mcp-param-"))
              .join()}`,
          ),
          sse,
        };
      });
      await modern(replica.mcp, "tools/list", {}, { headers: { "cache-control": "no-cache" } });
      const client = await connectModern(replica.mcp);
      try {
        await client.listTools();
        const sent = async () => (await client.callTool({ name: "changing", arguments: { region: "eu" } })).content;
        expect(await sent()).toEqual([{ type: "text", text: "sent " }]);
        for (const name of ["Region", "Area"]) {
          wants = name;
          expect(await sent()).toEqual([{ type: "text", text: `sent mcp-param-${name.toLowerCase()}` }]);
        }
        // One refusal and one success for each change.
        expect(origin.count("tools/call", "changing")).toBe(5);
        expect(await stored(replica, "tools/list")).not.toEqual([]);
      } finally {
        await client.close();
      }
      origin.seen = [];
    }
  });
});
