import type { PulseReply } from "../../sync/Pulse.ts";
import type { Trouble } from "../errors.ts";
import { readBody } from "../readBody.ts";
import { askSync, type AskObject, type Invalidated, type Syncing } from "./askSync.ts";
import { askTenants } from "./askTenants.ts";
import { originNamed } from "./originNamed.ts";
import { parsePurge } from "./purgeRequest.ts";
import { respondJson } from "./respondJson.ts";

const MAX_BYTES = 1_048_576;

/** Serves `POST /admin/purge`: invalidates tags of an origin, for every isolate and all tenants. */
export async function servePurge(syncing: Syncing, request: Request, env: Cloudflare.Env): Promise<Response> {
  return respondJson(await purge(syncing, request, env), syncing.report, "/admin/purge");
}

async function purge(
  syncing: Syncing,
  request: Request,
  env: Cloudflare.Env,
): Promise<Invalidated | { trouble: Trouble }> {
  if (request.method !== "POST") return { trouble: { kind: "method-not-allowed" } };
  const read = await readBody(request, null, MAX_BYTES);
  if ("trouble" in read) return read;
  const parsed = parsePurge(read.text);
  if ("detail" in parsed) return { trouble: { kind: "bad-purge", detail: parsed.detail } };

  const { tags, hard } = parsed;
  const origin = originNamed(syncing.replica, parsed.origin);
  if ("trouble" in origin) return origin;
  const invalidate: AskObject<PulseReply> = (object, since) => object.invalidate(tags, { hard }, since);
  const asked = await askSync(syncing, env, origin, "invalidate", invalidate);
  if ("trouble" in asked) return asked;
  const others = await askTenants(syncing, env, origin, "invalidate", invalidate);
  if ("trouble" in others) return others;
  const { feedId, seq } = asked.reply;
  return { origin: origin.settings.id, tags, hard, feedId, seq };
}
