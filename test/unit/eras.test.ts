import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Entry } from "../../src/cache/entry.ts";
import { decodeEntry, encodeEntry, hashOf } from "../../src/cache/codec.ts";
import { neutralise, type Circumstances } from "../../src/cache/neutralise.ts";
import { tell, type Telling } from "../../src/cache/tell.ts";
import { PROTOCOL_RULE } from "../../src/config/resolve.ts";
import { lacks } from "../../src/lanes/eras.ts";
import { isLegacyWord } from "../../src/mcp/eraWords.ts";
import { errorCode } from "../../src/mcp/errorCode.ts";
import { executionSpans } from "../../src/mcp/executionSpans.ts";
import { needsWrapping, wrappedSchema } from "../../src/mcp/legacySchema.ts";
import { cacheableMethod } from "../../src/mcp/methods.ts";
import { toLegacyReply } from "../../src/mcp/toLegacyReply.ts";
import { toLegacyRequest } from "../../src/mcp/toLegacyRequest.ts";
import { toModernReply } from "../../src/mcp/toModernReply.ts";
import { toModernRequest } from "../../src/mcp/toModernRequest.ts";

type Json = Record<string, unknown>;

const VERSION = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
const CLIENT_INFO = "io.modelcontextprotocol/clientInfo";
const LOG_LEVEL = "io.modelcontextprotocol/logLevel";
const SERVER_INFO = "io.modelcontextprotocol/serverInfo";
const CLIENT = { name: "replica", version: "1" };
const SERVER = { name: "server", version: "2" };

const parsed = (text: string) => JSON.parse(text) as any;

/** One member as an author may write it: key, and value in any layout that JSON allows. */
const layout = fc.constantFrom("", " ", "\n", "\t  ");
const jsonText = fc
  .tuple(fc.jsonValue(), fc.constantFrom(0, 1, "\t"))
  .map(([value, indent]) => JSON.stringify(value, null, indent));
const memberText = (key: string) =>
  fc
    .tuple(layout, layout, jsonText)
    .map(([before, after, value]) => `${JSON.stringify(key)}${before}:${after}${value}`);
/** Keys that no revision gives a meaning to; some are hard to tell from others by a careless eye. */
const plainKey = fc
  .string({ unit: "grapheme" })
  .map((key) => `a"${key}`)
  .filter((key) => !key.includes("\ud800"));
const plainMembers = fc
  .uniqueArray(plainKey, { maxLength: 5 })
  .chain((keys) => fc.tuple(...keys.map(memberText)) as fc.Arbitrary<string[]>);
const around = fc.tuple(layout, layout);

describe("a request to an origin that is modern only", () => {
  test("gets the envelope, and is byte for byte the same in all else", () => {
    fc.assert(
      fc.property(plainMembers, plainMembers, around, (members, meta, [open, close]) => {
        const tail = `${close}}, "id" :7}`;
        const head = `{"jsonrpc":"2.0",${open}"method":"tools/call","params":{`;
        const request = `${head}${[...members, `"_meta":${open}{${meta.join(",")}}`].join(",")}${tail}`;
        const told = toModernRequest(request, CLIENT);
        expect(told.startsWith(head)).toBe(true);
        expect(told.endsWith(tail)).toBe(true);
        for (const text of [...members, ...meta]) expect(told).toContain(text);
        expect(parsed(told)).toEqual({
          ...parsed(request),
          params: {
            ...parsed(request).params,
            _meta: {
              ...parsed(request).params._meta,
              [VERSION]: "2026-07-28",
              [CAPABILITIES]: {},
              [CLIENT_INFO]: CLIENT,
            },
          },
        });
      }),
    );
  });

  test.each([
    '{"id":1,"method":"m"}',
    '{"id":1,"method":"m","params":{}}',
    '{"id":1,"method":"m","params":{"_meta":{}}}',
  ])("gets it where there is no place for it yet: %s", (request) => {
    expect(Object.keys(parsed(toModernRequest(request, CLIENT)).params._meta)).toEqual([
      VERSION,
      CAPABILITIES,
      CLIENT_INFO,
    ]);
  });

  test("stays as it is where its parameters are none", () => {
    expect(toModernRequest('{"id":1,"method":"m","params":[1]}', CLIENT)).toBe('{"id":1,"method":"m","params":[1]}');
  });
});

