import type { Check, Checks } from "./checks.ts";
import { labelled } from "./label.ts";

/** A check that came out otherwise through the replica. */
export interface Difference {
  /** Which part of the run, such as `2026-07-28 warm`. */
  part: string;
  scenario: string;
  /** The check's id and name, with its number where the scenario has several of both. */
  check: string;
  direct: string;
  replica: string;
  message: string;
}

/** What a comparison came to. */
export interface Comparison {
  equal: number;
  differences: Difference[];
}

/** Compares a run through the replica with the run without it, check by check. */
export function compare(part: string, direct: Checks, replica: Checks): Comparison {
  const comparison: Comparison = { equal: 0, differences: [] };
  for (const scenario of new Set([...direct.keys(), ...replica.keys()])) {
    const left = numbered(direct.get(scenario));
    const right = numbered(replica.get(scenario));
    for (const check of new Set([...left.keys(), ...right.keys()])) {
      const [a, b] = [left.get(check), right.get(check)];
      // What the suite only tells, such as each event of a stream, may come once more or less.
      if ((a ?? b)?.status === "INFO" && (a === undefined || b === undefined)) continue;
      if (a?.status === b?.status) {
        comparison.equal++;
        continue;
      }
      comparison.differences.push({
        part,
        scenario,
        check,
        direct: a?.status ?? "missing",
        replica: b?.status ?? "missing",
        message: b?.errorMessage ?? a?.errorMessage ?? "",
      });
    }
  }
  return comparison;
}

/** The checks by id and name. */
function numbered(checks: Check[] = []): Map<string, Check> {
  return labelled(checks, ({ id, name }) => `${id} (${name})`);
}
