import fc from "fast-check";
import { expect, test } from "vitest";
import { InFlight, type Berth } from "../../src/access/InFlight.ts";

const START = 1_000_000;

test("each payer has so many calls at once, and another when one is over", () => {
  const calls = new InFlight();
  const [first] = [calls.enter("a", 2, START)!, calls.enter("a", 2, START)!];
  expect(calls.enter("a", 2, START)).toBeUndefined();
  expect(calls.enter("b", 2, START)).toBeDefined();
  first.leave();
  // Twice over is over once.
  first.leave();
  expect(calls.enter("a", 2, START)).toBeDefined();
  expect(calls.enter("a", 2, START)).toBeUndefined();
});

test("those who wait for one call have one together, until the last has left", () => {
  const calls = new InFlight();
  const [first, second] = [calls.enter("a", 1, START, "k")!, calls.enter("a", 1, START, "k")!];
  expect(calls.count("a")).toBe(1);
  first.leave();
  expect(calls.enter("a", 1, START, "other")).toBeUndefined();
  second.leave();
  expect(calls.count("a")).toBe(0);
  expect(calls.enter("a", 1, START, "other")).toBeDefined();
});

test("a call of which nobody says that it is over counts for ten minutes, and one whose caller has gone no longer than that says", () => {
  const calls = new InFlight();
  calls.enter("a", 2, START);
  const gone = calls.enter("a", 2, START)!;
  gone.endsWithin(35_000, START + 1_000);
  expect(calls.enter("a", 2, START + 35_999)).toBeUndefined();
  const next = calls.enter("a", 2, START + 36_000)!;
  expect(next).toBeDefined();
  // Late, it takes nothing from the one that came in its place.
  gone.leave();
  expect(calls.enter("a", 2, START + 599_999)).toBeUndefined();
  expect(calls.enter("a", 2, START + 600_000)).toBeDefined();
});

test("of many payers those are forgotten of whom nothing is heard", () => {
  const calls = new InFlight();
  for (let nth = 0; nth < 1_000; nth++) calls.enter(`p${nth}`, 1, START);
  calls.enter("late", 1, START + 600_000);
  expect([calls.count("p0"), calls.count("p999"), calls.count("late")]).toEqual([0, 0, 1]);
});

test("whoever enters and leaves in whatever order, there are never more than may be, and in the end none", () => {
  const step = fc.record({
    payer: fc.constantFrom("a", "b"),
    key: fc.constantFrom("x", "y", "z", undefined),
    leaves: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), fc.integer({ min: 1, max: 3 }), (steps, most) => {
      const calls = new InFlight();
      const berths: Berth[] = [];
      for (const { payer, key, leaves } of steps) {
        const berth = calls.enter(payer, most, START, key);
        if (berth) berths.push(berth);
        expect(calls.count(payer)).toBeLessThanOrEqual(most);
        if (leaves % 3 === 0 && berths.length > 0) berths.splice(leaves % berths.length, 1)[0]!.leave();
      }
      for (const { leave } of berths) leave();
      expect([calls.count("a"), calls.count("b")]).toEqual([0, 0]);
    }),
    { numRuns: 300 },
  );
});
