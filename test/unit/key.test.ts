import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addressOf, capabilityClass, digest, PUBLIC, type Partition, type Subject } from "../../src/cache/key.ts";
import { expandTags } from "../../src/cache/tags.ts";
import { cacheableMethod } from "../../src/mcp/methods.ts";

const SUBJECT: Subject = {
  originId: "catalog",
  identity: "i",
  method: "tools/call",
  target: "search",
  variant: { q: "tea" },
  capabilities: "{}",
};
const ALICE: Partition = { scope: "private", principal: "alice" };

function text(change: Partial<Subject> = {}, partition: Partition = PUBLIC): string {
  return addressOf({ ...SUBJECT, ...change }, partition)!.text;
}

const args = (json: string) => text({ variant: JSON.parse(json) as unknown });

describe("addresses", () => {
  test("the same arguments in another spelling have the same address", () => {
    expect(args('{"a":1,"b":{"c":[1,2],"d":null}}')).toBe(args('{ "b" : {"d":null,"c":[1,2]}, "a":1 }'));
    expect(args('{"n":1.0}')).toBe(args('{"n":1}'));
    expect(args('{"n":1e2}')).toBe(args('{"n":100}'));
    expect(args('{"n":-0}')).toBe(args('{"n":0}'));
    expect(args('{"q":"\\u00e9\\/"}')).toBe(args('{"q":"é/"}'));
    expect(args('{"\\u0071":"x"}')).toBe(args('{"q":"x"}'));
    expect(args('{"q":"\\ud83d\\ude00"}')).toBe(args('{"q":"😀"}'));
  });

  test("whatever the answer depends on gives another address", () => {
    const addresses = [
      text(),
      text({ originId: "other" }),
      text({ identity: "j" }),
      text({ method: "prompts/get" }),
      text({ target: "find" }),
      text({ target: null }),
      text({ target: "" }),
      text({ variant: undefined }),
      text({ variant: null }),
      text({ variant: {} }),
      text({ variant: [] }),
      text({ variant: "" }),
      text({ variant: "c1" }),
      text({ variant: { q: ["tea"] } }),
      text({ variant: { q: null } }),
      text({ variant: { Q: "tea" } }),
      text({ variant: { q: "e\u0301" } }),
      text({ variant: { q: "\u00e9" } }),
      text({ variant: { q: 1 } }),
      text({ variant: { q: "1" } }),
      text({ variant: { q: true } }),
      text({ capabilities: '{"sampling":{}}' }),
      text({}, ALICE),
      text({}, { scope: "private", principal: "bob" }),
      text({}, { scope: "private", principal: "" }),
      text({}, { scope: "private", principal: "public" }),
      text({}, { scope: "private", principal: "null" }),
    ];
    expect(new Set(addresses).size).toBe(addresses.length);
  });

  test("an address says where it belongs", () => {
    expect(addressOf(SUBJECT, ALICE)).toMatchObject({ originId: "catalog", method: "tools/call", partition: ALICE });
  });

  test("text with lone surrogates has no address", () => {
    for (const variant of [{ q: "\ud800" }, { "\udc00": 1 }, { a: [{ b: "x\ud83d" }] }, "\ud800"]) {
      expect(addressOf({ ...SUBJECT, variant }, PUBLIC)).toBeUndefined();
    }
    expect(addressOf({ ...SUBJECT, target: "\ud800" }, PUBLIC)).toBeUndefined();
  });

  test("members named __proto__ count", () => {
    expect(args('{"__proto__":1}')).not.toBe(args("{}"));
    expect(args('{"__proto__":1}')).not.toBe(args('{"__proto__":2}'));
  });

  test("arguments of thousands of levels do no harm", () => {
    const deep = `{"a":${"[".repeat(3_000)}${"]".repeat(3_000)}}`;
    expect(args(deep)).toContain("[[[");
  });

  /** An independent canonical form: members sorted, then written by `JSON.stringify`. */
  function sorted(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(sorted);
    if (value === null || typeof value !== "object") return value;
    return Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]);
  }

  const name = fc.constantFrom("a", "b", "", "null");
  // Few values, so that equal subjects are as likely as different ones.
  const small = fc.oneof(
    fc.constant(undefined),
    name,
    fc.dictionary(
      name,
      fc.oneof(fc.constantFrom(0, 1, null, true, "a"), fc.array(fc.constantFrom(0, "a"), { maxLength: 2 })),
      { maxKeys: 3 },
    ),
  );
  const subject = fc.record({
    originId: name,
    identity: name,
    method: name,
    target: fc.option(name),
    variant: small,
    capabilities: name,
  });
  const partition: fc.Arbitrary<Partition> = fc.oneof(
    fc.constant(PUBLIC),
    fc.record({ scope: fc.constant("private" as const), principal: name }),
  );
  const place = fc.tuple(subject, partition);
  // Often the same subject with one thing changed, so that every part is seen to matter.
  const pair = fc.oneof(
    fc.tuple(place, place),
    fc.tuple(place, place, fc.constantFrom("originId", "identity", "method", "target", "variant", "capabilities")).map(
      ([[a, p], [b], key]) =>
        [
          [a, p],
          [{ ...a, [key]: b[key as keyof typeof b] }, p],
        ] as [
          typeof place extends fc.Arbitrary<infer T> ? T : never,
          typeof place extends fc.Arbitrary<infer T> ? T : never,
        ],
    ),
    fc.tuple(subject, partition, partition).map(
      ([a, p, q]) =>
        [
          [a, p],
          [a, q],
        ] as [[typeof a, Partition], [typeof a, Partition]],
    ),
  );

  test("two subjects share an address exactly when nothing tells them apart", () => {
    const plain = ([a, p]: [Subject, Partition]) =>
      JSON.stringify([
        a.originId,
        a.identity,
        a.method,
        a.target,
        a.variant === undefined ? [] : [sorted(a.variant), Array.isArray(a.variant), typeof a.variant],
        a.capabilities,
        p,
      ]);
    let [same, different] = [0, 0];
    fc.assert(
      fc.property(pair, ([one, other]) => {
        const equal = plain(one) === plain(other);
        if (equal) same++;
        else different++;
        expect(addressOf(...one)!.text === addressOf(...other)!.text).toBe(equal);
      }),
      { numRuns: 3_000 },
    );
    expect(Math.min(same, different)).toBeGreaterThan(50);
  });

  test("the order in which members came does not matter, whatever they hold", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const turned = Object.fromEntries(Object.entries(object).reverse());
        expect(text({ variant: turned })).toBe(text({ variant: object }));
      }),
    );
  });

  test("a digest is SHA-256 in hex", async () => {
    expect(await digest("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(await digest("é")).toBe("4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c");
  });
});

