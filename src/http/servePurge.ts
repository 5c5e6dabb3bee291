import { authenticateAdmin } from "../access/authenticateAdmin.ts";
import type { Replica } from "../config/replica.ts";
import type { Isolate } from "../lanes/Exchange.ts";
import { heard } from "../lanes/heard.ts";
import { originSync } from "../origin/originSync.ts";
import type { FeedView } from "../sync/FeedView.ts";
import { reasonOf, type Reporter } from "../telemetry/events.ts";
import type { Trouble } from "./errors.ts";
import { guard } from "./guard.ts";
import { nobody } from "./nobody.ts";
import { placeOf } from "./place.ts";
import { parsePurge } from "./purgeRequest.ts";
import { readBody } from "./readBody.ts";
import { respondTrouble } from "./respond.ts";

const MAX_BYTES = 1_048_576;

/** What purging needs. */
export interface Purging {
  replica: Replica;
  /** By origin id. */
  feeds: ReadonlyMap<string, FeedView>;
  isolate: Isolate;
  report: Reporter;
}

/** What was purged. */
export interface Purged {
  origin: string;
  tags: string[];
  hard: boolean;
  feedId: string;
  seq: number;
}

/** Serves `POST /admin/purge`: invalidates tags of an origin, for every isolate. */
export async function servePurge(purging: Purging, request: Request, env: Cloudflare.Env): Promise<Response> {
  const done = await purge(purging, request, env);
  if (!("trouble" in done)) return Response.json(done, { headers: { "cache-control": "no-store" } });
  return respondTrouble(done.trouble, nobody()).response;
}

async function purge(
  { replica, feeds, isolate, report }: Purging,
  request: Request,
  env: Cloudflare.Env,
): Promise<Purged | { trouble: Trouble }> {
  const { headers } = request;
  const place = placeOf(request.url);
  const turnedAway = guard(place, null, replica.hosts);
  if (turnedAway) return { trouble: turnedAway };
  // No page of a browser is an operator, on whatever machine.
  if (headers.has("origin")) return { trouble: { kind: "bad-origin" } };
  const refusal = await authenticateAdmin({
    authorization: headers.get("authorization"),
    hostname: place.hostname,
    token: env.ADMIN_TOKEN,
  });
  if (refusal) return { trouble: refusal };
  if (request.method !== "POST") return { trouble: { kind: "method-not-allowed" } };
  const read = await readBody(request, null, MAX_BYTES);
  if ("trouble" in read) return read;
  const parsed = parsePurge(read.text);
  if ("detail" in parsed) return { trouble: { kind: "bad-purge", detail: parsed.detail } };

  const { tags, hard } = parsed;
  const origin = parsed.origin === undefined ? replica.defaultOrigin : replica.origins.get(parsed.origin);
  if (!origin) return { trouble: { kind: "unknown-origin", known: [...replica.origins.keys()] } };
  const { id } = origin.settings;
  const feed = feeds.get(id)!;
  try {
    const question = feed.ask();
    const object = originSync(env, origin.settings);
    const news = await object.invalidate(tags, { hard }, { seq: question.seq, feedId: question.feedId });
    // Here it is forgotten at once.
    heard(isolate, id, feed, feed.hear(question, news));
    return { origin: id, tags, hard, feedId: news.feedId, seq: news.seq };
  } catch (error) {
    const reason = reasonOf(error);
    report({ type: "sync-failed", operation: "invalidate", origin: id, reason });
    return { trouble: { kind: "sync-unavailable", reason } };
  }
}
