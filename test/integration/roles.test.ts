import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { keyRecord } from "../../src/access/keys.ts";
import { sseEvent } from "../../src/mcp/sseEvent.ts";
import type { AnyClient } from "../origin/clients.ts";
import { Fixture, type Reply, text, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { listen } from "./support/listening.ts";
import { type Replica, startReplica, stored } from "./support/replica.ts";
import { type SdkOrigin, startSdkOrigin } from "./support/sdkOrigin.ts";
import { startSdkFirstOrigin } from "./support/sdkFirstOrigin.ts";
import { callIn, eventsIn, inside, openAt, post, streamAt } from "./support/sessionsOf.ts";
import { makeStateful } from "./support/stateful.ts";
import {
  type Ask,
  BOTH_FORMS,
  call,
  codeOf,
  type Got,
  legacy,
  legacyCall,
  modern,
  modernBody,
  modernHeaders,
  type Params,
  said,
  send,
} from "./support/wire.ts";

const origin = new Fixture();
const stateful = new Fixture();
let sdk: SdkOrigin;
let first: Awaited<ReturnType<typeof startSdkFirstOrigin>>;
let replica: Replica;
type Who = { headers: Record<string, string> };
let reader: Who;
let writer: Who;
let admin: Who;
let nobody: Who;
let mcp: string;

const PUBLIC = { ttlMs: 600_000, cacheScope: "public" };
const SCHEMAS = { outputSchema: { type: "array", items: {} }, execution: { taskSupport: "forbidden" } };
const TOOLS = [tool("search_a", SCHEMAS), tool("admin_x", SCHEMAS), tool("update_b"), tool("search_c", SCHEMAS)];
const LISTS: Record<string, Reply["result"]> = {
  "tools/list": { tools: TOOLS },
  "prompts/list": { prompts: [{ name: "greet" }, { name: "secret" }] },
  "resources/list": {
    resources: ["catalog://a", "secret://b", "other://c/below"].map((uri) => ({ uri, name: uri })),
  },
  "resources/templates/list": {
    resourceTemplates: ["catalog://{id}", "secret://{id}", "{+any}"].map((uriTemplate) => ({ uriTemplate, name: "t" })),
  },
};
/** What a reader sees of them. */
const SEEN: Record<string, string[]> = {
  "tools/list": ["search_a", "search_c"],
  "prompts/list": ["greet"],
  "resources/list": ["catalog://a"],
  "resources/templates/list": ["catalog://{id}"],
};
const WHOLE = { tools: ["*"], resources: ["*"], prompts: ["*"] };

beforeAll(async () => {
  await Promise.all([origin.start(), stateful.start()]);
  sdk = await startSdkOrigin("stateless");
  first = await startSdkFirstOrigin();
  const timeout = { firstByte: "2s" } as const;
  replica = await startReplica(
    {
      origins: {
        o: { url: origin.url, tools: { search_a: { cache: { ttl: "10m", staleIfError: "1d" } } }, timeout },
        stateful: { url: stateful.url, modernize: "always", timeout },
        sdk: { url: sdk.url, lists: { defaultTtl: "10m" } },
        first: { url: first.url, lists: { defaultTtl: "10m" } },
      },
      access: {
        open: true,
        keys: true,
        dev: {
          tokens: {
            "dev-reader": { subject: "dev-1", roles: ["reader"] },
            "dev-writer": { subject: "dev-2", scopes: ["mcp:write", "mcp:read"] },
          },
        },
        roles: {
          anonymous: { prompts: ["greet"] },
          reader: {
            tools: ["search_*", "plain"],
            resources: ["catalog://*", "other://c", "test://item/*"],
            prompts: ["greet"],
          },
          writer: { extends: "reader", tools: ["update_*"], scopes: ["mcp:read", "mcp:write"] },
          admin: WHOLE,
          elsewhere: { ...WHOLE, origins: ["first"] },
        },
      },
    } satisfies Parameters<typeof startReplica>[0],
    { vars: { KEY_PEPPER: PEPPER } },
  );
  mcp = `${replica.url}/mcp/o`;
  const withRoles = async (...roles: string[]): Promise<Who> => {
    const { id, key } = await makeKey(replica);
    const record = JSON.parse((await replica.store.get(keyRecord(id)))!) as object;
    await replica.store.put(keyRecord(id), JSON.stringify({ ...record, roles }));
    return bearer(key);
  };
  reader = await withRoles("reader", "unknown");
  writer = await withRoles("writer");
  admin = await withRoles("admin");
  nobody = await withRoles("elsewhere", "constructor");
});
beforeEach(() => {
  origin.reset();
  origin.tools = TOOLS;
  for (const [method, result] of Object.entries(LISTS)) origin.on(method, () => ({ result: { ...result, ...PUBLIC } }));
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([origin.stop(), stateful.stop(), sdk?.close(), first?.close()]);
});

/** The names in a list. */
const listed = ({ body }: Got): string[] | undefined => {
  const { tools, prompts, resources, resourceTemplates } = body?.result ?? {};
  return (tools ?? prompts ?? resources ?? resourceTemplates)?.map((one: any) =>
    one.name !== "t" ? (one.uri ?? one.name) : one.uriTemplate,
  );
};
const again = (who: Who): Ask => ({ headers: { ...who.headers, "cache-control": "no-cache" } });

describe("official clients", () => {
  const connect: [string, (url: URL, who: Who) => Promise<AnyClient>][] = [
    [
      "2",
      async (url, { headers }) => {
        const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode: "auto" } });
        await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
        return client as unknown as AnyClient;
      },
    ],
    [
      "1",
      async (url, { headers }) => {
        const client = new Client1({ name: "test", version: "1" });
        await client.connect(new Transport1(url, { requestInit: { headers } }));
        return client as unknown as AnyClient;
      },
    ],
  ];
  const all = ["modern origin", "legacy origin"].flatMap((what) =>
    connect.map(([sdk, open]) => [what, sdk, open] as const),
  );

  test.each(all)("of a %s, with SDK %s, see and use what their role has", async (what, _, open) => {
    const url = new URL(`${replica.url}/mcp/${what === "modern origin" ? "sdk" : "first"}`);
    const client = await open(url, reader);
    for (const _ of ["first", "again"]) {
      expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(["plain"]);
      expect((await client.listResources()).resources.every(({ uri }) => uri.startsWith("test://item/"))).toBe(true);
      expect((await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
        "test://item/{id}",
      ]);
    }
    expect(await client.callTool({ name: "plain", arguments: { q: "x" } })).toMatchObject({
      content: [{ text: "plain x" }],
    });
    expect((await client.readResource({ uri: "test://item/7" })).contents[0]!["text"]).toBe("item 7");
    const refused = await client.callTool({ name: "write", arguments: {} });
    expect([refused["isError"], (refused as any)._meta["edge-replica/error"].code]).toEqual([true, "denied"]);
    await expect(client.readResource({ uri: "test://fixed" })).rejects.toMatchObject({ code: -32602 });
    const complete = (uri: string) =>
      client.complete({ ref: { type: "ref/resource", uri }, argument: { name: "id", value: "" } });
    await expect(complete("test://fixed/{id}")).rejects.toMatchObject({ code: -32602 });
    await client.close();
  });
});

