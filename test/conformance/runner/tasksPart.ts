import { OWN_TASKS } from "../baseline.ts";
import { serveOrigin } from "../origin/serve.ts";
import type { Comparison } from "./compare.ts";
import { compareWithBaseline } from "./compareWithBaseline.ts";
import { queueing } from "./replica.ts";
import { runScenarios } from "./runSuite.ts";

/** What came of the scenarios for tasks, where the tasks are the replica's own. */
export interface TasksPart extends Comparison {
  passed: number;
  /** The checks that failed as the baseline says. */
  expected: number;
}

const REVISION = "2026-07-28";
const SCENARIOS = [
  "tasks-lifecycle",
  "tasks-capability-negotiation",
  "tasks-wire-fields",
  "tasks-request-state-removal",
  "tasks-mrtr-input",
  "tasks-request-headers",
  "tasks-dispatch-and-envelope",
  "tasks-status-notifications",
  "tasks-required-task-error",
  "tasks-mrtr-composition",
];

/** Runs the scenarios for tasks through a new replica that queues the calls of an origin without tasks, and compares with the baseline. */
export async function runTasksPart(): Promise<TasksPart> {
  const origin = await serveOrigin(0, "both", false);
  try {
    const replica = await queueing(origin.url);
    try {
      const checks = await runScenarios(replica.mcp, REVISION, SCENARIOS);
      return compareWithBaseline("own tasks", checks, OWN_TASKS);
    } finally {
      await replica.close();
    }
  } finally {
    await origin.close();
  }
}
