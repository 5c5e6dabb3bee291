import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { fileURLToPath } from "node:url";
import type { UserWorkspaceConfig } from "vitest/config";
import { readMigrations } from "../scripts/serve/migrations.ts";

// Each script, server and worker that a test starts is a Node of its own; what one has compiled the next need not.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(new URL("../node_modules/.cache/node", import.meta.url));

/** Where to look for tests, and how long they may take. */
export interface Projects {
  /** Files that run inside workerd. */
  unit: string[];
  /** Files that run in Node. */
  integration: string[];
  /** Whether properties are tried with the counts of the soak. */
  isSoak: boolean;
  /** Of one test, in ms. Default: long enough for a machine that is busy. */
  testTimeout?: number;
}

/** What the Worker under test seals with, so that it has nothing to warn of. */
const ENTRY_SECRET = "a secret of the tests, of some length";

/**
 * The two places where tests run. A workerd, or a Node, runs one file after the other, and has the libraries loaded: so
 * files do not share the names of Durable Objects, nor change the environment.
 */
export function projects({ unit, integration, isSoak, testTimeout = 30_000 }: Projects): UserWorkspaceConfig[] {
  const expect = { poll: { timeout: 10_000 } };
  const all = { provide: { isSoak }, isolate: false, testTimeout, hookTimeout: 60_000, expect };
  return [
    {
      plugins: [
        cloudflareTest({
          wrangler: { configPath: "./wrangler.toml" },
          miniflare: { bindings: { ENTRY_SECRET, MIGRATIONS: readMigrations() }, d1Databases: ["EMPTY_DB"] },
        }),
      ],
      test: { name: "unit", include: unit, setupFiles: ["./test/unit/migrate.ts"], ...all },
    },
    { test: { name: "integration", include: integration, ...all } },
  ];
}
