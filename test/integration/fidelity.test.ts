import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Caller, makeCallers } from "./support/callers.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { type Asked, event, JSON_TYPE, Scripted, SSE_TYPE } from "./support/scripted.ts";
import type { Got } from "./support/wire.ts";

const origins = { o: new Scripted(), s: new Scripted({ opensSessions: true }) };
let replica: Replica;
const callers = makeCallers(() => replica);
const [modern, legacy] = callers as [Caller, Caller];

beforeAll(async () => {
  const tools = { kept: { cache: { ttl: "10m", staleIfError: "1h" } } } as const;
  const resources = { "x://*": { cache: { ttl: "10m" } } } as const;
  const [o, s] = await Promise.all([origins.o.start(), origins.s.start()]);
  o.tools = s.tools = [{ name: "kept", inputSchema: { type: "object" } }];
  replica = await startReplica({
    origins: { o: { url: o.url, tools, resources }, s: { url: s.url, tools, resources } },
  });
});
beforeEach(() => [origins.o, origins.s].forEach((origin) => origin.reset()));
afterAll(async () => {
  await replica?.close();
  await Promise.all([origins.o.stop(), origins.s.stop()]);
});

let nth = 0;
const params = (name: string) => ({ name, arguments: { nth: ++nth } });

/** A member of a result as it is written: key, colon and value, with the blanks between them. */
type Written = string;

/** Members of results that a reader and writer of JSON would not leave as they are. */
const ODD: [what: string, members: Written[]][] = [
  ["blanks", ['"content" : [ { "type":"text" ,\t"text":"x" } ]', '"structuredContent":\n  {\r\n "a" : [ 1 , 2 ] }']],
  ["the order of keys", ['"zeta":1', '"content":[]', '"alpha":{"z":1,"a":2,"10":3,"2":4}', '"1":0']],
  [
    "numbers",
    ['"content":[]', '"n":[1.0,1e2,1E+2,-0,-0.0,0.10,1e-7,123456789012345678901234567890,9007199254740993,1e400]'],
  ],
  ["escapes", ['"content":[]', String.raw`"s":["\u00e9\/\b\f\n\r\t\"\\","\ud83d\ude00","\u2028","\u0000"]`]],
  ["characters beyond ASCII", ['"content":[{"type":"text","text":"é 東京 👩‍🚀 \u2028\u2029"}]', '"größe":"é"']],
  ["lone surrogates, escaped", ['"content":[]', String.raw`"s":"\ud800 \udfff"`]],
  ["keys that are escaped", ['"content":[]', String.raw`"\u0061\u0062":1`, '"":"empty"', '"__proto__":{"a":1}']],
  ["two keys of one name within a member", ['"content":[]', '"a":{"x":1,"x":2}']],
  [
    "fields that nobody knows",
    ['"content":[{"type":"new","x-field":[]}]', '"futureField":{"deep":[[[{}]]]}', '"isError":false'],
  ],
  [
    "images, audio and blobs",
    [
      '"content":[{"type":"image","data":"aGVsbG8=","mimeType":"image/png"},{"type":"audio","data":"//8=","mimeType":"audio/wav"},' +
        '{"type":"resource","resource":{"uri":"x://1","blob":"AAEC","mimeType":"application/octet-stream"}}]',
    ],
  ],
  [
    "icons, annotations and _meta within",
    [
      '"content":[{"type":"resource_link","uri":"x://1","name":"x","icons":[{"src":"data:,","sizes":["any"],"theme":"dark"}],' +
        '"annotations":{"audience":["user"],"priority":1.0},"_meta":{"own/key": [1.50]}}]',
    ],
  ],
  ["hints that a tool's result has by chance", ['"content":[]', '"ttlMs":1.0', '"cacheScope":"mine"']],
];

const HINTS = ["ttlMs", "cacheScope"];
const META = '"own/_key" : { "n":1.0 },"io.modelcontextprotocol/serverInfo":{"name":"é","version":"1"}';

