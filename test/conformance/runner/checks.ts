import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

/** One verdict of the suite. */
export interface Check {
  id: string;
  /** Says which case of the id it is. */
  name: string;
  status: "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO";
  errorMessage?: string;
}

/** The verdicts by scenario. */
export type Checks = Map<string, Check[]>;

/** Reads what the suite has written into a folder: one folder for each scenario, with its name and a time. */
export async function readChecks(folder: string): Promise<Checks> {
  const checks: Checks = new Map();
  for (const name of (await readdir(folder)).sort()) {
    const scenario = /^(?:server-)?(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(name)?.[1];
    if (scenario === undefined) continue;
    checks.set(scenario, JSON.parse(await readFile(path.join(folder, name, "checks.json"), "utf8")) as Check[]);
  }
  return checks;
}

/** Whether a check counts as failed: a warning does; what was skipped or only told does not. */
export function isFailure({ status }: Check): boolean {
  return status === "FAILURE" || status === "WARNING";
}

/** How many checks passed, and how many did not. What was skipped or only told counts as neither. */
export function count(checks: Checks): { passed: number; failed: number } {
  const all = [...checks.values()].flat();
  return { passed: all.filter(({ status }) => status === "SUCCESS").length, failed: all.filter(isFailure).length };
}
