import { defineConfig } from "vitest/config";
import { CountReporter } from "./support/CountReporter.ts";

export default defineConfig({
  test: {
    root: new URL("../..", import.meta.url).pathname,
    include: ["test/browser/**/*.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ["default", new CountReporter()],
  },
});
