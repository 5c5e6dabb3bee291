import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { directiveMs, parseCacheControl } from "../../src/cache/cacheControl.ts";
import { cacheStatus, type CacheOutcome } from "../../src/cache/cacheStatus.ts";
import type { Entry } from "../../src/cache/entry.ts";
import { ageMs, freshness, promiseMs } from "../../src/cache/freshness.ts";
import { neutralise, type Circumstances } from "../../src/cache/neutralise.ts";
import { tell, type Telling } from "../../src/cache/tell.ts";
import type { CacheRule } from "../../src/config/replica.ts";
import { PROTOCOL_RULE } from "../../src/config/resolve.ts";
import { cacheableMethod } from "../../src/mcp/methods.ts";

type Json = Record<string, unknown>;

const T0 = 1_800_000_000_000;
const DAY = 86_400_000;
const HINTED = [
  "server/discover",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "resources/read",
];

/** Circumstances in which jitter does nothing and an operator keeps everything for a minute. */
function circumstances(
  change: Partial<Circumstances> = {},
  rule: Partial<CacheRule> = { ttlMs: 60_000 },
): Circumstances {
  const method = change.method ?? "tools/call";
  return {
    method,
    era: "modern",
    rule: { ...PROTOCOL_RULE, ...rule },
    hints: cacheableMethod(method)!.hints,
    tags: [],
    askedAt: T0,
    random: 0.5,
    maxBytes: 10_000,
    ...change,
  };
}

