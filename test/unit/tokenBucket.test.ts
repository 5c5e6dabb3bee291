import fc from "fast-check";
import { expect, test } from "vitest";
import { TokenBucket } from "../../src/access/TokenBucket.ts";

const START = 1_000_000;

test("lets so many through at once, and then one whenever the rate has one more", () => {
  const bucket = new TokenBucket({ burst: 3, perSecond: 2 });
  expect([1, 2, 3, 4].map(() => bucket.take(START))).toEqual([0, 0, 0, 500]);
  expect(bucket.take(START + 499)).toBe(1);
  expect(bucket.take(START + 500)).toBe(0);
  expect(bucket.take(START + 500)).toBe(500);
});

test("is not fuller than full, however long nothing came", () => {
  const bucket = new TokenBucket({ burst: 2, perSecond: 1 });
  bucket.take(START);
  const later = START + 86_400_000;
  expect([1, 2, 3].map(() => bucket.take(later))).toEqual([0, 0, 1_000]);
});

test("is given back what was taken for nothing", () => {
  const bucket = new TokenBucket({ burst: 1, perSecond: 1 });
  bucket.take(START);
  bucket.giveBack();
  bucket.giveBack();
  expect([bucket.take(START), bucket.take(START)]).toEqual([0, 1_000]);
});

test("whatever the clock does, no more come through than burst and rate allow, and who waits as told is let through", () => {
  const rates = fc.record({ burst: fc.integer({ min: 1, max: 20 }), perSecond: fc.integer({ min: 1, max: 50 }) });
  fc.assert(
    fc.property(rates, fc.array(fc.integer({ min: -500, max: 500 }), { maxLength: 200 }), (rate, steps) => {
      const bucket = new TokenBucket(rate);
      let now = START;
      let latest = START;
      let through = 0;
      bucket.take(now);
      bucket.giveBack();
      for (const step of steps) {
        now += step;
        latest = Math.max(latest, now);
        if (bucket.take(now) === 0) through++;
        expect(through).toBeLessThanOrEqual(rate.burst + ((latest - START) / 1_000) * rate.perSecond + 1e-6);
      }
      const wait = bucket.take(latest);
      if (wait > 0) expect(bucket.take(latest + wait)).toBe(0);
    }),
  );
});
