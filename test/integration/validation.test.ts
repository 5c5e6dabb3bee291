import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OriginConfig } from "../../src/config/types.ts";
import { CLIENTS } from "./support/clients.ts";
import { Fixture, text, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { type Replica, seed, startReplica } from "./support/replica.ts";
import { callIn, inside, openAt, post } from "./support/sessionsOf.ts";
import { makeStateful } from "./support/stateful.ts";
import {
  type Ask,
  call,
  codeOf,
  type Got,
  legacy,
  legacyCall,
  modern,
  modernBody,
  modernHeaders,
  said,
  send,
} from "./support/wire.ts";

type Caller = { headers: Record<string, string> };

const origin = new Fixture();
const stateful = new Fixture();
let replica: Replica;
let ann: Caller;
let bob: Caller;

const inputSchema = {
  type: "object",
  properties: {
    q: { type: "string" },
    limit: { type: "integer", minimum: 1 },
    region: { enum: ["eu", "us"] },
    page: { type: "integer", "x-mcp-header": "Page" },
  },
  required: ["q"],
};
const FRESH = { ttlMs: 3_600_000, cacheScope: "private" };
const cache = { ttl: "10m" } as const;
const policy: Partial<OriginConfig> = {
  tools: {
    get: { cache },
    write: { write: { invalidates: ["list:prompts"] } },
    unchecked: { validate: false },
    "find_*": { cache },
  },
};
const named = (name: string) => tool(name, { inputSchema, annotations: { readOnlyHint: true } });
const TOOLS = ["get", "do", "write", "unchecked", "checked", "find_it", "tell"].map(named);

beforeAll(async () => {
  await Promise.all([origin.start(), stateful.start()]);
  const { url } = origin;
  const tests = ["o", "unseen", "hit", "own", "told", "old", "pages", "twice", "sdk", "large"];
  replica = await startReplica(
    {
      origins: {
        ...Object.fromEntries(tests.map((id) => [id, { url, ...policy }])),
        off: { url, validate: false, tools: { checked: { validate: true } } },
        s: { url: stateful.url },
      },
      access: { open: true, keys: true },
    },
    { vars: { KEY_PEPPER: PEPPER } },
  );
  [ann, bob] = [bearer((await makeKey(replica)).key), bearer((await makeKey(replica)).key)];
});
beforeEach(() => {
  origin.reset();
  origin.tools = TOOLS;
  origin.on("tools/list", ({ isModern }) => ({ result: { tools: origin.tools, ...(isModern && FRESH) } }));
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([origin.stop(), stateful.stop()]);
});

const at = (id: string) => `${replica.mcp}/${id}`;
const list = (id: string, ask: Ask) => modern(at(id), "tools/list", {}, ask);
const asked = () => origin.count("tools/call");
const BAD = { limit: 0, region: "the password of somebody" };

describe("arguments that the tool's schema does not allow", () => {
  beforeEach(() => list("o", ann));

  test("are told to both eras as the tool's own error, with the places, without the values, and the origin is not asked", async () => {
    for (const ask of [call, legacyCall]) {
      for (const name of ["get", "do", "write", "find_it", "checked"]) {
        const got = await ask(at("o"), name, BAD, ann);
        expect([got.status, got.body.result?.isError, codeOf(got)]).toEqual([200, true, "invalid_arguments"]);
        expect(said(got)).toBe(
          `The arguments are not what the tool ${name} wants: /q is missing; /limit must be at least 1; ` +
            `/region must be one of "eu", "us". Nothing was sent to the origin. Mend them, and call again.`,
        );
        expect(got.body.result.resultType).toBe(ask === call ? "complete" : undefined);
        expect(got.text).not.toContain("password");
      }
    }
    expect(asked()).toBe(0);
  });

  test("are told however the call is made: with progress, with members that are not known here, in a batch, without arguments", async () => {
    const meta = { progressToken: 1 };
    const strange = { name: "do", arguments: BAD, requestState: "x", inputResponses: {} };
    const batch = [
      { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "do", arguments: { q: "good" } } },
      { jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "do", arguments: BAD } },
    ];
    for (const got of [
      await call(at("o"), "get", BAD, { ...ann, meta }),
      await call(at("o"), "do", BAD, { ...ann, meta: { ...meta, "acme/unknown": 1 } }),
      await modern(at("o"), "tools/call", strange, ann),
      await modern(at("o"), "tools/call", { name: "do" }, ann),
      await legacy(at("o"), "tools/call", { name: "do" }, ann),
      await call(at("o"), "get", BAD, { ...ann, meta: { "edge-replica/cache-control": "no-cache" } }),
    ])
      expect(codeOf(got)).toBe("invalid_arguments");
    expect(asked()).toBe(0);
    const { body } = await post(at("o"), batch, ann.headers);
    expect(body.map((one: any) => [one.id, codeOf({ body: one } as Got)])).toEqual([
      [1, undefined],
      [2, "invalid_arguments"],
    ]);
    expect(origin.seen.map(({ params }) => params.arguments)).toEqual([{ q: "good" }]);
  });

  test("go to the origin where the operator says so, of one tool or of all but one", async () => {
    await list("off", ann);
    expect(said(await call(at("o"), "unchecked", BAD, ann))).toBe("unchecked 1");
    expect(said(await call(at("off"), "do", BAD, ann))).toBe("do 1");
    expect(codeOf(await call(at("off"), "checked", BAD, ann))).toBe("invalid_arguments");
  });
});