/** Lets the origin answer with the members, and gives the text of its last answer. */
function write(method: string, members: readonly Written[], type = JSON_TYPE): { last: string } {
  const written = { last: "" };
  for (const origin of [origins.o, origins.s]) {
    origin.on(method, (asked: Asked, response) => {
      const era = asked.isModern ? ['"resultType" : "complete"'] : [];
      const result = `{ ${[...members, ...era, `"_meta":{ ${META} }`].join(" ,\n ")} }`;
      const text = ` {"result" : ${result},"id":${JSON.stringify(asked.id)} , "jsonrpc":"2.0"}`;
      // An event's line ends where the text has one.
      written.last = type === SSE_TYPE ? event(text.replaceAll(/[\r\n]+/g, " ")) : text;
      response.writeHead(200, type).end(written.last);
    });
  }
  return written;
}

/** Asserts that an answer holds every member as it was written, in their order, and none besides. */
function expectMembers({ text }: Pick<Got, "text">, members: readonly Written[], isModern: boolean): void {
  let at = -1;
  for (const member of members) {
    const found = text.indexOf(member, at + 1);
    expect({ member, found: found > at }).toEqual({ member, found: true });
    at = found;
  }
  for (const member of META.split(',"io')) expect(text).toContain(member);
  // Lines of an event end where SSE says, not at every character that ends a line elsewhere.
  const message = text.startsWith("data: ") ? text.slice(6) : text;
  const { resultType, _meta, ...rest } = JSON.parse(message).result;
  for (const hint of HINTS) if (!members.some((member) => member.startsWith(`"${hint}"`))) delete rest[hint];
  expect(resultType).toBe(isModern ? "complete" : undefined);
  expect(Object.keys(_meta).filter((key) => key !== "edge-replica/cache")).toEqual([
    "own/_key",
    "io.modelcontextprotocol/serverInfo",
  ]);
  expect(Object.keys(rest).sort()).toEqual(Object.keys(JSON.parse(`{${members.join(",")}}`)).sort());
}

const oneLine = (members: readonly Written[]) => members.map((member) => member.replaceAll(/[\r\n]+/g, " "));

describe.each(callers)("$who", (caller) => {
  test.each(ODD)("gets %s as they are, relayed, in JSON and in a stream", async (_, members) => {
    for (const type of [JSON_TYPE, SSE_TYPE]) {
      for (const name of ["plain", "kept"]) {
        const written = write("tools/call", members, type);
        const got = await caller.ask("tools/call", params(name), { meta: { progressToken: 1 }, id: `id ${++nth}` });
        expect(got.text).toBe(written.last);
      }
    }
  });

  test.each(ODD)("gets %s as they are when they are filled and when they are kept", async (_, members) => {
    for (const type of [JSON_TYPE, SSE_TYPE]) {
      write("tools/call", members, type);
      const expected = type === SSE_TYPE ? oneLine(members) : members;
      const what = params("kept");
      expectMembers(await caller.ask("tools/call", what), expected, caller.isModern);
      await expect.poll(async () => (await caller.ask("tools/call", what)).cache?.status).toBe("hit");
      expectMembers(await caller.ask("tools/call", what, { id: "another" }), expected, caller.isModern);
    }
  });
});

test("what one era filled is the same for the other", async () => {
  for (const [, members] of ODD) {
    for (const [first, second] of [callers.slice(0, 2), callers.slice(0, 2).reverse()] as [Caller, Caller][]) {
      write("tools/call", members);
      const what = params("kept");
      await first.ask("tools/call", what);
      const got = await second.ask("tools/call", what);
      // What only one era can be told is asked for anew.
      expect(got.cache?.status).toMatch(/^(hit|miss)$/);
      expectMembers(got, members, second.isModern);
    }
  }
});

test("a resource's contents are the same in both eras, and only hints are told anew", async () => {
  const members = ['"contents":[ {"uri":"x://1","blob":"AAEC","_meta":{"n":1.0}} ]', '"more":1e2'];
  write("resources/read", [...members, '"ttlMs":1000', '"cacheScope":"private"']);
  const uri = `x://${++nth}`;
  await modern.ask("resources/read", { uri });
  for (const caller of [modern, legacy]) {
    const got = await caller.ask("resources/read", { uri });
    const { ttlMs, cacheScope } = got.body.result;
    expect([got.cache?.status, typeof ttlMs, cacheScope]).toEqual([
      "hit",
      ...(caller === modern ? ["number", "private"] : ["undefined", undefined]),
    ]);
    expectMembers(got, members, caller === modern);
  }
});

