import type { DecidedJobs } from "../../src/http/admin/ShownJobs.ts";
import { options, UsageError } from "../commandLine.ts";
import { callReplica, LOCAL_URL } from "./callReplica.ts";
import { printable } from "./printable.ts";

export const DISCARD_USAGE = "npm run replica -- discard ID... --why TEXT [--origin ID] [--url URL] [--json]";
export const REDRIVE_USAGE = "npm run replica -- redrive ID... [--origin ID] [--url URL] [--json]";

const SETTINGS = {
  origin: { type: "string" },
  url: { type: "string", default: LOCAL_URL },
  json: { type: "boolean" },
} as const;

/** Why nothing was done about a job. */
const REFUSED: Readonly<Record<DecidedJobs["refused"][number]["why"], Record<"redrive" | "discard", string>>> = {
  unknown: {
    redrive: "there is none of that id: it is forgotten, or another origin's (--origin)",
    discard: "there is none of that id: it is forgotten, or another origin's (--origin)",
  },
  state: {
    redrive: "only what is ambiguous, dead or discarded can be sent again",
    discard: "it is being sent, or over: only what waits, is ambiguous or dead can be discarded",
  },
  full: { redrive: "the queue has no room for it", discard: "the queue has no room for it" },
};

/** `replica redrive`: has writes sent again that are ambiguous, dead or discarded. */
export async function redrive(args: string[]): Promise<void> {
  const { values, positionals } = options({ args, allowPositionals: true, options: SETTINGS });
  await decide("redrive", { redrive: positionals }, values);
}

/** `replica discard`: has writes given up: `--why` is told to their callers. */
export async function discard(args: string[]): Promise<void> {
  const { values, positionals } = options({
    args,
    allowPositionals: true,
    options: { ...SETTINGS, why: { type: "string" } },
  });
  const { why } = values;
  if (!why) throw new UsageError("Say why, for their callers to read: --why TEXT.");
  await decide("discard", { discard: positionals, why }, values);
}

async function decide(
  what: "redrive" | "discard",
  decision: { redrive: string[] } | { discard: string[]; why: string },
  { origin, url, json }: { origin?: string; url: string; json?: boolean },
): Promise<void> {
  const [ids] = Object.values(decision) as [string[]];
  if (ids.length === 0) throw new UsageError("Name a job: jobs lists them.");
  const text = await callReplica(url, "/admin/jobs", { method: "POST", body: { origin, ...decision } });
  const { done, refused } = JSON.parse(text) as DecidedJobs;
  if (refused.length > 0) process.exitCode = 1;
  if (json) {
    console.log(text);
    return;
  }
  for (const { id, tool, state } of done) console.log(`${printable(id)}  ${printable(tool, 40)}  ${state}`);
  for (const { id, why } of refused) console.error(`${printable(id)}: ${REFUSED[why][what]}`);
}