/** A reply that holds a result as written. */
const replyOf = (result: string, id = "7") => `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
const complete = (members: Json = {}) => replyOf(JSON.stringify({ resultType: "complete", content: [], ...members }));

function entryOf(reply: string, at = circumstances()): Entry {
  const neutral = neutralise(reply, at);
  if (typeof neutral === "string") throw new Error(`not kept: ${neutral}`);
  return { ...neutral, hash: "", savedAt: T0 };
}

function told(entry: Entry, to: Partial<Telling> = {}): string {
  return tell(entry, { era: "modern", id: 1, status: "hit", hints: false, now: T0, ...to });
}

function toldResult(entry: Entry, to: Partial<Telling> = {}): Json {
  return (JSON.parse(told(entry, to)) as { result: Json }).result;
}

/** A resource as the protocol alone keeps it. */
function resource(members: Json, rule: Partial<CacheRule> = {}, change: Partial<Circumstances> = {}) {
  const at = circumstances({ method: "resources/read", ...change }, rule);
  return neutralise(
    replyOf(JSON.stringify({ ...(at.era === "modern" && { resultType: "complete" }), contents: [], ...members })),
    at,
  );
}

function kept(neutral: ReturnType<typeof neutralise>): Exclude<typeof neutral, string> {
  if (typeof neutral === "string") throw new Error(`not kept: ${neutral}`);
  return neutral;
}

const hint = (directives: unknown): Json => ({ _meta: { "edge-replica/cache-control": directives } });

describe("what is not kept", () => {
  const refused = (reply: string, at = circumstances()) => expect(neutralise(reply, at), reply);

  test("JSON-RPC errors, and what is no result", () => {
    const error = '"error":{"code":-32603,"message":"no"}';
    for (const reply of [
      `{"jsonrpc":"2.0","id":1,${error}}`,
      `{"jsonrpc":"2.0","id":1,${error},"result":{"resultType":"complete"}}`,
      replyOf("null"),
      replyOf("[]"),
      replyOf('"x"'),
      "[]",
      "null",
      "{}",
    ]) {
      refused(reply).toBe("error");
    }
  });

  test("results that say they are errors, also when told twice", () => {
    refused(complete({ isError: true })).toBe("is-error");
    refused(complete({ isError: false })).toBeTypeOf("object");
    refused(replyOf('{"resultType":"complete","isError":true,"isError":false}')).toBe("ambiguous");
  });

  test("results that are not complete", () => {
    for (const resultType of ["task", "input_required", "partial", "", null, 1]) {
      refused(complete({ resultType })).toBe("not-complete");
      refused(complete({ resultType }), circumstances({ era: "legacy" })).toBe("not-complete");
    }
    refused(replyOf('{"content":[]}')).toBe("not-complete");
    refused(replyOf('{"content":[]}'), circumstances({ era: "legacy" })).toBeTypeOf("object");
    refused(complete(), circumstances({ era: "legacy" })).toBeTypeOf("object");
  });

  test("results that two readers may understand differently", () => {
    const ambiguous = [
      '{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete"},"result":{"resultType":"complete"}}',
      '{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete"},"\\u0072esult":{"resultType":"complete"}}',
      replyOf('{"resultType":"complete","a":1,"a":1}'),
      replyOf('{"resultType":"complete","a":1,"\\u0061":2}'),
      replyOf('{"resultType":"task","resultType":"complete"}'),
      replyOf('{"resultType":"complete","_meta":{},"_meta":{}}'),
      replyOf('{"resultType":"complete","_meta":null}'),
      replyOf('{"resultType":"complete","_meta":[]}'),
    ];
    for (const reply of ambiguous) refused(reply).toBe("ambiguous");
  });

  test("results that are too large, in bytes", () => {
    const reply = complete({ text: "é".repeat(100) });
    const bytes = new TextEncoder().encode(reply).length;
    refused(reply, circumstances({ maxBytes: bytes })).toBeTypeOf("object");
    refused(reply, circumstances({ maxBytes: bytes - 1 })).toBe("too-large");
  });

  test("results for which nobody promises anything", () => {
    refused(complete(), circumstances({}, {})).toBe("nothing-promised");
    refused(complete(), circumstances({}, { ttlMs: 0 })).toBe("nothing-promised");
    refused(complete(), circumstances({}, { ttlMs: 0, staleWhileRevalidateMs: 1 })).toBeTypeOf("object");
    refused(complete(), circumstances({}, { ttlMs: 0, staleIfErrorMs: 1 })).toBeTypeOf("object");
    refused(complete(), circumstances({}, { defaultTtlMs: 1 })).toBeTypeOf("object");
  });

  test("results whose origin says no-store, whatever the operator says", () => {
    for (const directives of ["no-store", "max-age=60, No-Store"]) refused(complete(hint(directives))).toBe("no-store");
    refused(complete(hint({ "no-store": true }))).toBeTypeOf("object");
  });
});

describe("the ttl", () => {
  test("the operator's beats the targeted hint, which beats ttlMs, which beats the default", () => {
    const both = { ttlMs: 2_000, ...hint("max-age=3") };
    expect(kept(resource(both, { ttlMs: 4_000, defaultTtlMs: 1_000 }))).toMatchObject({ ttlMs: 4_000, promisedMs: 0 });
    expect(kept(resource(both, { defaultTtlMs: 1_000 }))).toMatchObject({ ttlMs: 3_000, promisedMs: 3_000 });
    expect(kept(resource({ ttlMs: 2_000 }, { defaultTtlMs: 1_000 }))).toMatchObject({
      ttlMs: 2_000,
      promisedMs: 2_000,
    });
    expect(kept(resource({}, { defaultTtlMs: 1_000 }))).toMatchObject({ ttlMs: 1_000, promisedMs: 0 });
    expect(resource({})).toBe("nothing-promised");
  });

  test("ttlMs counts for six methods and in the modern era only", () => {
    const ttlOf = (method: string, era: "modern" | "legacy") => {
      const reply = replyOf(JSON.stringify({ ...(era === "modern" && { resultType: "complete" }), ttlMs: 5_000 }));
      return entryOf(reply, circumstances({ method, era }, { staleIfErrorMs: 1 })).ttlMs;
    };
    for (const method of HINTED) {
      expect(ttlOf(method, "modern"), method).toBe(5_000);
      expect(ttlOf(method, "legacy"), method).toBe(0);
    }
    for (const method of ["tools/call", "prompts/get"]) expect(ttlOf(method, "modern"), method).toBe(0);
  });

  test("the targeted hint counts for every method and in both eras", () => {
    for (const era of ["modern", "legacy"] as const) {
      expect(entryOf(complete(hint("max-age=5")), circumstances({ era }, {}))).toMatchObject({
        ttlMs: 5_000,
        promisedMs: 5_000,
      });
    }
  });

  test("an absent ttlMs is none; a negative, fractional or foreign one is 0", () => {
    const ttlOf = (ttlMs: string) => {
      const reply = replyOf(`{"resultType":"complete","ttlMs":${ttlMs}}`);
      return entryOf(reply, circumstances({ method: "tools/list" }, { defaultTtlMs: 1_000, staleIfErrorMs: 1 })).ttlMs;
    };
    for (const broken of [
      "-1",
      "-5000",
      "0",
      "1.5",
      "0.9",
      '"5000"',
      '"NaN"',
      "null",
      "true",
      "[5000]",
      "{}",
      "1e400",
      "-1e400",
    ])
      expect(ttlOf(broken), broken).toBe(0);
    expect(ttlOf("5000.0")).toBe(5_000);
    expect(ttlOf("5e3")).toBe(5_000);
    expect(kept(resource({}, { defaultTtlMs: 1_000 })).ttlMs).toBe(1_000);
  });

  test("a day is the most, whoever promises more", () => {
    expect(kept(resource({ ttlMs: 1e308 }))).toMatchObject({ ttlMs: DAY, promisedMs: DAY });
    expect(kept(resource({ ttlMs: 1.7e308 }, {}, { random: 1 }))).toMatchObject({ ttlMs: DAY, promisedMs: DAY });
    expect(kept(resource({ ttlMs: DAY + 1 }))).toMatchObject({ ttlMs: DAY, promisedMs: DAY });
    expect(kept(resource(hint("max-age=999999999")))).toMatchObject({ ttlMs: DAY, promisedMs: DAY });
    for (const rule of [{ ttlMs: 30 * DAY }, { defaultTtlMs: 30 * DAY }])
      expect(kept(resource({}, rule))).toMatchObject({ ttlMs: DAY, promisedMs: 0 });
  });

  test("no-cache is a ttl of 0, must-revalidate closes the windows", () => {
    const rule = { staleWhileRevalidateMs: 1_000, staleIfErrorMs: 2_000 };
    expect(kept(resource({ ttlMs: 5_000, ...hint("no-cache, max-age=60") }, rule))).toMatchObject({
      ttlMs: 0,
      promisedMs: 0,
      ...rule,
    });
    expect(kept(resource(hint("max-age=60, must-revalidate"), rule))).toMatchObject({
      ttlMs: 60_000,
      staleWhileRevalidateMs: 0,
      staleIfErrorMs: 0,
    });
    expect(kept(resource(hint("max-age=60"), rule))).toMatchObject(rule);
    expect(resource(hint("no-cache"))).toBe("nothing-promised");
  });

  test("jitter keeps within a tenth, and never beyond what the origin promised", () => {
    const chance = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 * DAY }), chance, (ttlMs, random) => {
        const capped = Math.min(ttlMs, DAY);
        const operators = kept(resource({}, { ttlMs }, { random })).ttlMs;
        expect(operators).toBeLessThanOrEqual(Math.min(Math.round(ttlMs * 1.1), DAY));
        expect(operators).toBeGreaterThanOrEqual(Math.floor(capped * 0.9));
        const origins = kept(resource({ ttlMs }, {}, { random }));
        expect(origins.ttlMs).toBeLessThanOrEqual(capped);
        expect(origins.ttlMs).toBeGreaterThanOrEqual(Math.floor(capped * 0.9));
        expect(origins.promisedMs).toBe(capped);
      }),
    );
    const spread = (rule: Partial<CacheRule>, members: Json) =>
      [0, 0.25, 0.5, 1].map((random) => kept(resource(members, rule, { random })).ttlMs);
    expect(spread({ ttlMs: 10_000 }, {})).toEqual([9_000, 9_500, 10_000, 11_000]);
    expect(spread({ defaultTtlMs: 10_000 }, {})).toEqual([9_000, 9_500, 10_000, 11_000]);
    expect(spread({}, { ttlMs: 10_000 })).toEqual([9_000, 9_500, 10_000, 10_000]);
  });

  test("the clock starts when the origin was asked", () => {
    expect(
      entryOf(complete(), circumstances({ askedAt: 123, tags: ["t"] }, { ttlMs: 1, clientTtlMs: 5 })),
    ).toMatchObject({ storedAt: 123, tags: ["t"], clientTtlMs: 5 });
    expect(entryOf(complete())).not.toHaveProperty("clientTtlMs");
  });
});

describe("the scope", () => {
  const scope = (members: Json, rule: Partial<CacheRule> = {}, change: Partial<Circumstances> = {}) =>
    kept(resource(members, { staleIfErrorMs: 1, ...rule }, change)).scope;

  test("without a word from the operator the origin's counts, and absent is private", () => {
    expect(scope({ ttlMs: 1, cacheScope: "public" })).toBe("public");
    expect(scope({ ttlMs: 1, cacheScope: "private" })).toBe("private");
    expect(scope({ ttlMs: 1 })).toBe("private");
    for (const cacheScope of ["PUBLIC", "", null, true, ["public"]])
      expect(scope({ ttlMs: 1, cacheScope })).toBe("private");
  });

  test("public beside a ttlMs of 0, or none, is no evidence", () => {
    for (const ttlMs of [0, -1, 1.5, "1", null, undefined]) {
      expect(scope({ ttlMs, cacheScope: "public" }), String(ttlMs)).toBe("private");
      expect(scope({ ttlMs, cacheScope: "public" }, { ttlMs: 60_000 })).toBe("private");
      expect(scope({ ttlMs, cacheScope: "public", ...hint("max-age=60") })).toBe("private");
    }
  });

  test("the operator's word is the last: private narrows, public widens", () => {
    expect(scope({ ttlMs: 1, cacheScope: "public" }, { scope: "private" })).toBe("private");
    expect(scope(hint("public, max-age=1"), { scope: "private" })).toBe("private");
    expect(scope({}, { scope: "public", ttlMs: 1 })).toBe("public");
    expect(scope({ ttlMs: 1, cacheScope: "private" }, { scope: "public" })).toBe("public");
  });

  test("the targeted hint says more than cacheScope, and private more than public", () => {
    expect(scope(hint("public, max-age=1"))).toBe("public");
    expect(scope({ ttlMs: 1, cacheScope: "private", ...hint("public") })).toBe("public");
    expect(scope({ ttlMs: 1, cacheScope: "public", ...hint("private") })).toBe("private");
    expect(scope(hint("public, private, max-age=1"))).toBe("private");
    expect(scope({ ttlMs: 1, cacheScope: "public", ...hint('private="a, b"') })).toBe("private");
    expect(scope({ ttlMs: 1, cacheScope: "public", ...hint("no-cache") })).toBe("private");
  });

  test("cacheScope means nothing where the protocol does not have it", () => {
    expect(scope({ ttlMs: 1, cacheScope: "public" }, {}, { era: "legacy" })).toBe("private");
    expect(scope({ ttlMs: 1, cacheScope: "public", ...hint("max-age=1") }, {}, { era: "legacy" })).toBe("private");
    const call = circumstances({}, { ttlMs: 1 });
    expect(entryOf(complete({ ttlMs: 1, cacheScope: "public" }), call).scope).toBe("private");
    expect(entryOf(complete(hint("public")), call).scope).toBe("public");
  });
});

describe("fidelity", () => {
  const odd =
    '{ "zeta":1.0 , "content":[ {"type":"text","text":"\\u00e9\\/ \\"{}[]"} ],"big":9007199254740993,"resultType":"complete",' +
    '"alpha":{"b":1,"a":2,"a":3},"icons":[{"src":"data:image/png;base64,AA=="}],"1":"one","x":-0,"e":1E+2,"ttlMs":5,"cacheScope":"public","n":null}';

  test("members reach the caller in the origin's order and spelling", () => {
    expect(told(entryOf(replyOf(odd)), { now: T0 + 5 })).toBe(
      '{"jsonrpc":"2.0","id":1,"result":{"zeta":1.0,"content":[ {"type":"text","text":"\\u00e9\\/ \\"{}[]"} ],"big":9007199254740993,' +
        '"alpha":{"b":1,"a":2,"a":3},"icons":[{"src":"data:image/png;base64,AA=="}],"1":"one","x":-0,"e":1E+2,"ttlMs":5,"cacheScope":"public","n":null,' +
        `"resultType":"complete","_meta":{"edge-replica/cache":{"status":"hit","ageMs":5,"storedAt":${T0}}}}}`,
    );
  });

  test("a result of a hinted method gives up its own hints for the remaining ones", () => {
    const entry = entryOf(replyOf(odd), circumstances({ method: "resources/read" }, {}));
    expect(entry.body).not.toMatch(/ttlMs|cacheScope|resultType/);
    expect(told(entry, { hints: true, now: T0 + 2 })).toContain(
      '"n":null,"resultType":"complete","ttlMs":3,"cacheScope":"public","_meta":',
    );
  });

  test("where the members stand in the reply does not matter", () => {
    const reply =
      '\r\n {"result" : {"a":{"result":1},"resultType":"complete","b":"}"} ,"id":"result","jsonrpc":"2.0"} \n';
    expect(entryOf(reply).body).toBe('"a":{"result":1},"b":"}"');
    expect(entryOf(replyOf('{"resultType":"complete"}')).body).toBe("");
    expect(toldResult(entryOf(replyOf('{"resultType":"complete"}')))).toEqual({
      resultType: "complete",
      _meta: expect.anything() as unknown,
    });
  });

  test("_meta is kept but for what belongs to one exchange, and the replica's word joins it", () => {
    const meta =
      '{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1.0"},"traceparent":"t","tracestate":"t","baggage":"b",' +
      '"edge-replica/cache":{"status":"forged"},"edge-replica/cache-control":"max-age=9","io.modelcontextprotocol/subscriptionId":1, "acme/x" : 1.0 }';
    const entry = entryOf(replyOf(`{"resultType":"complete","_meta":${meta},"a":1}`));
    expect(entry.body).toBe('"a":1');
    expect(entry.meta).toBe('"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1.0"},"acme/x" : 1.0');
    expect(toldResult(entry, { status: "miss", now: T0 + 3 })["_meta"]).toEqual({
      "io.modelcontextprotocol/serverInfo": { name: "s", version: "1.0" },
      "acme/x": 1,
      "edge-replica/cache": { status: "miss", ageMs: 3, storedAt: T0 },
    });
  });

  test("ids keep their type", () => {
    const entry = entryOf(complete());
    for (const id of [1, "1", 0, -5, "", 'a"b\\', "é", "\u2028", Number.MAX_SAFE_INTEGER]) {
      expect((JSON.parse(told(entry, { id })) as { id: unknown }).id).toBe(id);
    }
  });

  test("any result that is kept is told as valid JSON, member for member", () => {
    const name = fc.oneof(
      fc.string(),
      fc.constantFrom("content", "ttlMs", "cacheScope", "result", "_Meta", 'a"b', "structuredContent", "isError"),
    );
    const metaName = fc.oneof(fc.string(), fc.constantFrom("traceparent", "edge-replica/cache", "x/y"));
    const result = fc.tuple(
      fc.dictionary(name, fc.jsonValue()),
      fc.option(fc.dictionary(metaName, fc.jsonValue()), { nil: undefined }),
      fc.boolean(),
    );
    let count = 0;
    fc.assert(
      fc.property(
        result,
        fc.constantFrom("modern" as const, "legacy" as const),
        fc.constantFrom("tools/call", "resources/read", "tools/list"),
        fc.boolean(),
        fc.constantFrom(0, 30_000, 90_000),
        fc.oneof(fc.string(), fc.maxSafeInteger()),
        ([members, meta, clientTtl], era, method, tell, later, id) => {
          const { resultType: _, _meta: __, ...own } = members;
          const source = { ...own, ...(meta && { _meta: meta }), resultType: "complete" };
          const at = circumstances(
            { method, era: "modern", maxBytes: 1e6 },
            { ttlMs: 60_000, staleIfErrorMs: DAY, tell, ...(clientTtl && { clientTtlMs: 1_000 }) },
          );
          const neutral = neutralise(
            JSON.stringify({ jsonrpc: "2.0", id: 1, result: source }, undefined, later === 0 ? 2 : 0),
            at,
          );
          if (typeof neutral === "string") return;
          count++;
          const entry = { ...neutral, hash: "", savedAt: T0 };
          const hints = at.hints;
          const answer = JSON.parse(told(entry, { era, id, hints, now: T0 + later })) as { id: unknown; result: Json };
          expect(Object.is(answer.id, id) || answer.id === id).toBe(true);
          const hinted = hints || clientTtl;
          const expected = Object.entries(JSON.parse(JSON.stringify(own)) as Json).filter(
            ([key]) => !hinted || (key !== "ttlMs" && key !== "cacheScope"),
          );
          const got = Object.entries(answer.result).filter(
            ([key]) =>
              key !== "_meta" && key !== "resultType" && (!hinted || (key !== "ttlMs" && key !== "cacheScope")),
          );
          if (later === 90_000 && tell && Array.isArray(own["content"])) {
            const content = got.find(([key]) => key === "content")![1] as unknown[];
            expect(content.pop()).toMatchObject({
              type: "text",
              text: expect.stringMatching(/^Note: this answer is 90 seconds old/) as unknown,
            });
          }
          const isPlain = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
          const inEra = expected.map(([key, value]) => {
            const isWrapped =
              era === "legacy" && method === "tools/call" && key === "structuredContent" && !isPlain(value);
            return [key, isWrapped ? { result: value } : value];
          });
          expect(JSON.stringify(got)).toBe(JSON.stringify(inEra));
          const exchange = new Set(["traceparent", "tracestate", "baggage", "edge-replica/cache"]);
          const expectedMeta = Object.entries(JSON.parse(JSON.stringify(meta ?? {})) as Json).filter(
            ([key]) => !exchange.has(key),
          );
          expect(
            JSON.stringify(
              Object.entries(answer.result["_meta"] as Json).filter(([key]) => key !== "edge-replica/cache"),
            ),
          ).toBe(JSON.stringify(expectedMeta));
          expect("resultType" in answer.result).toBe(era === "modern");
          if (hinted) expect("ttlMs" in answer.result).toBe(era === "modern");
        },
      ),
      { numRuns: 1_000 },
    );
    expect(count).toBeGreaterThan(500);
  });
});

describe("what each era is told", () => {
  const resourceEntry = (
    rule: Partial<CacheRule> = {},
    members: Json = { ttlMs: 60_000, cacheScope: "public" },
  ): Entry => ({
    ...kept(resource(members, rule)),
    hash: "",
    savedAt: T0,
  });
  const told = (entry: Entry, to: Partial<Telling> = {}) => toldResult(entry, { hints: true, ...to });

  test("modern callers of the six methods get all three members, legacy callers none", () => {
    expect(told(resourceEntry())).toMatchObject({ resultType: "complete", ttlMs: 60_000, cacheScope: "public" });
    const legacy = told(resourceEntry(), { era: "legacy" });
    expect(Object.keys(legacy)).toEqual(["contents", "_meta"]);
    expect(Object.keys(told(resourceEntry({ clientTtlMs: 5 }), { era: "legacy" }))).toEqual(["contents", "_meta"]);
  });

  test("results of other methods get no hints, unless the operator gives a client ttl", () => {
    const call = entryOf(complete({ ttlMs: 1 }));
    expect(toldResult(call)).toMatchObject({ resultType: "complete", ttlMs: 1 });
    expect(toldResult(call)).not.toHaveProperty("cacheScope");
    const promised = entryOf(complete({ ttlMs: 1 }), circumstances({}, { ttlMs: 60_000, clientTtlMs: 5_000 }));
    expect(promised.body).toBe('"content":[]');
    expect(toldResult(promised)).toMatchObject({ ttlMs: 5_000, cacheScope: "private" });
  });

  test("ttlMs is what remains of what the origin promised", () => {
    const entry = resourceEntry();
    for (const [later, ttlMs] of [
      [0, 60_000],
      [1, 59_999],
      [40_000, 20_000],
      [59_999, 1],
      [60_000, 0],
      [70_000, 0],
    ] as const) {
      expect(told(entry, { now: T0 + later })["ttlMs"], String(later)).toBe(ttlMs);
    }
  });

  test("jitter shortens what is promised, and never lengthens it", () => {
    const shortened = { ...kept(resource({ ttlMs: 60_000 }, {}, { random: 0 })), hash: "", savedAt: T0 };
    expect(told(shortened, { now: T0 + 10_000 })["ttlMs"]).toBe(44_000);
    const operators = {
      ...kept(resource({}, { ttlMs: 60_000, clientTtlMs: 60_000 }, { random: 1 })),
      hash: "",
      savedAt: T0,
    };
    expect(told(operators, { now: T0 + 10_000 })["ttlMs"]).toBe(56_000);
  });

  test("an operator's ttl is not passed on, a client ttl is, within what remains", () => {
    expect(told(resourceEntry({ ttlMs: 60_000 }))["ttlMs"]).toBe(0);
    expect(told(resourceEntry({ defaultTtlMs: 60_000 }, {}))["ttlMs"]).toBe(0);
    const entry = resourceEntry({ ttlMs: 60_000, clientTtlMs: 5_000 });
    for (const [later, ttlMs] of [
      [0, 5_000],
      [50_000, 5_000],
      [56_000, 4_000],
      [60_000, 0],
    ] as const) {
      expect(told(entry, { now: T0 + later })["ttlMs"], String(later)).toBe(ttlMs);
    }
  });

  test("a hit on an entry that is not fresh is told as stale", () => {
    const entry = resourceEntry({ staleWhileRevalidateMs: 10_000 });
    const status = (to: Partial<Telling>) =>
      (told(entry, to)["_meta"] as { "edge-replica/cache": Json })["edge-replica/cache"];
    expect(status({})).toEqual({ status: "hit", ageMs: 0, storedAt: T0 });
    expect(status({ now: T0 + 60_000 })).toEqual({ status: "stale", ageMs: 60_000, storedAt: T0 });
    expect(status({ status: "stale" })).toMatchObject({ status: "stale" });
    expect(status({ status: "miss", now: T0 + 60_000 })).toMatchObject({ status: "miss" });
    expect(status({ now: T0 - 5_000 })).toMatchObject({ status: "hit", ageMs: 0 });
  });
});

describe("telling the model", () => {
  const rule = { ttlMs: 60_000, staleIfErrorMs: 30 * DAY, tell: true };
  const answer = (content: string, later: number, own: Partial<CacheRule> = {}, to: Partial<Telling> = {}) => {
    const entry = entryOf(
      replyOf(`{"resultType":"complete","content":${content},"after":1}`),
      circumstances({}, { ...rule, ...own }),
    );
    return toldResult(entry, { now: T0 + later, ...to });
  };
  const TEXT = '{"type":"text","text":"[ "}';

  test.each([
    "[]",
    "[ ]",
    "[\n]",
    `[${TEXT}]`,
    `[ ${TEXT} ]`,
    `[${TEXT},${TEXT}]`,
    '["["]',
    "[[]]",
    '[{"a":[]}]',
    "[1, [2, [ ]]]",
  ])("the content %s gets exactly one more block when it is stale, and none before", (content) => {
    const before = JSON.parse(content) as unknown[];
    expect(answer(content, 0)["content"]).toEqual(before);
    for (const era of ["modern", "legacy"] as const) {
      const stale = answer(content, 60_000, {}, { era });
      expect(stale["content"]).toEqual([
        ...before,
        {
          type: "text",
          text: "Note: this answer is 60 seconds old (from 2027-01-15T08:00:00.000Z); the source could not be asked again yet.",
        },
      ]);
      expect(stale["after"]).toBe(1);
    }
  });

  test("nothing is added unless the operator wants it, or where there is no content to add it to", () => {
    expect(answer("[]", 60_000, { tell: false })["content"]).toEqual([]);
    for (const content of ["{}", '"[]"', "null", "5"])
      expect(answer(content, 60_000)["content"]).toEqual(JSON.parse(content));
    expect(answer("[]", 60_000, {}, { status: "miss" })["content"]).toEqual([]);
  });

  test("the content may be the first, the only or the last member", () => {
    for (const result of [
      '{"content":[],"resultType":"complete"}',
      '{"a":"]","resultType":"complete","content":[1]}',
      '{"\\u0063ontent":[],"resultType":"complete","b":[2]}',
    ]) {
      const content = toldResult(entryOf(replyOf(result), circumstances({}, rule)), { now: T0 + 60_000 })[
        "content"
      ] as unknown[];
      expect(content.at(-1)).toMatchObject({ type: "text" });
    }
  });

  test("an age is said in the unit that suits it", () => {
    const age = (ms: number) => /is (\d.*) old/.exec((answer("[]", ms)["content"] as { text: string }[])[0]!.text)![1];
    expect([60_000, 119_000, 120_000, 7_199_000, 7_200_000, DAY].map(age)).toEqual([
      "60 seconds",
      "119 seconds",
      "2 minutes",
      "120 minutes",
      "2 hours",
      "24 hours",
    ]);
    const entry = entryOf(complete(), circumstances({}, { ...rule, ttlMs: 0 }));
    expect(told(entry, { now: T0 + 1_000 })).toContain("is 1 second old");
  });
});

describe("results that fit one era only", () => {
  const onlyOf = (method: string, era: "modern" | "legacy", members: Json) =>
    entryOf(complete(members), circumstances({ method, era })).only;

  test("structured content that is no object fits both", () => {
    for (const structuredContent of [1, "x", null, [], [1], true]) {
      expect(onlyOf("tools/call", "modern", { structuredContent })).toBeUndefined();
      expect(onlyOf("tools/call", "legacy", { structuredContent })).toBeUndefined();
    }
    expect(onlyOf("tools/call", "modern", { structuredContent: { a: 1 } })).toBeUndefined();
    expect(onlyOf("tools/call", "modern", { structuredContent: { result: 1 } })).toBeUndefined();
    expect(onlyOf("tools/call", "modern", {})).toBeUndefined();
    expect(onlyOf("prompts/get", "modern", { structuredContent: 1 })).toBeUndefined();
  });

  test("structured content that may be a wrapped value is legacy", () => {
    expect(onlyOf("tools/call", "legacy", { structuredContent: { result: 1 } })).toBe("legacy");
    expect(onlyOf("tools/call", "legacy", { structuredContent: { result: 1, more: 2 } })).toBeUndefined();
    expect(onlyOf("tools/call", "legacy", { structuredContent: { other: 1 } })).toBeUndefined();
    expect(onlyOf("tools/call", "legacy", { structuredContent: {} })).toBeUndefined();
  });

  test("a list of tools follows its output schemas", () => {
    const tools = (...schemas: unknown[]) => ({
      tools: schemas.map((outputSchema, at) => ({ name: `t${at}`, outputSchema })),
    });
    const object = { type: "object", properties: { a: {} } };
    const wrapped = { type: "object", properties: { result: {} } };
    expect(onlyOf("tools/list", "modern", tools(object, { type: "array" }))).toBeUndefined();
    expect(onlyOf("tools/list", "modern", tools(object, undefined, wrapped))).toBeUndefined();
    expect(onlyOf("tools/list", "legacy", tools(object, wrapped))).toBe("legacy");
    expect(onlyOf("tools/list", "legacy", tools(object, undefined))).toBeUndefined();
    expect(onlyOf("tools/list", "legacy", { tools: [null, 5, {}] })).toBeUndefined();
    expect(onlyOf("prompts/list", "modern", tools({ type: "array" }))).toBeUndefined();
  });
});

describe("a modern result, told to a legacy caller", () => {
  const toldOf = (method: string, members: Json, isWrapped = false, era: "modern" | "legacy" = "legacy") => {
    const entry = entryOf(complete(members), { ...circumstances({ method, era: "modern" }), isWrapped });
    const { result } = JSON.parse(told(entry, { era, id: 1, hints: false, now: T0 })) as { result: Json };
    return result;
  };

  test("has structured content wrapped that is no object, and none other", () => {
    for (const structuredContent of [1, "a}]", null, [], [{ a: 1 }], true]) {
      expect(toldOf("tools/call", { structuredContent, z: 1 })["structuredContent"]).toEqual({
        result: structuredContent,
      });
      expect(toldOf("tools/call", { structuredContent }, false, "modern")["structuredContent"]).toEqual(
        structuredContent,
      );
    }
    expect(toldOf("tools/call", { structuredContent: { a: 1 } })["structuredContent"]).toEqual({ a: 1 });
    expect(toldOf("prompts/get", { structuredContent: 1 })["structuredContent"]).toBe(1);
  });

  test("has it wrapped where the schema of its tool is", () => {
    expect(toldOf("tools/call", { structuredContent: { a: 1 } }, true)["structuredContent"]).toEqual({
      result: { a: 1 },
    });
  });

  test("has the output schemas wrapped that are no objects, and their references moved", () => {
    const list = {
      type: "array",
      $schema: "https://json-schema.org/draft/2020-12/schema",
      items: { $ref: "#/$defs/row" },
      $defs: {
        row: {
          type: "object",
          properties: { $ref: { const: { $ref: "#/x" } }, up: { $ref: "#" }, out: { $ref: "a.json#/b" } },
        },
      },
    };
    const object = { type: "object", properties: { a: { $ref: "#/$defs/x" } } };
    const based = { $id: "https://a.example/s", anyOf: [{ $ref: "#/$defs/x" }] };
    const tools = [
      { name: "list", outputSchema: list },
      { name: "object", outputSchema: object },
      { name: "none" },
      { name: "based", outputSchema: based, title: "last" },
    ];
    const moved = {
      type: "array",
      $schema: list.$schema,
      items: { $ref: "#/properties/result/$defs/row" },
      $defs: {
        row: {
          type: "object",
          properties: {
            $ref: { const: { $ref: "#/x" } },
            up: { $ref: "#/properties/result" },
            out: { $ref: "a.json#/b" },
          },
        },
      },
    };
    const wrap = (result: unknown, more = {}) => ({
      ...more,
      type: "object",
      properties: { result },
      required: ["result"],
    });
    expect(toldOf("tools/list", { tools })["tools"]).toEqual([
      { name: "list", outputSchema: wrap(moved, { $schema: list.$schema }) },
      { name: "object", outputSchema: object },
      { name: "none" },
      { name: "based", outputSchema: wrap(based), title: "last" },
    ]);
    expect(toldOf("tools/list", { tools }, false, "modern")["tools"]).toEqual(tools);
  });
});

describe("freshness", () => {
  const times = { storedAt: T0, ttlMs: 100, staleWhileRevalidateMs: 50, staleIfErrorMs: 200 };
  const at = (later: number, change: Partial<typeof times> = {}) => freshness({ ...times, ...change }, T0 + later);

  test("states change exactly at the ttl, and at the ends of both windows", () => {
    expect([0, 99, 100, 149, 150, 299, 300].map((later) => at(later))).toEqual([
      "fresh",
      "fresh",
      "stale",
      "stale",
      "stale-if-error",
      "stale-if-error",
      "expired",
    ]);
  });

  test("windows may be missing, or the longer one may be either", () => {
    expect([99, 100].map((later) => at(later, { staleWhileRevalidateMs: 0, staleIfErrorMs: 0 }))).toEqual([
      "fresh",
      "expired",
    ]);
    expect([100, 299].map((later) => at(later, { staleWhileRevalidateMs: 0 }))).toEqual([
      "stale-if-error",
      "stale-if-error",
    ]);
    expect([100, 149, 150].map((later) => at(later, { staleIfErrorMs: 20 }))).toEqual(["stale", "stale", "expired"]);
    expect(at(0, { ttlMs: 0 })).toBe("stale");
    expect(at(0, { ttlMs: 0, staleWhileRevalidateMs: 0 })).toBe("stale-if-error");
    expect(at(0, { ttlMs: 0, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 })).toBe("expired");
  });

  test("an entry from the near future is new, one from further away is not believed", () => {
    expect(at(-1)).toBe("fresh");
    expect(at(-60_000)).toBe("fresh");
    expect(at(-60_001)).toBe("expired");
    expect(ageMs(times, T0 - 5)).toBe(0);
    expect(ageMs(times, T0 + 5)).toBe(5);
  });

  test("nobody is promised more than remains, of the entry and of the origin's promise", () => {
    const ms = fc.integer({ min: 0, max: 1_000 });
    fc.assert(
      fc.property(
        fc.record({ ttlMs: ms, staleWhileRevalidateMs: ms, staleIfErrorMs: ms, promisedMs: ms }),
        fc.option(ms, { nil: undefined }),
        fc.integer({ min: -100, max: 2_000 }),
        (own, clientTtlMs, later) => {
          const entry = { storedAt: T0, ...own };
          const promise = promiseMs({ ...entry, ...(clientTtlMs !== undefined && { clientTtlMs }) }, T0 + later);
          const age = Math.max(0, later);
          const remaining = Math.max(0, own.ttlMs - age);
          expect(promise).toBe(Math.min(remaining, clientTtlMs ?? Math.max(0, own.promisedMs - age)));
          if (freshness(entry, T0 + later) !== "fresh") expect(promise).toBe(0);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("through a chain of replicas nobody is promised more than the origin promised", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 3_000 }), fc.double({ min: 0, max: 1, noNaN: true })), {
          minLength: 1,
          maxLength: 4,
        }),
        (ttlMs, hops) => {
          let [promised, now] = [ttlMs, T0];
          for (const [wait, random] of hops) {
            const neutral = resource({ ttlMs: promised }, { staleIfErrorMs: DAY }, { random, askedAt: now });
            now += wait;
            promised = toldResult({ ...kept(neutral), hash: "", savedAt: T0 }, { hints: true, now })["ttlMs"] as number;
            expect(promised).toBeLessThanOrEqual(Math.max(0, T0 + ttlMs - now));
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("cache control", () => {
  const read = (text: string | null | undefined) => Object.fromEntries(parseCacheControl(text));

  test("directives are read with their values", () => {
    expect(read("no-cache")).toEqual({ "no-cache": "" });
    expect(read(' Max-Age=60 , ONLY-if-cached,x="a b" ,, y=')).toEqual({
      "max-age": "60",
      "only-if-cached": "",
      x: "a b",
      y: "",
    });
    expect(read('private="a, no-store", max-age=5')).toEqual({ private: "a, no-store", "max-age": "5" });
    for (const empty of ["", null, undefined, ",", " , "]) expect(read(empty)).toEqual({});
  });

  test("malformed directives are passed over, the others count", () => {
    expect(read('a b, max-age = 5, =5, x="1, no-store')).toEqual({ "no-store": "" });
    expect(read("__proto__=1, constructor")).toHaveProperty("constructor");
  });

  test("a number of seconds is told in ms, and anything else is 0", () => {
    const ms = (text: string) => directiveMs(parseCacheControl(text), "max-age");
    expect(ms("max-age=60")).toBe(60_000);
    expect(ms('max-age="60"')).toBe(60_000);
    expect(ms("no-cache")).toBeUndefined();
    for (const broken of ["max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=x", "max-age=1e3"])
      expect(ms(broken), broken).toBe(0);
  });

  test("any text is read without an error", () => {
    const noise = fc.string({ unit: fc.constantFrom('"', ",", "=", " ", "a", "-", "\\", "\n"), maxLength: 60 });
    fc.assert(
      fc.property(fc.oneof(fc.string(), noise), (text) => {
        for (const [name] of parseCacheControl(text)) expect(name).toBe(name.toLowerCase());
      }),
    );
  });
});

describe("cache status", () => {
  /** One item of a structured field (RFC 9651) with its parameters, strictly. */
  function parseItem(text: string): { item: string; params: Map<string, string | number | true> } {
    const token = "[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*";
    expect(text).toMatch(
      new RegExp(
        `^${token}(?:; *[a-z*][a-z0-9_.*-]*(?:=(?:${token}|-?\\d{1,15}|"(?:[ !#-\\[\\]-~]|\\\\["\\\\])*"))?)*$`,
      ),
    );
    const [item, ...rest] = text.split(/; */);
    const params = rest.map((part): [string, string | number | true] => {
      const [name, value] = part.split("=") as [string, string | undefined];
      return [name, value === undefined ? true : /^-?\d+$/.test(value) ? Number(value) : value];
    });
    expect(new Set(params.map(([name]) => name)).size).toBe(params.length);
    return { item: item!, params: new Map(params) };
  }

  const ttlMs = fc.integer({ min: -2 * DAY, max: 2 * DAY });
  const status = fc.option(fc.integer({ min: 100, max: 599 }), { nil: undefined });
  const flag = fc.option(fc.boolean(), { nil: undefined });
  const outcome = fc.oneof(
    fc.record({ kind: fc.constant("hit"), ttlMs, detail: fc.constantFrom("memory", "kv", undefined) }),
    fc.record({ kind: fc.constant("stale-if-error"), ttlMs, status }),
    fc.record({
      kind: fc.constant("forward"),
      why: fc.constantFrom("uri-miss", "stale", "request", "bypass"),
      status,
      stored: flag,
      collapsed: flag,
    }),
  ) as fc.Arbitrary<CacheOutcome>;

  test("every outcome is a structured item without a key, with the parameters of RFC 9211", () => {
    fc.assert(
      fc.property(outcome, (what) => {
        const { item, params } = parseItem(cacheStatus(what));
        expect(item).toBe("edge-replica");
        expect(
          [...params.keys()].every((name) =>
            ["hit", "fwd", "fwd-status", "ttl", "stored", "collapsed", "detail"].includes(name),
          ),
        ).toBe(true);
        expect(params.has("hit")).toBe(what.kind === "hit");
        expect(params.get("fwd")).toBe(what.kind === "forward" ? what.why : what.kind === "hit" ? undefined : "stale");
        expect(params.get("ttl")).toBe(what.kind === "forward" ? undefined : Math.floor(what.ttlMs / 1_000) + 0);
        expect(params.get("fwd-status")).toBe(what.kind === "hit" ? undefined : what.status);
        if (what.kind === "forward")
          expect([params.has("stored"), params.has("collapsed")]).toEqual([
            what.stored ?? false,
            what.collapsed ?? false,
          ]);
      }),
      { numRuns: 300 },
    );
  });

  test("three of them, written out", () => {
    expect(cacheStatus({ kind: "hit", ttlMs: 29_900, detail: "memory" })).toBe(
      "edge-replica; hit; ttl=29; detail=memory",
    );
    expect(cacheStatus({ kind: "stale-if-error", ttlMs: -1_500, status: 503 })).toBe(
      "edge-replica; fwd=stale; fwd-status=503; ttl=-2; detail=stale-if-error",
    );
    expect(cacheStatus({ kind: "forward", why: "uri-miss", status: 200, stored: true, collapsed: true })).toBe(
      "edge-replica; fwd=uri-miss; fwd-status=200; stored; collapsed",
    );
  });
});