describe("a list", () => {
  test.each(Object.keys(LISTS))("is cut for each caller, from one stored answer: %s", async (method) => {
    const whole = listed({ body: { result: LISTS[method] } } as Got)!;
    for (const [index, ask] of [modern, legacy, modern, legacy].entries()) {
      const seen = await ask(mcp, method, {}, reader);
      expect([listed(seen), seen.cache?.status]).toEqual([SEEN[method], index === 0 ? "miss" : "hit"]);
      if (ask === modern) expect(seen.body.result.cacheScope).toBe("private");
      const all = await ask(mcp, method, {}, admin);
      expect([listed(all), all.cache?.status]).toEqual([whole, "hit"]);
      if (ask === modern) expect(all.body.result.cacheScope).toBe("public");
      const things = Object.keys(all.body.result).find((key) => Array.isArray(all.body.result[key]))!;
      // What is left is as the others see it: schemas that are wrapped for one era, and what the other has not.
      expect(seen.body.result[things]).toEqual(
        all.body.result[things].filter((one: any) => SEEN[method]!.includes(one.uriTemplate ?? one.uri ?? one.name)),
      );
      expect(listed(await ask(mcp, method, {}, nobody))).toEqual([]);
    }
    const more = method === "tools/list" ? ["search_a", "update_b", "search_c"] : SEEN[method];
    expect(listed(await modern(mcp, method, {}, writer))).toEqual(more);
    expect(listed(await modern(mcp, method))).toEqual(method === "prompts/list" ? ["greet"] : []);
    expect(origin.count(method)).toBe(1);
    const [name] = await stored(replica, method);
    expect(await replica.store.get(name!)).toContain(whole[1]);
  });

  test("is cut where it is relayed, whichever way it comes", async () => {
    for (const sse of [false, true]) {
      origin.sse = sse;
      for (const method of Object.keys(LISTS)) {
        // What is not known of a request goes to the origin with it.
        for (const ask of [modern, legacy]) {
          const got = await ask(mcp, method, {}, { ...reader, meta: { "acme/unknown": 1 } });
          expect([listed(got), got.headers["cache-status"]]).toEqual([
            SEEN[method],
            expect.stringContaining("fwd=bypass"),
          ]);
          if (ask === modern) expect(got.body.result.cacheScope).toBe("private");
          expect(got.text).not.toContain("secret");
        }
      }
    }
    const notes = [{ method: "notifications/message", params: { level: "info", data: "on the way" } }];
    origin.on("tools/list", () => ({ result: { tools: TOOLS }, sse: notes }));
    const relayed = () => legacy(mcp, "tools/list", {}, { ...reader, meta: { "acme/unknown": 1 } });
    const streamed = await relayed();
    expect(eventsIn(streamed.text).map(({ method, result }) => method ?? result.tools.length)).toEqual([
      "notifications/message",
      2,
    ]);
    // Over several lines, as servers write it that print nicely.
    const updated = { jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri: "secret://b" } };
    for (const end of ["\n", "\r\n"]) {
      origin.on("tools/list", ({ id }) => ({
        stream: (response) =>
          response.end(
            [updated, { jsonrpc: "2.0", id, result: { tools: TOOLS } }]
              .map((message) => sseEvent(JSON.stringify(message, null, 1)).replaceAll("\n", end))
              .join(""),
          ),
      }));
      const nice = await relayed();
      expect(eventsIn(nice.text).map(({ result }) => result.tools.map(({ name }: any) => name))).toEqual([
        SEEN["tools/list"],
      ]);
    }
  });

  test("is cut where it may not be kept, and where it is too large to be kept", async () => {
    const _meta = { "edge-replica/cache-control": "no-store" };
    origin.on("prompts/list", () => ({ result: { ...LISTS["prompts/list"], _meta } }));
    expect(listed(await modern(mcp, "prompts/list", {}, again(reader)))).toEqual(["greet"]);
    const description = "x".repeat(1_100_000);
    for (const sse of [false, true]) {
      origin.on("prompts/list", () => ({
        result: {
          prompts: [
            { name: "secret", description },
            { name: "greet", description },
          ],
        },
        sse,
      }));
      for (const ask of [modern, legacy]) {
        for (const meta of [{}, { "acme/unknown": 1 }]) {
          const got = await ask(mcp, "prompts/list", {}, { ...again(reader), meta });
          expect(listed(got)).toEqual(["greet"]);
          expect(got.text).not.toContain("secret");
        }
      }
    }
  });

  test("that cannot be looked at is not shown", async () => {
    const huge = "x".repeat(17_000_000);
    for (const sse of [false, true]) {
      origin.on("prompts/list", () => ({ result: { prompts: [{ name: "secret", huge }] }, sse }));
      const got = await legacy(mcp, "prompts/list", {}, { ...reader, meta: { "acme/unknown": 1 } });
      expect(codeOf(got)).toBe("origin_invalid");
      expect(got.text).not.toContain("secret");
    }
  });

  test("is cut where a stored one stands in for an origin that is down", async () => {
    await Promise.all(Object.keys(LISTS).map((method) => modern(mcp, method, {}, again(admin))));
    const failing: Reply = { status: 503, text: "down" };
    for (const method of Object.keys(LISTS)) {
      origin.on(method, () => failing);
      for (const ask of [modern, legacy]) {
        const got = await ask(mcp, method, {}, again(reader));
        expect([listed(got), got.cache?.status]).toEqual([SEEN[method], "stale"]);
      }
    }
    for (const method of Object.keys(LISTS)) {
      origin.on(method, () => ({ result: LISTS[method]! }));
      await modern(mcp, method, {}, { ...again(admin), meta: { "acme/unknown": 1 } });
    }
  });

  test("is in a batch what it is alone", async () => {
    const ask = (id: number, method: string, params: object = {}) => ({ jsonrpc: "2.0", id, method, params });
    const got = await post(
      mcp,
      [
        ask(1, "tools/list"),
        ask(2, "prompts/list", { _meta: { "acme/unknown": 1 } }),
        ask(3, "tools/call", { name: "admin_x", arguments: {} }),
        ask(4, "tools/call", { name: "search_c", arguments: {} }),
        ask(5, "resources/read", { uri: "secret://b" }),
        ask(6, "acme/all"),
      ],
      reader.headers,
    );
    const by = (id: number): Got => ({ body: got.body.find((one: any) => one.id === id) }) as Got;
    expect([listed(by(1)), listed(by(2)), said(by(4))]).toEqual([SEEN["tools/list"], ["greet"], "search_c 1"]);
    expect([3, 5, 6].map((id) => codeOf(by(id)))).toEqual(["denied", "denied", "denied"]);
    expect(origin.seen.map(({ method, name }) => name ?? method)).toEqual(
      expect.not.arrayContaining(["admin_x", "secret://b"]),
    );
  });
});