describe("arguments that the schema allows", () => {
  test("reach the origin to the letter, and so does what servers may take all the same", async () => {
    await list("o", ann);
    for (const args of [
      '{"q":"a", "limit":1.0}',
      '{"limit":"5","q":"a","more":[{"x":null}]}',
      '{"__proto__":{"a":1},"q":"é"}',
    ]) {
      const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"do","arguments":${args}}}`;
      expect(codeOf(await post(at("o"), body, ann.headers))).toBeUndefined();
      expect(origin.last("tools/call").text).toBe(body);
    }
  });
});

describe("nothing is refused", () => {
  test("before a list has gone by, and no list is asked for to find out", async () => {
    expect(said(await call(at("unseen"), "do", BAD, ann))).toBe("do 1");
    expect(said(await legacyCall(at("unseen"), "get", BAD, ann))).toBe("get 1");
    expect(origin.count("tools/list")).toBe(0);
  });

  test("that is in the cache: the origin has taken it", async () => {
    expect(said(await legacyCall(at("hit"), "get", BAD, ann))).toBe("get 1");
    await list("hit", ann);
    expect((await call(at("hit"), "get", BAD, ann)).cache?.status).toBe("hit");
    expect(codeOf(await call(at("hit"), "get", { ...BAD, limit: -1 }, ann))).toBe("invalid_arguments");
    // Where it is asked for anew, the origin says whether it still does.
    const meta = { "edge-replica/cache-control": "no-cache" };
    expect(said(await call(at("hit"), "get", BAD, { ...ann, meta }))).toBe("get 2");
  });

  test("by what another caller's list says, of whatever is private", async () => {
    await list("own", ann);
    expect(codeOf(await call(at("own"), "do", BAD, ann))).toBe("invalid_arguments");
    expect(said(await call(at("own"), "do", BAD, bob))).toBe("do 1");
    origin.tools = [tool("do", { inputSchema: { type: "object", required: ["other"] } })];
    await list("own", bob);
    expect(said(await call(at("own"), "do", BAD, bob))).toContain("/other is missing");
    expect(said(await call(at("own"), "do", BAD, ann))).toContain("/q is missing");
  });

  test("once the origin has said that the list has changed, until it is read again", async () => {
    await list("told", ann);
    expect(codeOf(await call(at("told"), "do", BAD, ann))).toBe("invalid_arguments");
    origin.on("tools/call tell", () => ({ ...text("told"), sse: [{ method: "notifications/tools/list_changed" }] }));
    expect(said(await call(at("told"), "tell", { q: "a" }, ann))).toBe("told");
    expect(said(await call(at("told"), "do", BAD, ann))).toBe("do 1");
    origin.tools = [tool("do", { inputSchema: { type: "object", required: ["limit"] } })];
    await list("told", ann);
    expect(said(await call(at("told"), "do", BAD, ann))).toBe("do 2");
    expect(said(await call(at("told"), "do", {}, ann))).toContain("/limit is missing");
  });

  test("by a list that is older than what it promises and than ten minutes", async () => {
    const body = JSON.stringify({ tools: TOOLS }).slice(1, -1);
    const principal = `key:${ann.headers["authorization"]!.split("_")[1]}`;
    const entry = { body, ttlMs: 0, staleIfErrorMs: 86_400_000 };
    const kept = async (ageMs: number, ttlMs: number) => {
      await seed(replica, { origin: "old", method: "tools/list", principal, ageMs, entry: { ...entry, ttlMs } });
      const meta = { "edge-replica/cache-control": "only-if-cached" };
      expect((await modern(at("old"), "tools/list", {}, { ...ann, meta })).body.result.tools).toEqual(TOOLS);
    };
    await kept(11 * 60_000, 0);
    expect(said(await call(at("old"), "do", BAD, ann))).toBe("do 1");
    await kept(9 * 60_000, 0);
    expect(codeOf(await call(at("old"), "do", BAD, ann))).toBe("invalid_arguments");
    await kept(8 * 60_000, 3_600_000);
    expect(codeOf(await call(at("old"), "do", BAD, ann))).toBe("invalid_arguments");
    expect(asked()).toBe(1);
  });

  test("of a tool that is twice in the list, nor by a page that is very large", async () => {
    origin.tools = [named("do"), tool("do")];
    await list("twice", ann);
    expect(said(await call(at("twice"), "do", BAD, ann))).toBe("do 1");
    origin.tools = [named("do"), tool("big", { description: "x".repeat(1_100_000) })];
    await list("large", ann);
    expect(said(await call(at("large"), "do", BAD, ann))).toBe("do 2");
  });

  test("that is wrong in itself: who judges that says so", async () => {
    await list("o", ann);
    origin.on("tools/call", () => ({ status: 400, error: { code: -32_020, message: "Header mismatch" } }));
    const mismatched = { headers: { ...ann.headers, "mcp-name": "other" } };
    expect((await call(at("o"), "do", BAD, mismatched)).body.error.code).toBe(-32_020);
    const param = { headers: { ...ann.headers, "mcp-param-page": "2" } };
    expect((await call(at("o"), "do", { ...BAD, page: 1 }, param)).body.error.code).toBe(-32_020);
    // What two readers understand differently, and what is no arguments.
    await list("off", ann);
    expect(codeOf(await call(at("off"), "checked", BAD, ann))).toBe("invalid_arguments");
    origin.on("tools/call", () => text("taken"));
    const params = { name: "checked", arguments: BAD };
    const headers = { ...modernHeaders("tools/call", params), ...ann.headers };
    const body = modernBody("tools/call", params).replace('"limit"', '"q":"a","q":"b","limit"');
    expect(said(await send(at("off"), { headers, body }))).toBe("taken");
    for (const args of ["text", null, [1]]) {
      expect(said(await modern(at("off"), "tools/call", { name: "checked", arguments: args }, ann))).toBe("taken");
    }
  });
});

test("a tool is judged by the page that it stands on", async () => {
  const pages = [{ tools: [TOOLS[0]], nextCursor: "2" }, { tools: [TOOLS[1]] }];
  origin.on("tools/list", ({ params }) => ({ result: { ...pages[params.cursor === "2" ? 1 : 0], ...FRESH } }));
  await list("pages", ann);
  expect(said(await call(at("pages"), "do", BAD, ann))).toBe("do 1");
  await modern(at("pages"), "tools/list", { cursor: "2" }, ann);
  expect(codeOf(await call(at("pages"), "do", BAD, ann))).toBe("invalid_arguments");
  expect(said(await call(at("pages"), "nowhere", BAD, ann))).toBe("nowhere 1");
});

test("in a session a call is judged by the session's own list", async () => {
  makeStateful(stateful);
  stateful.tools = TOOLS;
  const [one, other] = [await openAt(at("s"), ann), await openAt(at("s"), ann)];
  await inside(one, "tools/list");
  expect(codeOf(await callIn(one, "do", BAD))).toBe("invalid_arguments");
  expect(said(await callIn(other, "do", BAD))).toBe("do 1");
});

test.each(CLIENTS)("the client %s hands the error to its model", async (_, connect) => {
  const client = await connect(at("sdk"));
  await client.listTools();
  const result: any = await client.callTool({ name: "do", arguments: { q: [7] } });
  expect([result.isError, result.content[0].text]).toEqual([true, expect.stringContaining("/q must be a string")]);
  expect(asked()).toBe(0);
  await client.close();
});
