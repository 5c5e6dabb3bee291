import { writeFile } from "node:fs/promises";
import path from "node:path";
import { BASELINE, type Expected, OWN_TASKS } from "../baseline.ts";
import type { ClientPart } from "./clientPart.ts";
import type { CrossPart } from "./crossPart.ts";
import type { ServerPart } from "./serverPart.ts";
import type { TasksPart } from "./tasksPart.ts";
import { SUITE_VERSION } from "./runChild.ts";

const FILE = path.resolve(import.meta.dirname, "../../../docs/conformance.md");

/** Writes `docs/conformance.md`: what ran, what came of it, and what does not apply. */
export async function writeDocs(
  servers: ServerPart[],
  crossings: CrossPart[],
  tasks: TasksPart,
  client: ClientPart,
): Promise<void> {
  const sections = [
    intro(),
    ...servers.map(serverSection),
    crossSection(crossings),
    tasksSection(tasks),
    clientSection(client),
    outside(),
  ];
  await writeFile(FILE, `${sections.join("\n\n")}\n`);
}

function intro(): string {
  return `# Conformance

<!-- Written by npm run test:conformance. -->

${wrapped(`The official conformance suite (\`@modelcontextprotocol/conformance\` ${SUITE_VERSION}) runs against an MCP server of our own,
\`test/conformance/origin\`, and then twice through a replica in front of it that caches all that may be cached: first with nothing
stored, then with what the first run has left. A replica should be invisible, so the test is not a number but equality: every check
must come out through the replica as it does at the origin. Warnings count as failed; what is skipped, or only told, as neither.
Hits are calls that name a tool, a resource or a prompt and were answered from the cache.`)}

    npm run test:conformance

${wrapped(`The suite does not look whether what a cache answers is the right thing for the caller. The tests in \`test/integration\` do.`)}`;
}

function serverSection({ revision, scored, unscored, empty, passes, own, differences }: ServerPart): string {
  const rows = passes.map(({ name, passed, failed, hits }) => {
    const other = differences.filter(({ part }) => part === `${revision} ${name}`).length;
    return [TITLES[name], passed, failed, hits?.named ?? "", name === "direct" ? "" : other];
  });
  const skipped = empty.map((scenario) => ` The suite itself skips \`${scenario}\`.`).join("");
  const apart = own.map(
    ({ scenario, check }) => `- \`${scenario}\` \`${check.id}\`: ${check.errorMessage ?? check.status}`,
  );
  const parts = [
    `## ${revision}`,
    wrapped(
      `${scored.length} required scenarios, and ${unscored.size} that are run but not required: ${listOf(unscored)}.${skipped}`,
    ),
    markdown(["", "passed", "failed", "hits", "different"], rows),
    apart.length > 0 ? `The origin itself does not pass:\n\n${apart.join("\n")}` : "The origin passes them all.",
    ...told(differences),
    ...(revision < MODERN ? [wrapped(ABOUT_SESSIONS)] : []),
  ];
  return parts.join("\n\n");
}

const TITLES = { direct: "origin", cold: "replica, nothing stored", warm: "replica, again" };
const MODERN = "2026-07-28";
const ABOUT_SESSIONS = `What is told in a session is kept for that session, and the suite opens a new one for each scenario, so
only what the configuration calls public is hit here.`;

function crossSection(crossings: CrossPart[]): string {
  const rows = crossings.flatMap(({ crossing, passes, differences }) =>
    passes.map(({ name, passed, expected }) => {
      const other = differences.filter(({ part }) => part.endsWith(name)).length;
      return [crossing.revision, `${crossing.origin} only`, TITLES[name], passed, expected, other];
    }),
  );
  const reasons = crossings.flatMap(({ crossing: { revision } }) =>
    BASELINE[revision].map((expected) => reasonOf(expected, `${revision}, `)),
  );
  const parts = [
    "## Between the eras",
    wrapped(`The same origin, speaking one era alone and keeping no sessions, behind a replica that is asked in the other. What must fail
there stands with its reason in \`test/conformance/baseline.ts\`; the run fails if anything else does, and if any of it does not.`),
    markdown(["asked in", "origin", "", "passed", "failed as expected", "otherwise"], rows),
    `What fails, and why:\n\n${reasons.join("\n")}`,
    ...crossings.flatMap(({ differences }) => told(differences)),
  ];
  return parts.join("\n\n");
}

function tasksSection({ passed, expected, differences }: TasksPart): string {
  const parts = [
    "## The replica's own tasks",
    wrapped(`The scenarios for tasks once more, in front of the same origin without tasks of its own, through a replica that queues the
calls of its tools (\`write: { queue: "always" }\`): here the tasks are the replica's. The suite itself skips
\`tasks-status-notifications\`. A write that is being sent is not taken back: what the suite cancels then ends as failed.`),
    markdown(["passed", "failed as expected", "otherwise"], [[passed, expected, differences.length]]),
    `What fails, and why:\n\n${OWN_TASKS.map((one) => reasonOf(one)).join("\n")}`,
    ...told(differences),
  ];
  return parts.join("\n\n");
}

function reasonOf({ reason, failing }: Expected, where = ""): string {
  const checks = Object.values(failing).flat().length;
  const scenarios = Object.keys(failing).map((scenario) => `\`${scenario}\``);
  return wrapped(`- ${where}${checks} ${checks === 1 ? "check" : "checks"}: ${reason} ${scenarios.join(", ")}`);
}

/** The scenarios by the suite's reason not to require them. */
function listOf(unscored: Map<string, string>): string {
  const byReason = Map.groupBy(unscored.keys(), (scenario) => unscored.get(scenario)!);
  return [...byReason]
    .map(([reason, scenarios]) => `${scenarios.map((scenario) => `\`${scenario}\``).join(", ")} (${reason})`)
    .join("; ");
}

function told(differences: ServerPart["differences"]): string[] {
  if (differences.length === 0) return [];
  const lines = differences.map(
    ({ part, scenario, check, direct, replica }) =>
      `- ${part}: \`${scenario}\` \`${check}\`: ${direct}, through the replica ${replica}`,
  );
  return [`Different through the replica:\n\n${lines.join("\n")}`];
}

function clientSection({ rows, differences }: ClientPart): string {
  const cells = rows.map(({ revision, scenario, direct, through }) => [
    `\`${scenario}\``,
    revision,
    `${direct.passed} / ${direct.failed}`,
    `${through.passed} / ${through.failed}`,
  ]);
  const parts = [
    "## The replica as a client",
    wrapped(`In the suite's scenarios for clients the suite is the server. The official client runs them once by itself and once
through a replica of that server, so these look at what the replica sends to an origin. Checks passed / failed:`),
    markdown(["scenario", "revision", "client", "client and replica"], cells),
    ...told(differences),
  ];
  return parts.join("\n\n");
}

function outside(): string {
  return `## What does not apply

${wrapped(`- \`auth/*\`, for clients: how a client gets and sends a token. The replica has its own access and its own credential at the
origin, and passes nothing of the caller's on, so none of this goes through it.`)}
${wrapped(`- \`sep-2640-skills-*\`: an extension outside of both requirement sets, whose methods the replica relays as it relays all that it does not know.`)}
- The scenarios for authorization servers: the replica is none.`;
}

function markdown(head: string[], rows: (string | number)[][]): string {
  const line = (cells: (string | number)[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The text in lines of at most 128 characters; those after the first of a list item are indented. */
function wrapped(text: string): string {
  const indent = text.startsWith("- ") ? "  " : "";
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= 128) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(lines.length === 0 ? word : indent + word);
  }
  return lines.join("\n");
}
