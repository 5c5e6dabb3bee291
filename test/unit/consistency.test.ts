import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expandTags } from "../../src/cache/tags.ts";
import { mayCoincide, spanOfPattern, spansOfTemplate } from "../../src/config/coincide.ts";
import { ConfigError } from "../../src/config/ConfigError.ts";
import { matches } from "../../src/config/pattern.ts";
import { policyOf } from "../../src/config/policy.ts";
import { resolve } from "../../src/config/resolve.ts";

const CACHE = { ttl: "5m" };
const fileOf = (origin: object) => ({ origins: { o: { url: "https://o.example/mcp", ...origin } } });
const originOf = (origin: object) => resolve(fileOf(origin)).origins.get("o")!;
function problemsOf(origin: object) {
  try {
    resolve(fileOf(origin));
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
/** Whether answers are strict, by method and name. */
function isStrict(origin: object, method: string, name: string): boolean {
  const policy = policyOf(originOf(origin), method, name);
  return "rule" in policy && policy.rule.strict;
}

describe("what may coincide", () => {
  // Few letters, so that they meet; colons, because a missing value has to do with them.
  const letters = fc.string({ unit: fc.constantFrom("a", "b", ":"), maxLength: 4 });
  const template = fc
    .array(fc.oneof(letters, fc.constantFrom("{x}", "{y.z}")), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join(""));
  const scalar = fc.oneof(letters, fc.constantFrom(1, true, null, undefined));
  const args = fc.record({ x: scalar, y: fc.record({ z: scalar }) });

  test("does, of two templates that expand to one name", () => {
    let met = 0;
    fc.assert(
      fc.property(template, args, template, args, (one, mine, other, yours) => {
        const isSame = expandTags([one], mine)[0] === expandTags([other], yours)[0];
        if (!isSame) return;
        met++;
        expect(mayCoincide(spansOfTemplate(one), spansOfTemplate(other))).toBe(true);
        expect(mayCoincide(spansOfTemplate(other), spansOfTemplate(one))).toBe(true);
      }),
      { numRuns: 50_000 },
    );
    expect(met).toBeGreaterThan(200);
  });

  test("does, of a template and a pattern of names", () => {
    let met = 0;
    const pattern = fc.array(fc.oneof(letters, fc.constant("*")), { maxLength: 4 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(template, args, pattern, (one, mine, pattern) => {
        const [tag] = expandTags([`t:${one}`], mine);
        if (!tag!.startsWith("t:") || !matches(pattern, tag!.slice(2))) return;
        met++;
        expect(mayCoincide(spansOfTemplate(`t:${one}`), [spanOfPattern("t:", pattern)])).toBe(true);
      }),
      { numRuns: 50_000 },
    );
    expect(met).toBeGreaterThan(200);
  });

  test.each([
    ["a", "b"],
    ["a:{x}", "b:{x}"],
    ["a:{x}", "a"],
    ["{x}:a", "{x}:b"],
    ["a:{x}:price", "a:{x}:stock"],
    ["ab", "abc{x}"],
    ["aba", "ab{x}ba"],
  ])("does not: %s and %s", (one, other) => {
    for (const [a, b] of [
      [one, other],
      [other, one],
    ]) {
      expect(mayCoincide(spansOfTemplate(a!), spansOfTemplate(b!))).toBe(false);
    }
  });
});

describe("answers are strict by default", () => {
  const written = (invalidates: string[]) => ({ put: { write: { invalidates } } });

  test.each([
    ["that share a template with a write", ["item:{id}"], { cache: { ...CACHE, tags: ["item:{sku}"] } }, true],
    ["of which a write names one", ["item:7"], { cache: { ...CACHE, tags: ["item:{sku}"] } }, true],
    ["that a write names by the tool", ["tool:get"], { cache: CACHE }, true],
    ["that a write may name by the tool", ["tool:{name}"], { cache: CACHE }, true],
    ["of any kind, after a write to all of the origin", ["origin"], { cache: CACHE }, true],
    ["of the method that a write names", ["method:tools/call"], { cache: CACHE }, true],
    ["but not those with other tags", ["thing:{id}", "tool:got"], { cache: { ...CACHE, tags: ["item:{id}"] } }, false],
    ["but not where the operator says otherwise", ["tool:get"], { cache: CACHE, consistency: "bounded" }, false],
    ["and where the operator says so", ["tool:other"], { cache: CACHE, consistency: "strict" }, true],
  ])("%s", (_, invalidates, get, strict) => {
    expect(isStrict({ tools: { get, ...written(invalidates) } }, "tools/call", "get")).toBe(strict);
  });

  test("of a pattern, and of annotated tools, whose names it may match", () => {
    const tools = written(["tool:search_items"]);
    const pattern = (name: string) => ({ tools: { ...tools, [name]: { cache: CACHE } } });
    expect(isStrict(pattern("search_*"), "tools/call", "search_things")).toBe(true);
    expect(isStrict(pattern("find_*"), "tools/call", "find_items")).toBe(false);
    expect(isStrict({ tools, annotated: { ttl: "1m" } }, "tools/call", "any")).toBe(true);
    expect(isStrict({ tools: written(["item:1"]), annotated: { ttl: "1m" } }, "tools/call", "any")).toBe(false);
  });

  test("of resources and prompts, and of resources that nobody has named", () => {
    const tools = written(["resource:x://{id}", "prompt:p"]);
    const readable = {
      resources: { "y://*": { cache: CACHE } },
      prompts: { "*": { cache: CACHE }, q: { cache: CACHE } },
    };
    expect(isStrict({ tools, ...readable }, "resources/read", "x://1")).toBe(true);
    expect(isStrict({ tools, ...readable }, "resources/read", "y://1")).toBe(false);
    expect(isStrict({ tools, ...readable }, "prompts/get", "p")).toBe(true);
    expect(isStrict({ tools, ...readable }, "prompts/get", "q")).toBe(false);
    expect(isStrict({ ...readable }, "resources/read", "x://1")).toBe(false);
  });

  test("and no list is", () => {
    expect(isStrict({ tools: written(["origin", "list:tools"]) }, "tools/list", "")).toBe(false);
  });
});

test("a write is awaited where strict answers may carry a tag of its", () => {
  const awaited = (more: object, invalidates = ["item:{id}"]) => {
    const policy = policyOf(originOf({ tools: { put: { write: { invalidates } } }, ...more }), "tools/call", "put");
    return policy.kind === "write" && policy.write.isAwaited;
  };
  const prompts = (consistency: string, tags: string[]) => ({
    prompts: { p: { cache: { ...CACHE, tags }, consistency } },
  });
  expect(awaited({})).toBe(false);
  expect(awaited(prompts("strict", ["item:{id}"]))).toBe(true);
  expect(awaited(prompts("bounded", ["item:{id}"]))).toBe(false);
  expect(awaited(prompts("strict", ["thing:{id}"]))).toBe(false);
  expect(awaited({}, ["resource:x://1"])).toBe(true);
});

test("an origin knows whether it has writes", () => {
  expect(originOf({ tools: { "put_*": { write: { invalidates: ["a"] } } } }).hasWrites).toBe(true);
  expect(originOf({ tools: { get: { cache: CACHE } } }).hasWrites).toBe(false);
});

test.each([
  [
    "cache and write",
    { tools: { t: { cache: CACHE, write: { invalidates: ["a"] } } } },
    "tools.t.write",
    "no cache with it",
  ],
  [
    "consistency without cache",
    { tools: { t: { consistency: "strict" } } },
    "tools.t.consistency",
    "cache or answer with it",
  ],
  [
    "the same of resources",
    { resources: { r: { consistency: "strict" } } },
    "resources.r.consistency",
    "cache with it",
  ],
  ["the same of prompts", { prompts: { p: { consistency: "bounded" } } }, "prompts.p.consistency", "cache with it"],
  [
    "the same beside a write",
    { tools: { t: { consistency: "strict", write: { invalidates: ["a"] } } } },
    "tools.t.consistency",
    "cache or answer with it",
  ],
  [
    "a write of nothing",
    { tools: { t: { write: { invalidates: [] } } } },
    "tools.t.write.invalidates",
    "at least one tag",
  ],
  [
    "another consistency",
    { tools: { t: { cache: CACHE, consistency: "eventual" } } },
    "tools.t.consistency",
    'one of "strict", "bounded"',
  ],
])("refused: %s", (_, origin, path, expected) => {
  expect(problemsOf(origin)).toMatchObject([{ path: `origins.o.${path}`, expected }]);
});

describe("a write to a resource", () => {
  const put = (tag: string) => ({ tools: { put: { write: { invalidates: [tag] } } } });
  const isStrictAt = (tag: string, pattern: string, name: string) =>
    isStrict({ ...put(tag), resources: { [pattern]: { cache: CACHE } } }, "resources/read", name);

  test.each([
    ["resource:x://a", "x://a/*", "x://a/b", true],
    ["resource:x://a", "x://a?b", "x://a?b", true],
    ["resource:x://a/", "x://a/*", "x://a/b", true],
    ["resource:x://a", "x://ab", "x://ab", false],
    ["resource:x://a/b", "x://a/c/*", "x://a/c/d", false],
    ["resource:x://{dir}", "x://a/*", "x://a/b", true],
    ["resource:x://{dir}.txt", "x://a.txt/*", "x://a.txt/b", true],
  ])("of the tag %s makes strict what lies below it: %s", (tag, pattern, name, expected) => {
    expect(isStrictAt(tag, pattern, name)).toBe(expected);
  });
});
