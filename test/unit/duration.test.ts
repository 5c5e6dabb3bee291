import { expect, test } from "vitest";
import { parseDuration } from "../../src/config/duration.ts";

test("a duration is a whole number and a unit", () => {
  expect(parseDuration("250ms")).toBe(250);
  expect(parseDuration("7d")).toBe(7 * 86_400_000);
});

test("anything else is no duration", () => {
  for (const text of ["", "5", "5 s", "-5s", "1.5s", "5S", 5, null, undefined]) expect(parseDuration(text)).toBeUndefined();
});