describe("a request to an origin of the earlier revisions", () => {
  test("loses the envelope, and is byte for byte the same in all else", () => {
    fc.assert(
      fc.property(plainMembers, plainMembers, around, (members, meta, [open, close]) => {
        const envelope = [`"${VERSION}":"2026-07-28"`, `"${CAPABILITIES}":{"a":{}}`, `"${LOG_LEVEL}" : "debug"`];
        const head = `{"jsonrpc":"2.0",${open}"method":"tools/call","params":${open}{`;
        const tail = `}${close}, "id" :7}`;
        const own = [envelope[0]!, ...meta, envelope[1]!, envelope[2]!];
        const told = toLegacyRequest(`${head}${[...members, `"_meta":{${own.join(",")}}`].join(",")}${tail}`);
        expect(told).toBe(`${head}${[...members, `"_meta":{${meta.join(",")}}`].join(",")}${tail}`);
      }),
    );
  });

  test("undoes what made it modern", () => {
    fc.assert(
      fc.property(plainMembers, plainMembers, (members, meta) => {
        const params = [...members, `"_meta":{${meta.join(",")}}`].join(",");
        const request = `{"id":"a","method":"m","params":{${params}}}`;
        expect(toLegacyRequest(toModernRequest(request, CLIENT))).toBe(request);
      }),
    );
  });

  test("loses what a server of those would take for something else", () => {
    const params = `"name":"a","task":{"ttl":1},"inputResponses":{},"arguments":{"task":1},"requestState":"x"`;
    expect(parsed(toLegacyRequest(`{"id":1,"params":{${params}}}`)).params).toEqual({
      name: "a",
      arguments: { task: 1 },
    });
  });

  test.each(['{"id":1,"method":"m"}', '{"id":1,"params":[1]}', '{"id":1,"params":{"_meta":5}}'])(
    "stays as it is where it has no envelope: %s",
    (request) => expect(toLegacyRequest(request)).toBe(request),
  );
});

/** Of an answer that can be told. */
const toModern = (...asked: Parameters<typeof toModernReply>) => toModernReply(...asked)!;

