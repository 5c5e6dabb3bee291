import { cloudflareTest } from "@cloudflare/vitest-plugin";
import type { UserWorkspaceConfig } from "vitest/config";

/** Where to look for tests, and how long they may take. */
export interface Projects {
  /** Files that run inside workerd. */
  unit: string[];
  /** Files that run in Node. */
  integration: string[];
  /** Whether properties are tried with the counts of the soak. */
  isSoak: boolean;
  /** Of one test, in ms. Default: as short as the tests of a project need. */
  testTimeout?: number;
}

/** The two places where tests run. */
export function projects({ unit, integration, isSoak, testTimeout }: Projects): UserWorkspaceConfig[] {
  const provide = { isSoak };
  return [
    {
      plugins: [cloudflareTest({ wrangler: { configPath: "./wrangler.toml" } })],
      test: { name: "unit", include: unit, provide, ...(testTimeout !== undefined && { testTimeout }) },
    },
    {
      test: {
        name: "integration",
        include: integration,
        provide,
        testTimeout: testTimeout ?? 30_000,
        hookTimeout: 60_000,
      },
    },
  ];
}
