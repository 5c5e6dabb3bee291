import { expect, test } from "vitest";
import type { Entry } from "../../src/cache/entry.ts";
import type { Address } from "../../src/cache/key.ts";
import type { Exchange, Suspicion } from "../../src/lanes/Exchange.ts";
import { isSuspect, suspect, suspectPublic, suspectTarget } from "../../src/lanes/suspect.ts";

const METHOD = "resources/read";

function setUp() {
  const clock = { now: 1_000 };
  const suspectAt = new Map<string, Suspicion>();
  const x = {
    isolate: { suspectAt },
    origin: { settings: { id: "o" } },
    now: () => clock.now,
  } as unknown as Exchange;
  const is = (target: string | null, storedAt: number, method = METHOD, originId = "o", scope = "private") =>
    isSuspect(x, { originId, method, target, partition: { scope } } as Address, { storedAt } as Entry);
  return { x, clock, is };
}

test("a method is suspected whole, up to that moment", () => {
  const { x, is } = setUp();
  expect(is("x", 0)).toBe(false);
  suspect(x, METHOD);
  expect([is("x", 999), is("x", 1_000), is("x", 1_001), is(null, 1_000)]).toEqual([true, true, false, true]);
  expect([is("x", 0, "tools/list"), is("x", 0, METHOD, "p")]).toEqual([false, false]);
});

test("a target is suspected with what lies below it", () => {
  const { x, is, clock } = setUp();
  suspectTarget(x, METHOD, "x://a");
  expect(["x://a", "x://a/b", "x://", "x://b", null].map((target) => is(target, 1_000))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(is("x://a", 1_001)).toBe(false);
  clock.now = 2_000;
  suspectTarget(x, METHOD, "x://a");
  expect(is("x://a", 2_000)).toBe(true);
});

test("a target that is no longer known by name is suspected with all of its time, and nothing later is", () => {
  const { x, is, clock } = setUp();
  for (let n = 0; n < 257; n++) {
    clock.now = 1_000 + n;
    suspectTarget(x, METHOD, `x://${n}/`);
  }
  expect([is("x://0/", 1_000), is("x://0/", 1_001), is("other", 1_000), is("other", 1_001)]).toEqual([
    true,
    false,
    true,
    false,
  ]);
  expect([is("x://1/", 1_001), is("x://256/", 1_256)]).toEqual([true, true]);
});

test("a target that has turned private is suspected where it is public, without what lies below it", () => {
  const { x, is } = setUp();
  suspectPublic(x, METHOD, "x://a");
  const isPublic = (target: string, storedAt: number) => is(target, storedAt, METHOD, "o", "public");
  expect([isPublic("x://a", 1_000), isPublic("x://a", 1_001), isPublic("x://a/b", 1_000)]).toEqual([
    true,
    false,
    false,
  ]);
  expect(is("x://a", 1_000)).toBe(false);
});

test("a name that is too long to be remembered has its whole method suspected", () => {
  const { x, is } = setUp();
  suspectTarget(x, METHOD, `x://${"a".repeat(2_048)}`);
  expect([is("x://b", 1_000), is("x://b", 1_001)]).toEqual([true, false]);
});
