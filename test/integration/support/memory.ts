import { readFileSync } from "node:fs";
import { workerdPids } from "../../../scripts/bench/cpuTime.ts";

/** The memory, in MB, that the replicas of this process hold together; `undefined` where the system does not tell. */
export function memoryOfReplicas(): number | undefined {
  const pids = workerdPids();
  if (pids.length === 0) return undefined;
  const kilobytes = pids.map((pid) =>
    Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]),
  );
  return kilobytes.reduce((sum, value) => sum + value, 0) / 1_024;
}
