import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Check, type Checks, readChecks } from "./checks.ts";
import { runChild } from "./runChild.ts";

/** What came of a requirement set. */
export interface SuiteRun {
  scored: string[];
  /** The scenarios that run but are not required, with the suite's reason. */
  unscored: Map<string, string>;
  checks: Checks;
}

/** Runs the scenarios of a requirement set, in the suite's order. */
export async function runSuite(url: string, revision: string): Promise<SuiteRun> {
  const folder = await mkdtemp(path.join(tmpdir(), "conformance-"));
  try {
    const output = await runChild(["server", "--url", url, "--requirements", revision, "-o", folder]);
    const read = await readChecks(folder);
    const ran = [...output.matchAll(/^=== Running scenario: (\S+) ===$/gm)].map(([, scenario]) => scenario!);
    if (ran.length === 0) throw new Error(`The suite ran nothing:\n${output}`);
    const unscored = new Map(
      [...output.matchAll(/^ {2}. (\S+) \((\S+)\)$/gm)].map(([, scenario, reason]) => [scenario!, reason!]),
    );
    const checks: Checks = new Map(ran.map((scenario) => [scenario, read.get(scenario) ?? [didNotRun(scenario)]]));
    return { scored: ran.filter((scenario) => !unscored.has(scenario)), unscored, checks };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Runs scenarios by their names, one after the other, whether a revision requires them or not. */
export async function runScenarios(url: string, revision: string, names: readonly string[]): Promise<Checks> {
  const folder = await mkdtemp(path.join(tmpdir(), "conformance-"));
  try {
    for (const name of names) {
      await runChild(["server", "--url", url, "--scenario", name, "--spec-version", revision, "--force", "-o", folder]);
    }
    const read = await readChecks(folder);
    return new Map(names.map((scenario) => [scenario, read.get(scenario) ?? [didNotRun(scenario)]]));
  } finally {
    await rm(folder, { recursive: true });
  }
}

function didNotRun(id: string): Check {
  return {
    id,
    name: "DidNotRun",
    status: "FAILURE",
    errorMessage: "The scenario left no results: it timed out or broke down.",
  };
}
