import { readFileSync, writeFileSync } from "node:fs";

/** How much memory a process has, and has had at most since `forgetPeak`, in bytes; `undefined` where it cannot be read. */
export function residentSet(pid: number | undefined): { now: number; peak: number } | undefined {
  if (pid === undefined) return undefined;
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const value = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)![1]) * 1_024;
    return { now: value("VmRSS"), peak: value("VmHWM") };
  } catch {
    return undefined;
  }
}

/** From now on a process has had at most what it has now. */
export function forgetPeak(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  } catch {
    // Then what it had when it began counts as well.
  }
}