/** Texts of JSON, in every spelling. */
const blank = fc.constantFrom("", " ", "\n", "\t ", "\r\n");
const written = fc.letrec<{ value: string; string: string }>((tie) => ({
  string: fc.oneof(
    fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
    fc
      .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 5 })
      .map((codes) => `"${codes.map((code) => String.raw`\u${code.toString(16).padStart(4, "0")}`).join("")}"`),
  ),
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constantFrom("null", "true", "false", "-0", "1.0", "1E2", "0.10", "9007199254740993", "1e-400"),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number)),
    tie("string"),
    fc
      .tuple(blank, fc.array(tie("value"), { maxLength: 4 }))
      .map(([space, all]) => `[${space}${all.join(`${space},`)}${space}]`),
    fc
      .tuple(blank, fc.array(fc.tuple(tie("string"), tie("value")), { maxLength: 4 }))
      .map(
        ([space, all]) => `{${space}${all.map(([key, value]) => `${key}${space}:${space}${value}`).join(`,${space}`)}}`,
      ),
  ),
}));

test("whatever a result holds reaches everybody as it was written", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(written.value, { minLength: 1, maxLength: 4 }), async (values) => {
      const members = values.map((value, index) => `"member ${index}" : ${value}`);
      const last = write("tools/call", members);
      expect((await modern.ask("tools/call", params("plain"))).text).toBe(last.last);
      const what = params("kept");
      for (const caller of [modern, legacy, modern]) {
        expectMembers(await caller.ask("tools/call", what), members, caller.isModern);
      }
      expect(origins.o.count("tools/call", "kept")).toBe(1);
      origins.o.asked = [];
    }),
    { numRuns: 150 },
  );
});

describe("an error of the origin", () => {
  const ERRORS = [
    ["with a message", '{"code":-32000,"message":"no"}'],
    ["with data", '{ "code" : -32602, "message" : "n\\u00f6", "data":{"n":1.0,"deep":[1e2]} }'],
    ["with members that nobody knows", '{"more":1,"code":1,"message":"","data":null}'],
  ] as const;
  const WHERE = callers.flatMap((caller) => ["plain", "kept"].map((name) => ({ caller, name, who: caller.who })));

  test.each(WHERE)("reaches $who of $name with its status and words", async ({ caller, name }) => {
    for (const status of [200, 400, 404, 405, 409, 422]) {
      for (const [, error] of ERRORS) {
        for (const nameless of [false, true]) {
          // In a session a 404 ends it, and is passed on all the same.
          if (status === 404 && caller.at === "s") continue;
          origins[caller.at as "o" | "s"].on("tools/call", ({ id }, response) =>
            response
              .writeHead(status, JSON_TYPE)
              .end(`{"jsonrpc":"2.0" , "error":${error} , "id":${nameless ? "null" : JSON.stringify(id)}}`),
          );
          const got = await caller.ask("tools/call", params(name), { id: "mine" });
          expect([status, error, got.status]).toEqual([status, error, status]);
          expect(got.text).toMatch(/^\{"jsonrpc":"2\.0" , "error":.* , "id":(null|"mine")\}$/);
          expect(got.text).toContain(error);
          expect([null, "mine"]).toContain(got.body.id);
          if (!nameless) expect(got.body.id).toBe("mine");
        }
      }
    }
  });

  test("405 says what is allowed instead (RFC 9110, 15.5.6)", async () => {
    origins.o.on("tools/call", ({ id }, response) =>
      response
        .writeHead(405, { ...JSON_TYPE, allow: "GET" })
        .end(JSON.stringify({ jsonrpc: "2.0", id, error: { code: -32000, message: "no" } })),
    );
    expect((await modern.call("plain")).headers["allow"]).toBe("GET");
  });
});