describe("a modern answer, told to a legacy caller", () => {
  const asked = { method: "prompts/get", isWrapped: false };

  test("loses what its era has not, and is byte for byte the same in all else", () => {
    fc.assert(
      fc.property(plainMembers, around, fc.nat(5), (members, [open, close], at) => {
        const modern = ['"resultType" : "complete"', '"ttlMs":5', `"cacheScope":${open}"public"`];
        const given = [...members.slice(0, at), ...modern, ...members.slice(at)];
        const head = `{"id":1,${open}"jsonrpc":"2.0","result":${open}{`;
        const tail = `}${close}}`;
        expect(toLegacyReply(`${head}${given.join(",")}${tail}`, asked)).toBe(`${head}${members.join(",")}${tail}`);
      }),
    );
  });

  test.each(["input_required", "task", "acme/later", 5])(
    "has no form where it is not complete but %s",
    (resultType) => {
      expect(toLegacyReply(JSON.stringify({ id: 1, result: { resultType } }), asked)).toBeUndefined();
    },
  );

  test("has none either where the origin would ask for something", () => {
    const error = { code: -32021, message: "m", data: { requiredCapabilities: { sampling: {} } } };
    expect(toLegacyReply(JSON.stringify({ id: 1, error }), asked)).toBeUndefined();
  });

  test("has structured content wrapped that is no object, or whose tool's schema is wrapped", () => {
    const told = (structuredContent: unknown, isWrapped: boolean) =>
      parsed(
        toLegacyReply(JSON.stringify({ id: 1, result: { content: [], structuredContent, z: 1 } }), {
          method: "tools/call",
          isWrapped,
        })!,
      ).result;
    for (const value of [1, "a}]", null, [], [{ a: 1 }], true]) {
      expect(told(value, false)).toEqual({ content: [], structuredContent: { result: value }, z: 1 });
    }
    expect(told({ a: 1 }, false).structuredContent).toEqual({ a: 1 });
    expect(told({ a: 1 }, true).structuredContent).toEqual({ result: { a: 1 } });
  });

  test("has output schemas wrapped that are no objects, and the list as it is where none is", () => {
    const list = { method: "tools/list", isWrapped: false };
    const tools = [{ name: "a", outputSchema: { type: "array" } }, { name: "b", outputSchema: { type: "object" } }, 5];
    expect(parsed(toLegacyReply(JSON.stringify({ id: 1, result: { tools } }), list)!).result.tools).toEqual([
      { name: "a", outputSchema: { type: "object", properties: { result: { type: "array" } }, required: ["result"] } },
      { name: "b", outputSchema: { type: "object" } },
      5,
    ]);
    const plain = '{"id":1,"result":{"tools": [ {"name" : "b","n":1.0} ]}}';
    expect(toLegacyReply(plain, list)).toBe(plain);
  });

  test("has the old code for a resource that is not there, and other errors as they are", () => {
    const error = (data: unknown) => JSON.stringify({ id: 1, error: { message: "no", code: -32602, data } });
    const read = { method: "resources/read", isWrapped: false };
    expect(errorCode(toLegacyReply(error({ uri: "x://1" }), read)!)).toBe(-32002);
    expect(toLegacyReply(error({ uri: "x://1" }), asked)).toBe(error({ uri: "x://1" }));
    expect(toLegacyReply(error({ field: "uri" }), read)).toBe(error({ field: "uri" }));
  });

  test.each(["[1]", '{"id":1,"result":5}', '{"id":1,"result":[]}'])("stays as it is where it is none: %s", (reply) => {
    expect(toLegacyReply(reply, asked)).toBe(reply);
  });
});

describe("a legacy answer, told to a modern caller", () => {
  const asked = { method: "prompts/get", hints: false, serverInfo: SERVER };

  test("gets what its era wants, and is byte for byte the same in all else", () => {
    fc.assert(
      fc.property(plainMembers, plainMembers, around, fc.boolean(), (members, meta, [open, close], hints) => {
        const head = `{"id":1,${open}"jsonrpc":"2.0","result":${open}`;
        const tail = `${close}}`;
        const given = [...members, `"_meta":{${meta.join(",")}}`];
        const { text, status } = toModern(`${head}{${given.join(",")}}${tail}`, { ...asked, hints });
        const own = ['"resultType":"complete"', ...(hints ? ['"ttlMs":0,"cacheScope":"private"'] : [])];
        const info = `"${SERVER_INFO}":${JSON.stringify(SERVER)}`;
        const told = [...members, ...own, `"_meta":{${[...meta, info].join(",")}}`];
        expect(text).toBe(`${head}{${told.join(",")}}${tail}`);
        expect(status).toBe(200);
      }),
    );
  });

  test("keeps the name that the result itself gives, and has none where none is known", () => {
    const named = JSON.stringify({ id: 1, result: { _meta: { [SERVER_INFO]: { name: "own" } } } });
    expect(parsed(toModern(named, asked).text).result._meta).toEqual({ [SERVER_INFO]: { name: "own" } });
    const { text } = toModern('{"id":1,"result":{}}', { ...asked, serverInfo: undefined });
    expect(parsed(text).result).toEqual({ resultType: "complete", _meta: {} });
  });

  test("does not believe what a legacy origin happens to call by a name of the modern revision", () => {
    const reply = JSON.stringify({ id: 1, result: { resultType: "acme", ttlMs: 9, cacheScope: "public" } });
    expect(parsed(toModern(reply, { ...asked, hints: true }).text).result).toMatchObject({
      resultType: "complete",
      ttlMs: 0,
      cacheScope: "private",
    });
    // Elsewhere they are the origin's own.
    expect(parsed(toModern(reply, asked).text).result).toMatchObject({ ttlMs: 9, cacheScope: "public" });
  });

  test("lists tools without execution", () => {
    const reply = '{"id":1,"result":{"tools":[ {"name":"a", "execution":{"taskSupport":"optional"} },{"n":1.0}]}}';
    expect(toModern(reply, { ...asked, method: "tools/list" }).text).toContain('"tools":[ {"name":"a" },{"n":1.0}]');
    expect(toModern(reply, asked).text).toContain("execution");
  });

  test("has no form where it is a question back", () => {
    expect(toModernReply('{"error":{"code":-32042,"message":"m"},"id":1}', asked)).toBeUndefined();
  });

  test.each([
    [-32601, -32601, 404],
    [-32002, -32602, 200],
    [-32602, -32602, 200],
    [-32000, -32000, 200],
  ])("an error %i is %i with status %i", (code, told, status) => {
    const given = toModern(`{"error":{"data":{"code":1},"code": ${code},"message":"m"},"id":1}`, asked);
    expect([errorCode(given.text), given.status]).toEqual([told, status]);
    expect(given.text).toBe(`{"error":{"data":{"code":1},"code": ${told},"message":"m"},"id":1}`);
  });

  test.each(["[1]", '{"id":1,"result":5}'])("stays as it is where it is none: %s", (reply) => {
    expect(toModern(reply, asked)).toEqual({ text: reply, status: 200 });
  });
});

