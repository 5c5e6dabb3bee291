import type { ShownJob, ShownJobs } from "../../src/http/admin/ShownJobs.ts";
import { options, UsageError } from "../commandLine.ts";
import { callReplica, LOCAL_URL } from "./callReplica.ts";
import { jobLines, jobRows, jobsHead, tenantLines } from "./jobText.ts";
import { table } from "./table.ts";

export const JOBS_USAGE = `npm run replica -- jobs [--state S]... [--tool T] [--limit N] [--before SEQ] [--tenants] [--origin ID] [--url URL] [--json]
npm run replica -- jobs ID [--origin ID] [--url URL] [--json]`;

/** `replica jobs`: the writes in an outbox of a replica, local or deployed, the latest first; or one of them, with its arguments. */
export async function jobs(args: string[]): Promise<void> {
  const { values, positionals } = options({
    args,
    allowPositionals: true,
    options: {
      state: { type: "string", multiple: true },
      tool: { type: "string" },
      limit: { type: "string" },
      before: { type: "string" },
      tenants: { type: "boolean" },
      origin: { type: "string" },
      url: { type: "string", default: LOCAL_URL },
      json: { type: "boolean" },
    },
  });
  const { state = [], tool, limit, before, tenants, origin, url, json } = values;
  const [id, ...more] = positionals;
  if (more.length > 0) throw new UsageError("Name one job, or none for a list.");
  const filters = Object.entries({ tool, limit, before, tenants: tenants ? "all" : undefined }).flatMap(
    ([name, value]) => (value === undefined ? [] : [[name, value] as const]),
  );
  if (id !== undefined && filters.length + state.length > 0)
    throw new UsageError("A job is named by its id alone: nothing else chooses it.");
  const query = new URLSearchParams([
    ...state.map((one) => ["state", one] as [string, string]),
    ...filters.map(([name, value]): [string, string] => [name, value]),
    ...(origin === undefined ? [] : [["origin", origin] as [string, string]]),
  ]);
  const path = id === undefined ? "/admin/jobs" : `/admin/jobs/${encodeURIComponent(id)}`;
  const text = await callReplica(url, query.size > 0 ? `${path}?${query}` : path, { method: "GET" });
  if (json) {
    console.log(text);
    return;
  }
  if (id === undefined) showList(JSON.parse(text) as ShownJobs);
  else for (const line of jobLines((JSON.parse(text) as ShownJob).job, Date.now())) console.log(line);
}

function showList(shown: ShownJobs): void {
  const now = Date.now();
  console.error(jobsHead(shown, now));
  if (shown.jobs.length > 0) for (const line of table(jobRows(shown.jobs, now), 3)) console.log(line);
  if (shown.before !== undefined) console.error(`There are more: --before ${shown.before}`);
  for (const line of tenantLines(shown, now)) console.error(line);
}
