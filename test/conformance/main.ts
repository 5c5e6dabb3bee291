import { run, UsageError } from "../../scripts/commandLine.ts";
import { CROSSINGS } from "./baseline.ts";
import { type ClientPart, runClientPart } from "./runner/clientPart.ts";
import { type CrossPart, runCrossPart } from "./runner/crossPart.ts";
import { print } from "./runner/print.ts";
import { runServerPart, type ServerPart } from "./runner/serverPart.ts";
import { runTasksPart, type TasksPart } from "./runner/tasksPart.ts";
import { writeDocs } from "./runner/writeDocs.ts";

const REVISIONS = ["2025-11-25", "2026-07-28"];

const USAGE = `Usage: npm run test:conformance [-- PART ...]

Runs the official conformance suite against an origin and through a replica of it, and compares check by check;
then through a replica of an origin that lacks the era in question, where what must fail stands in baseline.ts; and the
scenarios for tasks against the replica's own tasks.
A PART is ${REVISIONS.join(", ")}, eras, tasks or client; without any, all run and docs/conformance.md is written anew.`;

await run(USAGE, async () => {
  const wanted = process.argv.slice(2);
  for (const part of wanted) {
    if (part !== "client" && part !== "eras" && part !== "tasks" && !REVISIONS.includes(part))
      throw new UsageError(`There is no part ${JSON.stringify(part)}.`);
  }
  const isWanted = (part: string) => wanted.length === 0 || wanted.includes(part);
  const servers: ServerPart[] = [];
  for (const revision of REVISIONS.filter(isWanted)) {
    console.error(`Server scenarios of ${revision} ...`);
    servers.push(await runServerPart(revision));
  }
  const crossings: CrossPart[] = [];
  for (const crossing of isWanted("eras") ? CROSSINGS : []) {
    console.error(`Server scenarios of ${crossing.revision}, an origin that is ${crossing.origin} only ...`);
    crossings.push(await runCrossPart(crossing));
  }
  let tasks: TasksPart | undefined;
  if (isWanted("tasks")) {
    console.error("Server scenarios for tasks, the replica's own ...");
    tasks = await runTasksPart();
  }
  let client: ClientPart | undefined;
  if (isWanted("client")) client = await runClientPart((scenario) => console.error(`Client scenario ${scenario} ...`));
  if (wanted.length === 0 && client && tasks) await writeDocs(servers, crossings, tasks, client);
  const failed = print(servers, crossings, tasks, client);
  process.exitCode = failed > 0 ? 1 : 0;
});
