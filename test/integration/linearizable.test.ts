import fc from "fast-check";
import { expect, test } from "vitest";
import { brokenKeys, isLinearizable, type Operation } from "./support/linearizable.ts";
import { runs } from "../support/runs.ts";

const operation = fc
  .record({
    kind: fc.constantFrom("read" as const, "write" as const),
    value: fc.constantFrom("0", "1", "2"),
    calledAt: fc.nat(8),
    takes: fc.oneof({ arbitrary: fc.nat(5), weight: 5 }, { arbitrary: fc.constant(Infinity), weight: 1 }),
  })
  .map(({ takes, ...one }): Operation => ({ ...one, key: "k", returnedAt: one.calledAt + takes }));

/** The same by trying all orders of all that may have happened. */
function isLinearizableNaively(operations: readonly Operation[], initial: string): boolean {
  const has = (order: readonly Operation[], rest: readonly Operation[], value: string): boolean => {
    if (rest.every(({ returnedAt }) => returnedAt === Infinity)) return true;
    return rest.some((one) => {
      const others = rest.filter((other) => other !== one);
      if (others.some(({ returnedAt }) => returnedAt < one.calledAt)) return false;
      if (one.kind === "read" && one.returnedAt !== Infinity && one.value !== value) return false;
      return has([...order, one], others, one.kind === "write" ? one.value : value);
    });
  };
  return has([], operations, initial);
}

test("the checker agrees with one that tries everything", () => {
  const verdicts = { true: 0, false: 0 };
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 6 }), (operations) => {
      const verdict = isLinearizable(operations, "0");
      expect(verdict).toBe(isLinearizableNaively(operations, "0"));
      verdicts[`${verdict}`]++;
    }),
    { numRuns: runs(5_000, 250_000) },
  );
  expect(Math.min(verdicts.true, verdicts.false)).toBeGreaterThan(500);
});

const op = (kind: Operation["kind"], value: string, calledAt: number, returnedAt: number, key = "k"): Operation => ({
  key,
  kind,
  value,
  calledAt,
  returnedAt,
});

test.each<[string, Operation[], boolean]>([
  ["nothing", [], true],
  ["a read of what was never written", [op("read", "1", 0, 1)], false],
  ["a read of the old after the write", [op("write", "1", 0, 1), op("read", "0", 2, 3)], false],
  ["a read of the old during the write", [op("write", "1", 0, 4), op("read", "0", 2, 3)], true],
  ["the new, then the old", [op("write", "1", 0, 9), op("read", "1", 1, 2), op("read", "0", 3, 4)], false],
  [
    "a write without an answer that shows late",
    [op("write", "1", 0, Infinity), op("read", "0", 5, 6), op("read", "1", 7, 8)],
    true,
  ],
  ["one that comes undone", [op("write", "1", 0, Infinity), op("read", "1", 5, 6), op("read", "0", 7, 8)], false],
])("%s", (_, operations, verdict) => {
  expect(isLinearizable(operations, "0")).toBe(verdict);
});

test("registers are looked at each by itself", () => {
  const history = [op("write", "1", 0, 1, "a"), op("read", "0", 2, 3, "a"), op("read", "0", 2, 3, "b")];
  expect(brokenKeys(history, "0")).toEqual(["a"]);
});

test("a long history is checked soon", () => {
  const rounds = Array.from({ length: 300 }, (_, nth) => [
    op("write", `${nth}`, 10 * nth, 10 * nth + 12),
    op("read", `${nth}`, 10 * nth + 1, 10 * nth + 9),
    op("read", `${nth}`, 10 * nth + 2, 10 * nth + 10),
  ]);
  expect(isLinearizable(rounds.flat(), "-1")).toBe(true);
});
