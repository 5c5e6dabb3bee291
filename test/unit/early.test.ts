import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isEarly } from "../../src/cache/early.ts";

const never = () => {
  throw new Error("nobody was to draw");
};
const ttls = fc.integer({ min: 2, max: 86_400_000 });
const took = fc.integer({ min: 1, max: 60_000 });
/** As `Math.random`: 0 to 1, 1 not among them. */
const chances = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("an early refresh", () => {
  test("is as likely as the formula says: e to the minus what remains by what it takes", () => {
    let state = 1;
    // A generator of its own, so that each run draws the same (Park and Miller).
    const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    for (const share of [0.05, 0.5, 1, 2, 4]) {
      const draws = 40_000;
      let early = 0;
      for (let draw = 0; draw < draws; draw++)
        if (isEarly({ ttlMs: 100_000, tookMs: 100 }, 100 * share, random)) early++;
      const expected = Math.exp(-share);
      const deviation = Math.sqrt((expected * (1 - expected)) / draws);
      expect(Math.abs(early / draws - expected)).toBeLessThan(5 * deviation);
    }
  });

  test("happens exactly where the draw says so, in the second half of a life", () => {
    fc.assert(
      fc.property(ttls, took, chances, fc.double({ min: 0, max: 0.5, noNaN: true }), (ttlMs, tookMs, chance, part) => {
        const remainingMs = Math.floor(ttlMs * part);
        // What is as good as certain and as good as impossible is left to the other tests.
        fc.pre(remainingMs < 36 * tookMs);
        const says = tookMs * -Math.log(1 - chance) >= remainingMs;
        expect(isEarly({ ttlMs, tookMs }, remainingMs, () => chance)).toBe(says);
      }),
    );
  });

  test("happens at the end, whatever is drawn", () => {
    fc.assert(
      fc.property(ttls, took, chances, (ttlMs, tookMs, chance) => {
        expect(isEarly({ ttlMs, tookMs }, 0, () => chance)).toBe(true);
      }),
    );
  });

  test("does not happen far from the end, in the first half of a life, or where nobody has measured: nobody draws", () => {
    fc.assert(
      fc.property(ttls, took, fc.integer({ min: 0, max: 86_400_000 }), (ttlMs, tookMs, more) => {
        expect(isEarly({ ttlMs: 1e12, tookMs }, 37 * tookMs + more, never)).toBe(false);
        expect(isEarly({ ttlMs, tookMs: 1e9 }, ttlMs / 2 + 1 + more, never)).toBe(false);
        expect(isEarly({ ttlMs }, more, never)).toBe(false);
      }),
    );
    // The unlikeliest draw that there is.
    expect(isEarly({ ttlMs: 1e12, tookMs: 100 }, 37 * 100 - 1, () => 1 - 2 ** -53)).toBe(false);
  });
});
