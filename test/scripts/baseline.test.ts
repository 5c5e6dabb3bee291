import { expect, test } from "vitest";
import type { Check, Checks } from "../conformance/runner/checks.ts";
import { compareWithBaseline } from "../conformance/runner/compareWithBaseline.ts";

const check = (id: string, status: Check["status"]): Check => ({ id, name: id, status });
const checks: Checks = new Map([
  ["one", [check("a", "SUCCESS"), check("b", "FAILURE"), check("b", "WARNING"), check("c", "INFO")]],
]);
const failing = (...ids: string[]) => [{ reason: "It must.", failing: { one: ids } }];

test("what fails as expected is as good as what passes", () => {
  const found = compareWithBaseline("part", checks, failing("b", "b #2"));
  expect(found).toEqual({ passed: 1, expected: 2, equal: 3, differences: [] });
});

test.each([
  ["fails against expectation", failing("b"), "b #2", "expected to pass", "WARNING"],
  ["passes against expectation", failing("a", "b", "b #2"), "a", "expected to fail", "does not"],
  ["is expected to fail and was only told", failing("b", "b #2", "c"), "c", "expected to fail", "does not"],
  ["is expected to fail and did not run", failing("b", "b #2", "d"), "d", "expected to fail", "does not"],
])("what %s is a difference", (_, baseline, id, direct, replica) => {
  const { differences } = compareWithBaseline("part", checks, baseline);
  expect(differences).toEqual([expect.objectContaining({ part: "part", scenario: "one", check: id, direct, replica })]);
});
