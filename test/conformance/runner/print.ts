import type { ClientPart } from "./clientPart.ts";
import type { CrossPart } from "./crossPart.ts";
import type { ServerPart } from "./serverPart.ts";
import type { TasksPart } from "./tasksPart.ts";

/** Prints the tables and every difference. Returns how many checks failed: came out otherwise than they should, or failed at the origin. */
export function print(
  servers: ServerPart[],
  crossings: CrossPart[],
  tasks: TasksPart | undefined,
  client: ClientPart | undefined,
): number {
  for (const { revision, scored, unscored, passes } of servers) {
    console.log(`\n${revision}: ${scored.length} required scenarios, ${unscored.size} others`);
    table(
      ["", "passed", "failed", "hits", "asked the origin"],
      passes.map(({ name, passed, failed, hits, asked }) => [name, passed, failed, hits?.all ?? "-", asked]),
    );
  }
  for (const { crossing, passes } of crossings) {
    console.log(`\n${crossing.revision}, an origin that is ${crossing.origin} only`);
    table(
      ["", "passed", "failed as expected"],
      passes.map(({ name, passed, expected }) => [name, passed, expected]),
    );
  }
  if (tasks) {
    console.log("\n2026-07-28, the replica's own tasks");
    table(["passed", "failed as expected"], [[tasks.passed, tasks.expected]]);
  }
  if (client) {
    console.log("\nClient scenarios: checks passed/failed");
    table(
      ["", "", "direct", "through the replica"],
      client.rows.map(({ revision, scenario, direct, through }) => [
        revision,
        scenario,
        `${direct.passed}/${direct.failed}`,
        `${through.passed}/${through.failed}`,
      ]),
    );
  }
  const broken = servers.flatMap(({ revision, scored, own }) =>
    own
      .filter(({ scenario }) => scored.includes(scenario))
      .map(
        ({ scenario, check }) => `${revision} direct: ${scenario} ${check.id}: ${check.errorMessage ?? check.status}`,
      ),
  );
  if (broken.length > 0) console.log(`\nThe origin itself does not pass:\n  ${broken.join("\n  ")}`);
  const parts = [...servers, ...crossings, ...(tasks ? [tasks] : []), ...(client ? [client] : [])];
  const differences = parts.flatMap((part) => part.differences);
  if (differences.length > 0) console.log("\nDifferent through the replica:");
  for (const { part, scenario, check, direct, replica, message } of differences) {
    console.log(`  ${part}: ${scenario} ${check}: ${direct} -> ${replica}${message && `\n    ${message}`}`);
  }
  const failed = broken.length + differences.length;
  console.log(`\n${parts.reduce((sum, { equal }) => sum + equal, 0)} passed, ${failed} failed`);
  return failed;
}

function table(head: string[], rows: (string | number)[][]): void {
  const lines = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  for (const line of lines) {
    console.log(`  ${line.map((cell, column) => cell.padEnd(widths[column]!)).join("  ")}`.trimEnd());
  }
}
