import type { Expected } from "../baseline.ts";
import type { Comparison } from "./compare.ts";

/** A comparison in which these checks come out otherwise, as they must. Once one of them does not, the baseline is out of date. */
export function expectDifferences(
  part: string,
  { equal, differences }: Comparison,
  expected: readonly Expected[],
): Comparison {
  const left = new Set(
    expected.flatMap(({ failing }) =>
      Object.entries(failing).flatMap(([scenario, ids]) => ids.map((id) => `${scenario} ${id}`)),
    ),
  );
  const found: Comparison = { equal, differences: [] };
  for (const one of differences) {
    // The check's id, before its name.
    if (left.delete(`${one.scenario} ${one.check.split(" ")[0]}`)) found.equal++;
    else found.differences.push(one);
  }
  for (const label of left) {
    const [scenario, check] = label.split(" ") as [string, string];
    const message = "Take it out of the baseline.";
    found.differences.push({ part, scenario, check, direct: "expected to differ", replica: "does not", message });
  }
  return found;
}
