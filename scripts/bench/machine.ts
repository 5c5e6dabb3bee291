import { readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";

/** The machine and the versions, in one line. */
export function machine(): string {
  const model = cpus()[0]?.model.trim() || "unknown processor";
  const { version } = JSON.parse(
    readFileSync(new URL("../../node_modules/workerd/package.json", import.meta.url), "utf8"),
  ) as { version: string };
  return `${availableParallelism()} cores (${model}), Node ${process.versions.node}, workerd ${version}`;
}
