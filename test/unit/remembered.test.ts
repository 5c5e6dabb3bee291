import { expect, test } from "vitest";
import { Remembered, REMEMBERED_MS } from "../../src/access/Remembered.ts";

const someone = (principal: string) => ({ caller: { principal } });

test("who is remembered is found by what they showed and where, until then and no longer", () => {
  const remembered = new Remembered();
  const found = someone("a");
  remembered.keep("https://r.example/mcp/a", "Bearer t", found, 5_000, 0);
  expect(remembered.find("https://r.example/mcp/a", "Bearer t", 4_999)).toBe(found);
  expect(remembered.find("https://r.example/mcp/a", "Bearer t", 5_000)).toBeUndefined();
  expect(remembered.find("https://r.example/mcp/b", "Bearer t", 0)).toBeUndefined();
  expect(remembered.find("https://r.example/mcp/a", "bearer t", 0)).toBeUndefined();
  expect(remembered.find("", "Bearer t", 0)).toBeUndefined();
  expect(remembered.find("", "https://r.example/mcp/aBearer t", 0)).toBeUndefined();
});

test("nobody is remembered for more than ten minutes, and what is over is not kept", () => {
  const remembered = new Remembered();
  remembered.keep("", "long", someone("a"), 10 * REMEMBERED_MS, 0);
  expect(remembered.find("", "long", REMEMBERED_MS - 1)).toBeDefined();
  expect(remembered.find("", "long", REMEMBERED_MS)).toBeUndefined();
  remembered.keep("", "over", someone("a"), 1_000, 1_000);
  expect(remembered.find("", "over", 0)).toBeUndefined();
});

test.each([
  ["number", 4_001, 10],
  ["length", 300, 16_384],
])("the memory is bounded in %s: the latest are known, the first are not", (_, count, length) => {
  const remembered = new Remembered();
  const named = (nth: number) => `${nth}`.padStart(length, "x");
  for (let nth = 0; nth < count; nth++) remembered.keep("", named(nth), someone(`${nth}`), 1_000, 0);
  expect(remembered.find("", named(0), 0)).toBeUndefined();
  expect(remembered.find("", named(count - 1), 0)).toEqual(someone(`${count - 1}`));
  const known = Array.from({ length: count }, (_, nth) => remembered.find("", named(nth), 0)).filter(Boolean);
  expect(known.length * length).toBeLessThanOrEqual(4.1 * 1_048_576);
  expect(known.length).toBeLessThanOrEqual(4_000);
});

test("what comes after a long silence drives out all that was before", () => {
  const remembered = new Remembered();
  remembered.keep("", "first", someone("a"), 1_000, 0);
  remembered.keep("", "later", someone("b"), 3 * REMEMBERED_MS, 2 * REMEMBERED_MS);
  // By a clock that has gone back one would see it still: it is not there.
  expect(remembered.find("", "first", 0)).toBeUndefined();
});