/** Ways to ask for what may be there, and may not: what is asked for, and for what is not there. */
const ASKS: [method: string, (name: string) => Params, string, string][] = [
  ["tools/call", (name) => ({ name, arguments: {} }), "admin_x", "admin_y"],
  ["resources/read", (uri) => ({ uri }), "secret://b", "secret://n"],
  ["prompts/get", (name) => ({ name }), "secret", "sekret"],
  ["completion/complete", (name) => completing({ type: "ref/prompt", name }), "secret", "sekret"],
  ["completion/complete", (uri) => completing({ type: "ref/resource", uri }), "secret://{id}", "secret://{no}"],
  ["resources/subscribe", (uri) => ({ uri }), "secret://b", "secret://n"],
  ["resources/unsubscribe", (uri) => ({ uri }), "secret://b", "secret://n"],
  ["subscriptions/listen", (uri) => ({ notifications: { resourceSubscriptions: [uri] } }), "secret://b", "secret://n"],
];
function completing(ref: object): Params {
  return { ref, argument: { name: "id", value: "" } };
}

describe("what may not be used", () => {
  /** An answer without the name that was asked for and what is each answer's own. */
  const bare = ({ status, text, headers }: Got, name: string) => [
    status,
    text.replaceAll(JSON.stringify(name).slice(1, -1), "NAME").replace(/"correlationId":"[0-9a-f]+"/, ""),
    { ...headers, date: "", "content-length": "" },
  ];

  test("is answered alike whether it exists or not: cold, warm, while the origin is down; and nobody asks the origin", async () => {
    const alike = async () => {
      for (const [method, params, there, missing] of ASKS) {
        for (const ask of [modern, legacy]) {
          for (const who of [reader, nobody, {}]) {
            const [real, none] = [
              await ask(mcp, method, params(there), who),
              await ask(mcp, method, params(missing), who),
            ];
            expect(bare(real, there)).toEqual(bare(none, missing));
            expect([method, real.status, codeOf(real)]).toEqual([method, 200, "denied"]);
            if (method === "tools/call") expect(real.body.result.isError).toBe(true);
            else expect(real.body.error.code).toBe(-32602);
            expect(real.text).not.toContain("operator of this replica denies");
          }
        }
      }
    };
    await alike();
    expect(origin.seen).toEqual([]);
    for (const method of Object.keys(LISTS)) await modern(mcp, method, {}, admin);
    await call(mcp, "admin_x", {}, admin);
    await modern(mcp, "resources/read", { uri: "secret://b" }, admin);
    const before = origin.seen.length;
    await alike();
    expect(origin.seen.length).toBe(before);
    await origin.stop();
    await alike();
    await origin.start();
  });

  test("is asked for in vain under another role's name, and used by who has the role", async () => {
    expect(codeOf(await call(mcp, "update_b", {}, reader))).toBe("denied");
    expect(said(await call(mcp, "update_b", {}, writer))).toBe("update_b 1");
    expect(said(await call(mcp, "admin_x", {}, admin))).toBe("admin_x 1");
    expect(codeOf(await call(mcp, "search_a", {}, nobody))).toBe("denied");
    expect((await modern(mcp, "prompts/get", { name: "greet" })).body.result.messages).toHaveLength(1);
    expect((await modern(mcp, "resources/read", { uri: "catalog://a" }, reader)).body.result.contents).toHaveLength(1);
  });

  test("is asked for with more scopes by who came with too few", async () => {
    const got = await call(mcp, "update_b", {}, bearer("dev-reader"));
    expect([got.status, codeOf(got)]).toEqual([403, "insufficient_scope"]);
    expect(got.headers["www-authenticate"]).toContain('error="insufficient_scope", scope="mcp:read mcp:write"');
    expect(said(await call(mcp, "update_b", {}, bearer("dev-writer")))).toMatch(/^update_b/);
    expect(codeOf(await call(mcp, "admin_x", {}, bearer("dev-reader")))).toBe("denied");
  });

  test("is told as private where it is relayed, however large it is", async () => {
    const contents = [{ uri: "catalog://large", text: "x".repeat(300_000) }];
    origin.on("resources/read", () => ({ result: { contents, ...PUBLIC } }));
    const params = { uri: "catalog://large", unknown: 1 };
    const read = async (who: Who) => (await modern(mcp, "resources/read", params, who)).body.result;
    expect(await read(admin)).toMatchObject({ contents, cacheScope: "public" });
    expect(await read(reader)).toMatchObject({ contents, cacheScope: "private" });
  });

  test("is not given from what is stored for who may use it", async () => {
    origin.on("resources/read", () => ({ result: { contents: [], ...PUBLIC } }));
    const read = (who: Who) => modern(mcp, "resources/read", { uri: "secret://stored" }, who);
    await read(admin);
    expect((await read(admin)).cache?.status).toBe("hit");
    expect(codeOf(await read(reader))).toBe("denied");
    await modern(mcp, "resources/read", { uri: "catalog://shared" }, admin);
    const shared = await modern(mcp, "resources/read", { uri: "catalog://shared" }, reader);
    expect([shared.cache?.status, shared.body.result.cacheScope]).toEqual(["hit", "private"]);
  });

  test("is no more to be had in odd words: names, keys, headers, methods", async () => {
    const refused = async (sent: { headers?: Record<string, string | null>; body: string }, expected: unknown[]) => {
      const headers = { accept: BOTH_FORMS, "content-type": "application/json", ...reader.headers, ...sent.headers };
      const got = await send(mcp, { headers, body: sent.body });
      expect([sent.body, got.status, codeOf(got) ?? got.body?.error?.code]).toEqual([sent.body, ...expected]);
    };
    const raw = (params: string, method = "tools/call", more = "") =>
      `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}${more}}`;
    for (const name of [
      "__proto__",
      "constructor",
      "toString",
      "",
      "SEARCH_a",
      "search\u2024a",
      "ſearch_a",
      " search_a",
    ]) {
      await refused({ body: raw(JSON.stringify({ name, arguments: {} })) }, [200, "denied"]);
      await refused({ body: raw(JSON.stringify({ uri: name }), "resources/read") }, [200, "denied"]);
    }
    for (const uri of [
      "catalog://../secret",
      "catalog://a/%2e%2e/b",
      "catalog://a%2fb",
      "catalog://a\\..\\b",
      "catalog://a\u0000",
    ]) {
      await refused({ body: raw(JSON.stringify({ uri }), "resources/read") }, [200, "denied"]);
    }
    for (const params of [
      '{"name":"search_a","name":"admin_x"}',
      '{"name":"search_a","n\\u0061me":"admin_x"}',
      '{"name":"search_a","Name":"admin_x"}',
      '{"name":"search_a"},"params":{"name":"admin_x"}',
      '{"name":"search_a"},"Params":{"name":"admin_x"}',
      '{"name":"search_a"},"METHOD":"prompts/get"',
    ]) {
      await refused({ body: raw(params) }, [400, "duplicate_keys"]);
    }
    for (const params of ['{"name":["search_a"]}', '{"name":null}', "{}", '{"uri":"catalog://a"}']) {
      await refused({ body: raw(params) }, [200, "params"]);
    }
    await refused(
      { body: raw('{"ref":{"type":"ref/prompt","name":"greet","uri":"secret://{id}"}}', "completion/complete") },
      [200, "denied"],
    );
    await refused({ body: raw('{"ref":{"type":"ref/tool"}}', "completion/complete") }, [200, "params"]);
    for (const method of ["acme/all", "tools/call ", "Tools/call", "tasks/list", "roots/list", "tools\\u002fcalL"]) {
      await refused({ body: raw('{"name":"search_a"}', method) }, [200, "denied"]);
    }
    // What asks for no answer is refused as well.
    await refused({ body: '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"admin_x"}}' }, [403, "denied"]);
    await refused({ body: '{"jsonrpc":"2.0","method":"notifications/acme"}' }, [403, "denied"]);
    for (const headers of [
      { "mcp-name": "admin_x" },
      { "mcp-name": "=?base64?YWRtaW5feA==?=" },
      { "mcp-name": "=?base64?!?=" },
      { "mcp-method": "resources/read" },
    ] as Record<string, string>[]) {
      const params: Params = { name: "search_c", arguments: {} };
      const body = JSON.parse(modernBody("tools/call", params)) as { params: object };
      await refused({ headers: { ...modernHeaders("tools/call", params), ...headers }, body: JSON.stringify(body) }, [
        400,
        "header",
      ]);
      await refused({ headers, body: raw(JSON.stringify(params)) }, [400, "header"]);
    }
    expect(origin.seen.filter(({ http }) => http === "POST")).toEqual([]);
    expect(said(await legacyCall(mcp, "search_c", {}, reader))).toBe("search_c 1");
  });
});

