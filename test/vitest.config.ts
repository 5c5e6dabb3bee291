import { defineConfig } from "vitest/config";
import { projects } from "./projects.ts";

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    // Most of a test's time goes by in waiting for workerd to start, or for what lasts.
    maxWorkers: 4,
    projects: projects({
      unit: ["test/unit/**/*.test.ts"],
      integration: ["test/{integration,origin,scripts}/**/*.test.ts"],
      isSoak: false,
    }),
  },
});
