import type { Expected } from "../baseline.ts";
import { type Checks, isFailure } from "./checks.ts";
import type { Comparison } from "./compare.ts";
import { labelled } from "./label.ts";

/** Compares a run with what is expected: all passes but what must fail, and that fails. Once it passes, the baseline is out of date. */
export function compareWithBaseline(
  part: string,
  checks: Checks,
  baseline: readonly Expected[],
): Comparison & { passed: number; expected: number } {
  const expected = new Set(baseline.flatMap(labelsOf));
  const found: ReturnType<typeof compareWithBaseline> = { passed: 0, expected: 0, equal: 0, differences: [] };
  const differs = (label: string, direct: string, replica: string, message: string): void => {
    const [scenario, check] = label.split(": ") as [string, string];
    found.differences.push({ part, scenario, check, direct, replica, message });
  };
  for (const [scenario, list] of checks) {
    for (const [id, check] of labelled(list, ({ id }) => id)) {
      const label = `${scenario}: ${id}`;
      if (!isFailure(check)) {
        if (check.status === "SUCCESS" && !expected.has(label)) found.passed++;
      } else if (expected.delete(label)) found.expected++;
      else differs(label, "expected to pass", check.status, check.errorMessage ?? "");
    }
  }
  for (const label of expected) differs(label, "expected to fail", "does not", "Take it out of the baseline.");
  found.equal = found.passed + found.expected;
  return found;
}

function labelsOf({ failing }: Expected): string[] {
  return Object.entries(failing).flatMap(([scenario, ids]) => ids.map((id) => `${scenario}: ${id}`));
}
