import { readdirSync, readFileSync } from "node:fs";

/** The workerd processes that this one has started. None where the system has no `/proc`. */
export function workerdPids(): number[] {
  try {
    return readdirSync("/proc/self/task")
      .flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, "utf8").trim().split(" "))
      .map(Number)
      .filter((pid) => pid > 0 && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("workerd"));
  } catch {
    return [];
  }
}

/** The processor time that a process has used so far, all its threads together, in µs; `undefined` where it cannot be read. */
export function cpuTimeOf(pid: number | undefined): number | undefined {
  if (pid === undefined) return undefined;
  try {
    const nanoseconds = readdirSync(`/proc/${pid}/task`).map((task) => {
      const [running] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ");
      return Number(running);
    });
    return nanoseconds.reduce((sum, value) => sum + value, 0) / 1_000;
  } catch {
    return undefined;
  }
}
