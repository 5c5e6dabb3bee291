import { Strangers } from "../../access/Strangers.ts";
import { claimIn, isSigned, sentAt, TOLERANCE_MS, webhookKey } from "../../access/webhookSignature.ts";
import type { DeliveryReply } from "../../sync/Deliveries.ts";
import type { Trouble } from "../errors.ts";
import { guard } from "../guard.ts";
import { placeOf } from "../place.ts";
import { readBytes, textOf } from "../readBody.ts";
import { askSync, type AskObject, type Invalidated, type Syncing } from "./askSync.ts";
import { askTenants } from "./askTenants.ts";
import { respondJson } from "./respondJson.ts";
import { parseWebhook } from "./webhookRequest.ts";

const MAX_BYTES = 65_536;

/** What may come of one address that is not signed. */
const UNSIGNED = { burst: 100, perSecond: 5 };

/** What may still come of whom, for an isolate. */
export function newStrangers(): Strangers {
  return new Strangers(UNSIGNED);
}

/** What was heeded; of a delivery that had been before, nothing is done. */
type Heeded = Invalidated & { duplicate?: true };

/** Serves `POST /sync/<origin>`: an origin says what has changed, in a delivery that it signs (Standard Webhooks). */
export async function serveWebhook(
  syncing: Syncing & { strangers: Strangers },
  id: string,
  request: Request,
  env: Cloudflare.Env,
): Promise<Response> {
  // Anybody may make up an id.
  const endpoint = `/sync/${syncing.replica.origins.has(id) ? id : "-"}`;
  return respondJson(await heed(syncing, id, request, env), syncing.report, endpoint);
}

async function heed(
  syncing: Syncing & { strangers: Strangers },
  id: string,
  request: Request,
  env: Cloudflare.Env,
): Promise<Heeded | { trouble: Trouble }> {
  const { replica, report, strangers } = syncing;
  const { headers } = request;
  if (Number(headers.get("content-length")) > MAX_BYTES) return { trouble: { kind: "too-large", maxBytes: MAX_BYTES } };
  const turnedAway = guard(placeOf(request.url), null, replica.hosts);
  if (turnedAway) return { trouble: turnedAway };
  // No page of a browser is an origin.
  if (headers.has("origin")) return { trouble: { kind: "from-page" } };
  if (request.method !== "POST") return { trouble: { kind: "method-not-allowed" } };
  const now = Date.now();
  const stranger = strangers.of(headers);
  const waitMs = stranger.take(now);
  if (waitMs > 0) return { trouble: { kind: "rate-limited", retryAfterMs: waitMs } };

  const origin = replica.origins.get(id);
  const secret = origin?.webhookSecret;
  // Whether there is such an origin is nothing to strangers.
  if (!origin || secret === undefined) return { trouble: { kind: "webhook-not-configured" } };
  const key = webhookKey((env as unknown as Record<string, unknown>)[secret]);
  if (!key) {
    const reason = `the secret ${secret} is not set, or is whsec_ without base64`;
    report({ type: "sync-failed", operation: "deliver", origin: id, reason });
    return { trouble: { kind: "webhook-not-configured" } };
  }
  const claim = claimIn(headers, now);
  if ("refusal" in claim) return { trouble: claim.refusal };
  const bytes = await readBytes(request, MAX_BYTES);
  if (!bytes) return { trouble: { kind: "too-large", maxBytes: MAX_BYTES } };
  if (!(await isSigned(claim, bytes, key))) return { trouble: { kind: "webhook-signature" } };
  stranger.giveBack();

  const read = textOf(bytes);
  const news = "trouble" in read ? { detail: "the body is not UTF-8" } : parseWebhook(read.text);
  if ("detail" in news) return { trouble: { kind: "bad-webhook", detail: news.detail } };
  const delivery = { id: claim.id, until: sentAt(claim) + TOLERANCE_MS, ...news };
  const deliver: AskObject<DeliveryReply> = (object, since) => object.deliver(delivery, since);
  const asked = await askSync(syncing, env, origin, "deliver", deliver);
  if ("trouble" in asked) return asked;
  // Also what was delivered before: it may not have come to all of them.
  const others = await askTenants(syncing, env, origin, "deliver", deliver);
  if ("trouble" in others) return others;
  for (const { delivery } of [asked.reply, ...others.replies]) {
    if (delivery.taken === "refused") return { trouble: { kind: "rate-limited", retryAfterMs: delivery.retryAfterMs } };
  }
  const { feedId, seq, delivery: heeded } = asked.reply;
  return { origin: id, ...news, feedId, seq, ...(heeded.taken === "duplicate" && { duplicate: true }) };
}
