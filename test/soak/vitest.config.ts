import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { projects } from "../projects.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The files with a count of their own for the soak: they ask `test/support/runs.ts`. */
const files = globSync("test/**/*.test.ts", { cwd: root }).filter((file) =>
  readFileSync(root + file, "utf8").includes("support/runs.ts"),
);
const isUnit = (file: string) => file.startsWith("test/unit/");

export default defineConfig({
  test: {
    root,
    maxWorkers: 2,
    projects: projects({
      unit: files.filter(isUnit),
      integration: files.filter((file) => !isUnit(file)),
      isSoak: true,
      testTimeout: 3_600_000,
    }),
  },
});