test("a modern answer comes back from the legacy form of itself", () => {
  fc.assert(
    fc.property(plainMembers, (members) => {
      const given = [...members, '"resultType":"complete"', `"_meta":{"${SERVER_INFO}":${JSON.stringify(SERVER)}}`];
      const reply = `{"id":1,"result":{${given.join(",")}}}`;
      const before = toLegacyReply(reply, { method: "prompts/get", isWrapped: false })!;
      expect(toModern(before, { method: "prompts/get", hints: false, serverInfo: undefined }).text).toBe(reply);
    }),
  );
});

describe("tools without execution", () => {
  const cut = (text: string) => {
    let kept = "";
    let at = 0;
    for (const { start, end } of executionSpans(text, text.indexOf("["))) {
      kept += text.slice(at, start);
      at = end;
    }
    return kept + text.slice(at);
  };
  const execution = memberText("execution");

  test("are what they were but for that, wherever it stands", () => {
    const toolText = fc
      .tuple(plainMembers, fc.array(fc.tuple(execution, fc.nat(5)), { maxLength: 2 }), layout)
      .map(([members, extra, space]) => {
        const all = [...members];
        for (const [text, at] of extra) all.splice(at, 0, text);
        return { whole: `{${space}${all.join(`${space},${space}`)}${space}}`, members };
      });
    fc.assert(
      fc.property(fc.array(toolText, { maxLength: 4 }), (tools) => {
        const told = cut(`[${tools.map(({ whole }) => whole).join(" , ")}]`);
        expect(parsed(told)).toEqual(tools.map(({ members }) => parsed(`{${members.join(",")}}`)));
        for (const { members } of tools) for (const member of members) expect(told).toContain(member);
      }),
    );
  });

  test("of a list that holds other things too", () => {
    expect(cut('[5,"execution",["execution"],null,{"a":{"execution":1}},{"execution":1}]')).toBe(
      '[5,"execution",["execution"],null,{"a":{"execution":1}},{}]',
    );
  });
});