describe("changes", () => {
  const UPDATED = "notifications/resources/updated";

  test("of what may not be read are not told to who listens", async () => {
    const read = (uri: string) =>
      modern(mcp, "resources/read", { uri }, { headers: { ...admin.headers, "cache-control": "no-cache" } });
    origin.on("resources/read", ({ name, nth }) => ({
      result: { contents: [{ uri: name, text: `${nth}` }], ...PUBLIC },
    }));
    const uris = ["other://c/below", "other://c"];
    for (const uri of uris) await read(uri);
    const filter = { resourceSubscriptions: ["other://c"] };
    const ears = await Promise.all([
      listen(mcp, filter, reader),
      listen(mcp, filter, admin),
      // What nobody names is not told to those either who name what lies above it.
      listen(mcp, { resourceSubscriptions: uris }, admin),
    ]);
    await Promise.all(ears.map((ear) => ear.heard(1)));
    for (const uri of uris) await read(uri);
    await Promise.all(ears.map((ear, at) => ear.until(() => ear.told().length === (at === 0 ? 2 : 3))));
    const [own, ...others] = ears.map((ear) => ear.told().slice(1));
    expect([own, ...others.map((told) => told.sort())]).toEqual([
      ["other://c"],
      ["other://c", uris[0]],
      ["other://c", uris[0]],
    ]);
    for (const ear of ears) ear.leave();
    const more = await modern(mcp, "subscriptions/listen", { notifications: { "acme/all": true } }, reader);
    expect(codeOf(more)).toBe("denied");
  });

  test("nor in a session: neither by its stream, nor in answers; what else comes there passes as it is", async () => {
    stateful.reset();
    stateful.tools = TOOLS;
    makeStateful(stateful);
    const url = `${replica.url}/mcp/stateful`;
    const session = await openAt(url, reader);
    const note = (uri: string) => JSON.stringify({ jsonrpc: "2.0", method: UPDATED, params: { uri } });
    const replayed = JSON.stringify({ jsonrpc: "2.0", id: 7, result: { tools: TOOLS } });
    const parts = [
      `id: 1\ndata: ${note("secret://b")}\n\nid: 2\ndata: ${note("catalog://a")}\n\n`,
      `event: message\r\nid: 3\r\ndata:${note("secret://b")}\r\n\r\n: alive\r\n\r\n`,
      `id: 4\ndata: ${replayed}\n\ndata: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n`,
    ];
    stateful.on("GET", () => ({ stream: (response) => response.end(parts.join("") + `data: ${note("secret://b")}`) }));
    const ear = await streamAt(url, session.headers);
    expect(await ear.over()).toBe("end");
    expect(ear.told()).toEqual(["catalog://a", "notifications/tools/list_changed"]);
    expect(ear.messages[1].result.tools.map(({ name }: any) => name)).toEqual(SEEN["tools/list"]);
    expect(ear.text).not.toContain("secret");
    expect(ear.text).toBe(
      `id: 1\n:\n\nid: 2\ndata: ${note("catalog://a")}\n\nevent: message\r\nid: 3\r\n:\r\n\r\n: alive\r\n\r\n` +
        `id: 4\ndata: ${JSON.stringify(ear.messages[1])}\n\ndata: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n`,
    );
    stateful.on("tools/call search_c", () => ({
      ...text("found", { resources: [{ uri: "secret://left alone" }] }),
      sse: [
        { method: UPDATED, params: { uri: "secret://b" } },
        { method: UPDATED, params: { uri: "catalog://a" } },
      ],
    }));
    const called = await callIn(session, "search_c");
    expect(eventsIn(called.text).map(({ params, result }) => params?.uri ?? result.resources[0].uri)).toEqual([
      "catalog://a",
      "secret://left alone",
    ]);
    for (const _ of ["first", "again"]) expect(listed(await inside(session, "tools/list"))).toEqual(SEEN["tools/list"]);
    const seen = stateful.seen.length;
    expect(codeOf(await callIn(session, "admin_x"))).toBe("denied");
    expect(codeOf(await inside(session, "resources/subscribe", { uri: "secret://b" }))).toBe("denied");
    // That comes before whether there is such a session.
    const made = { ...session, headers: { ...session.headers, "mcp-session-id": "er1.made up" } };
    expect(codeOf(await callIn(made, "admin_x"))).toBe("denied");
    expect(stateful.seen.length).toBe(seen);
    // What a status says of the session is no list, and reaches the client as it is.
    const sessions = await openAt(url, reader);
    stateful.on("tools/list", () => ({ status: 404, id: null, error: { code: -32001, message: "Session not found" } }));
    expect((await inside(sessions, "tools/list", {}, { "cache-control": "no-cache" })).status).toBe(404);
    stateful.on("tools/list", () => ({ result: { tools: TOOLS } }));
    // Callers of the other revision come in a session that is shared.
    for (const _ of ["first", "again"]) {
      expect(listed(await modern(url, "tools/list", {}, reader))).toEqual(SEEN["tools/list"]);
      const relayed = await modern(url, "tools/list", {}, { ...reader, meta: { "acme/unknown": 1 } });
      expect(listed(relayed)).toEqual(SEEN["tools/list"]);
    }
    expect(codeOf(await call(url, "admin_x", {}, reader))).toBe("denied");
  });
});