describe("capability classes", () => {
  const [call, list, discover] = ["tools/call", "tools/list", "server/discover"].map((method) =>
    cacheableMethod(method)!,
  );

  test("calls depend on all capabilities, lists on extensions, discover on none", () => {
    const declared = { sampling: {}, extensions: { "x/y": { b: 1, a: 2 } } };
    expect(capabilityClass(call!, declared)).toBe('{"extensions":{"x/y":{"a":2,"b":1}},"sampling":{}}');
    expect(capabilityClass(list!, declared)).toBe('{"x/y":{"a":2,"b":1}}');
    expect(capabilityClass(discover!, declared)).toBe("{}");
  });

  test("declaring nothing is one class for all", () => {
    for (const shape of [call!, list!, discover!]) expect(capabilityClass(shape, {})).toBe("{}");
    for (const extensions of [undefined, null, {}, 5, true]) expect(capabilityClass(list!, { extensions })).toBe("{}");
  });

  test("capabilities without a canonical form are a class of their own, not an error", () => {
    const odd = { x: "\ud800" };
    expect(capabilityClass(call!, odd)).toBe('{"x":"\\ud800"}');
    expect(capabilityClass(call!, odd)).not.toBe(capabilityClass(call!, { x: "\\ud800" }));
    expect(addressOf({ ...SUBJECT, capabilities: capabilityClass(call!, odd) }, PUBLIC)).toBeDefined();
  });
});

describe("tags", () => {
  test("templates are filled from the arguments", () => {
    const call = { sku: "A1", n: 5, on: false, filter: { category: "tea", deep: { x: "y" } }, empty: "" };
    expect(
      expandTags(["catalog", "product:{sku}", "{filter.category}", "n:{n}:{on}", "{filter.deep.x}", "e:{empty}"], call),
    ).toEqual(["catalog", "product:A1", "tea", "n:5:false", "y", "e:"]);
    expect(expandTags([], call)).toEqual([]);
  });

  test("a missing value, or one that is no scalar, makes the name end in :-", () => {
    const call = { list: [1], object: {}, nothing: null, sku: "A1" };
    for (const path of [
      "x",
      "list",
      "object",
      "nothing",
      "list.0",
      "list.length",
      "sku.length",
      "constructor",
      "constructor.name",
      "__proto__",
    ]) {
      expect(expandTags([`product:{${path}}`], call), path).toEqual(["product:-"]);
    }
    for (const call of [undefined, null, [], "x"])
      expect(expandTags(["product:{sku}", "{sku}"], call)).toEqual(["product:-", ":-"]);
    expect(expandTags(["{a}:{sku}"], call)).toEqual([":A1:-"]);
  });

  test("values are not templates, and long names are cut", () => {
    expect(expandTags(["p:{a}"], { a: "{b}$&", b: "no" })).toEqual(["p:{b}$&"]);
    expect(expandTags(["p:{a}"], { a: "x".repeat(10_000) })[0]).toHaveLength(256);
    expect(expandTags(["p:{a}{b}"], { a: "x".repeat(10_000) })[0]).toMatch(/^p:x+:-$/);
  });
});