describe("an entry of a legacy origin", () => {
  const entryOf = (method: string, result: Json, more: Partial<Circumstances> = {}): Entry => {
    const made = neutralise(JSON.stringify({ jsonrpc: "2.0", id: 1, result }), {
      method,
      era: "legacy",
      rule: { ...PROTOCOL_RULE, ttlMs: 60_000 },
      hints: cacheableMethod(method)!.hints,
      tags: [],
      askedAt: 1_000,
      random: 0.5,
      maxBytes: 100_000,
      ...more,
    });
    if (typeof made === "string") throw new Error(made);
    return { ...made, hash: "", savedAt: 1_000 };
  };
  const told = (entry: Entry, to: Partial<Telling> = {}) =>
    parsed(tell(entry, { era: "modern", id: 1, status: "hit", hints: false, now: 1_000, ...to })).result;
  const tools = [{ name: "a", execution: { taskSupport: "optional" }, title: "A" }, { name: "b" }];

  test("tells tools without execution to modern callers only", () => {
    const entry = entryOf("tools/list", { x: 1, tools, nextCursor: "c" });
    expect(told(entry)).toMatchObject({ x: 1, tools: [{ name: "a", title: "A" }, { name: "b" }], nextCursor: "c" });
    expect(told(entry).tools[0]).not.toHaveProperty("execution");
    expect(told(entry, { era: "legacy" }).tools).toEqual(tools);
  });

  test("is read again with its patches, and a broken one is a miss", async () => {
    const entry = entryOf("tools/list", { tools });
    const stored = { ...entry, hash: await hashOf(entry.body, entry.meta) };
    expect((await decodeEntry(encodeEntry(stored)))?.modern).toEqual(entry.modern);
    expect(await decodeEntry(encodeEntry({ ...stored, modern: [{ start: 1 }] as never }))).toBeUndefined();
  });

  test("tells modern callers, and only them, what the server calls itself, once", () => {
    const entry = entryOf("prompts/get", { messages: [], _meta: { a: 1 } });
    expect(told(entry, { serverInfo: SERVER })._meta).toMatchObject({ a: 1, [SERVER_INFO]: SERVER });
    expect(told(entry)._meta).not.toHaveProperty(SERVER_INFO);
    expect(told(entry, { era: "legacy", serverInfo: SERVER })._meta).not.toHaveProperty(SERVER_INFO);
    const named = entryOf("prompts/get", { messages: [], _meta: { [SERVER_INFO]: { name: "own" } } });
    expect(told(named, { serverInfo: SERVER })._meta[SERVER_INFO]).toEqual({ name: "own" });
  });

  test("has nothing added where the origin was asked in the modern revision", () => {
    const entry = entryOf("prompts/get", { resultType: "complete", messages: [] }, { era: "modern" });
    expect(told(entry, { serverInfo: SERVER })._meta).not.toHaveProperty(SERVER_INFO);
  });

  test("belongs to both eras where the origin has no modern form of it", () => {
    const result = { content: [], structuredContent: { result: 1 } };
    expect(entryOf("tools/call", result).only).toBe("legacy");
    expect(entryOf("tools/call", result, { isLegacyOnly: true }).only).toBeUndefined();
  });
});

describe("what an origin lacks", () => {
  test("is only what it has shown to lack", () => {
    for (const known of [{}, { modern: true }, { legacy: "none" }, { legacy: "stateless" }] as const) {
      expect([lacks({ at: 1, ...known }, "modern"), lacks({ at: 1, ...known }, "legacy")]).toEqual([false, false]);
    }
    expect(lacks({ at: 1, modern: false }, "modern")).toBe(true);
    expect(lacks({ at: 1, modern: false, legacy: "none" }, "legacy")).toBe(false);
    expect(lacks({ at: 1, modern: true, legacy: "none" }, "legacy")).toBe(true);
  });

  test.each([
    [-32601, true],
    [-32600, true],
    [-32000, true],
    [-32603, false],
    [-32020, false],
    [-32022, false],
  ])("an error %i to a modern request is a sign of an earlier revision: %s", (code, isSign) => {
    expect(isLegacyWord(JSON.stringify({ id: null, error: { code, message: "" } }))).toBe(isSign);
  });

  test.each(["", "Bad Request", "5", '{"result":{}}', '{"error":{"code":"-32601"}}'])("%s is none", (text) => {
    expect(isLegacyWord(text)).toBe(false);
  });
});

test("a schema is wrapped once, and then told as it is", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (schema) => {
      if (needsWrapping(schema)) expect(needsWrapping(wrappedSchema(schema))).toBe(false);
    }),
  );
});
