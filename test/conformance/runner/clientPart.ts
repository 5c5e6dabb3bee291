import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Checks, count, readChecks } from "./checks.ts";
import { compare, type Comparison } from "./compare.ts";
import { runChild } from "./runChild.ts";

/** The scenarios for clients in which a replica can stand between, by the revision at which they run. */
const SCENARIOS: readonly [revision: string, scenarios: readonly string[]][] = [
  [
    "2025-11-25",
    [
      "initialize",
      "tools_call",
      "elicitation-sep1034-client-defaults",
      "sse-retry",
      "json-schema-2020-12-preservation",
    ],
  ],
  [
    "2026-07-28",
    [
      "tools_call",
      "request-metadata",
      "sep-2322-client-request-state",
      "http-standard-headers",
      "http-custom-headers",
      "http-invalid-tool-headers",
      "json-schema-ref-no-deref",
      "json-schema-2020-12-preservation",
    ],
  ],
];

const CLIENT = path.join(import.meta.dirname, "../client/main.ts");

/** What came of a client scenario. */
export interface ClientRow {
  revision: string;
  scenario: string;
  direct: { passed: number; failed: number };
  through: { passed: number; failed: number };
}

/** What came of all of them. */
export interface ClientPart extends Comparison {
  rows: ClientRow[];
}

/**
 * Runs the scenarios in which the suite is the server: an official client against the suite's server, then the same
 * client through a replica in front of that server.
 */
export async function runClientPart(tell: (scenario: string) => void): Promise<ClientPart> {
  const part: ClientPart = { rows: [], equal: 0, differences: [] };
  for (const [revision, scenarios] of SCENARIOS) {
    for (const scenario of scenarios) {
      tell(`${revision} ${scenario}`);
      const direct = await runScenario(revision, scenario, []);
      const through = await runScenario(revision, scenario, ["--replica"]);
      const { equal, differences } = compare(`${revision} client`, direct, through);
      part.rows.push({ revision, scenario, direct: count(direct), through: count(through) });
      part.equal += equal;
      part.differences.push(...differences);
    }
  }
  return part;
}

async function runScenario(revision: string, scenario: string, flags: string[]): Promise<Checks> {
  const folder = await mkdtemp(path.join(tmpdir(), "conformance-"));
  try {
    // The suite splits the command at spaces and hands it to a shell.
    const command = [JSON.stringify(process.execPath), JSON.stringify(CLIENT), ...flags].join(" ");
    const args = ["client", "--command", command, "--scenario", scenario, "--spec-version", revision, "-o", folder];
    const output = await runChild(args);
    const checks = await readChecks(folder);
    if (checks.size === 0) throw new Error(`The suite ran nothing:\n${output}`);
    return checks;
  } finally {
    await rm(folder, { recursive: true });
  }
}
