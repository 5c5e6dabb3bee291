import type { Replica } from "../../config/replica.ts";
import { isSoundOperationId } from "../../outbox/operationId.ts";
import type { OutboxStatus } from "../../outbox/OutboxStatus.ts";
import type { Reporter } from "../../telemetry/events.ts";
import type { Trouble } from "../errors.ts";
import { readBody } from "../readBody.ts";
import { askOutbox } from "./askOutbox.ts";
import { parseDecision, parseJobs } from "./jobsRequest.ts";
import { outboxNamed } from "./outboxNamed.ts";
import { respondJson } from "./respondJson.ts";
import type { DecidedJobs, ShownJob, ShownJobs } from "./ShownJobs.ts";
import { tenantOutboxes } from "./tenantOutboxes.ts";

const MAX_BYTES = 65_536;

/** What operators do with queued writes needs. */
export interface JobsTools {
  replica: Replica;
  report: Reporter;
}

type Done<T> = T | { trouble: Trouble };

/** Serves `/admin/jobs`. `GET` lists the writes in an outbox; `POST` has some sent again, or given up, or all that wait looked at now. */
export async function serveJobs(tools: JobsTools, request: Request, env: Cloudflare.Env): Promise<Response> {
  return respondJson(await jobs(tools, request, env), tools.report, "/admin/jobs");
}

/** Serves `GET /admin/jobs/ID`: shows one write, with its arguments. */
export async function serveJob(tools: JobsTools, id: string, request: Request, env: Cloudflare.Env): Promise<Response> {
  return respondJson(await job(tools, id, request, env), tools.report, "/admin/jobs/:id");
}

async function jobs(
  tools: JobsTools,
  request: Request,
  env: Cloudflare.Env,
): Promise<Done<ShownJobs | DecidedJobs | ({ origin: string } & OutboxStatus)>> {
  if (request.method === "GET") return list(tools, new URL(request.url).searchParams, env);
  if (request.method !== "POST") return { trouble: { kind: "get-or-post" } };
  const read = await readBody(request, null, MAX_BYTES);
  return "trouble" in read ? read : decide(tools, read.text, env);
}

async function list(
  { replica, report }: JobsTools,
  parameters: URLSearchParams,
  env: Cloudflare.Env,
): Promise<Done<ShownJobs>> {
  const wanted = parseJobs(parameters);
  if ("detail" in wanted) return { trouble: { kind: "bad-jobs", detail: wanted.detail } };
  const { origin: named, withTenants, states, tool, before, limit } = wanted;
  const origin = outboxNamed(replica, named);
  if ("trouble" in origin) return origin;
  // One more than is shown says whether there are more.
  const filter = { limit: limit + 1, ...(states && { states }), ...(tool && { tool }), ...(before && { before }) };
  const [asked, others] = await Promise.all([
    askOutbox(env, origin, report, (object) => Promise.all([object.list(filter), object.status()])),
    withTenants ? tenantOutboxes(env, origin, report) : undefined,
  ]);
  if ("reason" in asked) return { trouble: { kind: "jobs-unavailable", reason: asked.reason } };
  if (others && "reason" in others) return { trouble: { kind: "sync-unavailable", reason: others.reason } };
  const [found, status] = asked.reply;
  const shown = found.slice(0, limit);
  return {
    origin: origin.settings.id,
    jobs: shown,
    ...(found.length > limit && { before: shown.at(-1)!.seq }),
    ...status,
    ...others,
  };
}

async function decide(
  { replica, report }: JobsTools,
  body: string,
  env: Cloudflare.Env,
): Promise<Done<DecidedJobs | ({ origin: string } & OutboxStatus)>> {
  const decision = parseDecision(body);
  if ("detail" in decision) return { trouble: { kind: "bad-jobs", detail: decision.detail } };
  const named = outboxNamed(replica, decision.origin);
  if ("trouble" in named) return named;
  const origin = named.settings.id;
  if ("drain" in decision) {
    const asked = await askOutbox(env, named, report, (object) => object.drain());
    return "reason" in asked
      ? { trouble: { kind: "jobs-unavailable", reason: asked.reason } }
      : { origin, ...asked.reply };
  }
  const asked = await askOutbox(env, named, report, (object) =>
    "redrive" in decision ? object.redrive(decision.redrive) : object.discard(decision.discard, decision.why),
  );
  if ("reason" in asked) return { trouble: { kind: "jobs-unavailable", reason: asked.reason } };
  const { done, refused } = asked.reply;
  return { origin, done: done.map(({ id, tool, state }) => ({ id, tool, state })), refused };
}

async function job(
  { replica, report }: JobsTools,
  id: string,
  request: Request,
  env: Cloudflare.Env,
): Promise<Done<ShownJob>> {
  if (request.method !== "GET") return { trouble: { kind: "get-only" } };
  const parameters = new URL(request.url).searchParams;
  const origin = outboxNamed(replica, parameters.get("origin") ?? undefined);
  if ("trouble" in origin) return origin;
  const unknown = { trouble: { kind: "unknown-job", id: id.slice(0, 60), origin: origin.settings.id } } as const;
  if (!isSoundOperationId(id)) return unknown;
  const asked = await askOutbox(env, origin, report, (object) => object.show(id));
  if ("reason" in asked) return { trouble: { kind: "jobs-unavailable", reason: asked.reason } };
  return asked.reply ? { origin: origin.settings.id, job: asked.reply } : unknown;
}
