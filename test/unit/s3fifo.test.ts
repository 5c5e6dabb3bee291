import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { S3Fifo } from "../../src/cache/S3Fifo.ts";

/** Every key with its value, without counting as a use of any. */
const keysOf = (cache: S3Fifo<unknown>) => [...cache.keys()];

describe("a map", () => {
  test("what was set is found, the last one counts, what was deleted is gone", () => {
    const cache = new S3Fifo<number>(100);
    expect(cache.get("a")).toBeUndefined();
    cache.set("a", 1, 5);
    cache.set("b", 2, 5);
    expect([cache.get("a"), cache.get("b"), cache.count, cache.size]).toEqual([1, 2, 2, 10]);
    cache.set("a", 3, 7);
    expect([cache.get("a"), cache.count, cache.size]).toEqual([3, 2, 12]);
    cache.delete("a");
    cache.delete("a");
    expect([cache.get("a"), cache.get("b"), cache.count, cache.size]).toEqual([undefined, 2, 1, 5]);
    expect(keysOf(cache)).toEqual(["b"]);
  });

  test("keys that objects have anyway are keys like others", () => {
    const cache = new S3Fifo<number>(100);
    for (const key of ["__proto__", "constructor", ""]) {
      expect(cache.get(key)).toBeUndefined();
      cache.set(key, 1, 1);
      expect(cache.get(key)).toBe(1);
    }
  });

  test("an entry larger than a tenth of the capacity is refused, and replaces what it meant to", () => {
    const cache = new S3Fifo<number>(100);
    cache.set("a", 1, 10);
    expect(cache.get("a")).toBe(1);
    cache.set("b", 2, 10.5);
    expect(cache.get("b")).toBeUndefined();
    cache.set("a", 3, 11);
    expect([cache.get("a"), cache.count, cache.size]).toEqual([undefined, 0, 0]);
  });

  test("it is bounded and consistent after any operations", () => {
    const key = fc.integer({ min: 0, max: 30 }).map(String);
    const operation = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant("set" as const), key, size: fc.integer({ min: 0, max: 14 }) }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("get" as const), key }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("delete" as const), key }) },
    );
    let evicted = 0;
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 400, size: "max" }), (operations) => {
        const cache = new S3Fifo<number>(100);
        // What may be there: the model knows the last value set and its size; the cache may have lost it.
        const model = new Map<string, { value: number; size: number }>();
        for (const [at, step] of operations.entries()) {
          if (step.kind === "set") {
            cache.set(step.key, at, step.size);
            if (step.size > 10) model.delete(step.key);
            else model.set(step.key, { value: at, size: step.size });
          } else if (step.kind === "delete") {
            cache.delete(step.key);
            model.delete(step.key);
          } else {
            const found = cache.get(step.key);
            if (found !== undefined) expect(found).toBe(model.get(step.key)?.value);
          }
          const keys = keysOf(cache);
          expect(cache.count).toBe(keys.length);
          expect(keys.every((name) => model.has(name))).toBe(true);
          expect(cache.size).toBe(keys.reduce((sum, name) => sum + model.get(name)!.size, 0));
          expect(cache.size).toBeLessThanOrEqual(100);
          // Nothing leaves while there is room for everything that was ever there.
          if (operations.slice(0, at + 1).reduce((sum, each) => sum + (each.kind === "set" ? each.size : 0), 0) <= 100)
            expect(keys.length).toBe(model.size);
          for (const name of model.keys()) {
            if (!keys.includes(name)) {
              model.delete(name);
              evicted++;
            }
          }
        }
        for (const [name, { value }] of model) expect(cache.get(name)).toBe(value);
      }),
      { numRuns: 100 },
    );
    expect(evicted).toBeGreaterThan(100);
  });
});

describe("what stays", () => {
  const scan = (cache: S3Fifo<number>, count: number, prefix = "scan") => {
    for (let n = 0; n < count; n++) cache.set(`${prefix}${n}`, n, 1);
  };
  const present = (cache: S3Fifo<number>, keys: readonly string[]) => {
    const all = new Set(cache.keys());
    return keys.filter((key) => all.has(key)).length;
  };
  const hot = Array.from({ length: 500 }, (_, n) => `hot${n}`);

  test("a hot set used twice survives a scan of ten times the capacity", () => {
    const cache = new S3Fifo<number>(1_000);
    for (const key of hot) cache.set(key, 0, 1);
    for (let use = 0; use < 2; use++) for (const key of hot) cache.get(key);
    scan(cache, 10_000);
    expect(present(cache, hot)).toBe(500);
    expect(cache.size).toBe(1_000);
  });

  test("what was never used again does not", () => {
    const cache = new S3Fifo<number>(1_000);
    for (const key of hot) cache.set(key, 0, 1);
    scan(cache, 10_000);
    expect(present(cache, hot)).toBe(0);
  });

  test("a hot set stays while a scan runs through it", () => {
    const cache = new S3Fifo<number>(1_000);
    let misses = 0;
    for (let round = 0; round < 20; round++) {
      for (const key of hot) {
        if (cache.get(key) === undefined) {
          misses++;
          cache.set(key, 0, 1);
        }
      }
      scan(cache, 1_000, `scan${round}-`);
    }
    // All are missed at first, and some once more before they were seen twice.
    expect(misses).toBeLessThan(1_500);
  });

  test("a hot set that cooled makes way for a new one, however hot it was", () => {
    const cache = new S3Fifo<number>(1_000);
    const keys = (prefix: string) => Array.from({ length: 900 }, (_, n) => `${prefix}${n}`);
    const use = (prefix: string, rounds: number) => {
      for (let round = 0; round < rounds; round++) {
        for (const key of keys(prefix)) if (cache.get(key) === undefined) cache.set(key, 0, 1);
      }
    };
    use("old", 2);
    // Pushed into the main queue, and used there a thousand times.
    scan(cache, 1_000);
    use("old", 1_000);
    expect(present(cache, keys("old"))).toBe(900);
    use("new", 2);
    expect(present(cache, keys("new"))).toBeGreaterThan(850);
    expect(present(cache, keys("old"))).toBeLessThan(150);
  });

  test("a key that fell out lately returns to the main queue, a long one is forgotten", () => {
    const survives = (key: string) => {
      const cache = new S3Fifo<number>(1_000);
      for (const other of hot) {
        cache.set(other, 0, 1);
        cache.get(other);
      }
      cache.set(key, 1, 1);
      scan(cache, 1_100, "first");
      expect(present(cache, [key])).toBe(0);
      cache.set(key, 2, 1);
      scan(cache, 2_000, "second");
      return present(cache, [key]) === 1;
    };
    expect(survives("k")).toBe(true);
    // What is remembered takes memory that nobody counts, so long keys are not.
    expect(survives("k".repeat(1_024))).toBe(true);
    expect(survives("k".repeat(1_025))).toBe(false);
  });

  test("an update keeps its place and its uses", () => {
    const cache = new S3Fifo<number>(1_000);
    for (const key of hot) {
      cache.set(key, 0, 1);
      cache.get(key);
      cache.set(key, 1, 1);
    }
    scan(cache, 5_000);
    expect(present(cache, hot)).toBe(500);
  });
});
