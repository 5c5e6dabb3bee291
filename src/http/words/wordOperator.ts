import type { AdminRefusal } from "../../access/authenticateAdmin.ts";
import type { WebhookRefusal } from "../../access/webhookSignature.ts";
import { http, type Worded } from "./Worded.ts";

/** Why operators, and origins' webhooks, do not get what they ask for. */
export type OperatorTrouble =
  | AdminRefusal
  | WebhookRefusal
  | { kind: "webhook-not-configured" }
  | { kind: "bad-webhook"; detail: string }
  | { kind: "bad-key"; detail: string }
  | { kind: "unknown-key"; id: string }
  | { kind: "unknown-role"; role: string; known: readonly string[] }
  | { kind: "bad-purge"; detail: string }
  | { kind: "bad-sync"; detail: string }
  | { kind: "mirror-sync-unavailable"; reason: string }
  | { kind: "bad-warm"; detail: string }
  | { kind: "warm-not-cached"; tool: string }
  | { kind: "warm-private"; tool: string }
  | { kind: "bad-rows"; detail: string }
  | { kind: "unknown-collection"; known: readonly string[] }
  | { kind: "rows-unavailable"; reason: string }
  | { kind: "bad-jobs"; detail: string }
  | { kind: "unknown-job"; id: string; origin: string }
  | { kind: "jobs-unavailable"; reason: string }
  | { kind: "unknown-origin"; known: readonly string[] }
  | { kind: "sync-unavailable"; reason: string };

/** What they are told. */
export function wordOperator(trouble: OperatorTrouble): Worded {
  switch (trouble.kind) {
    case "bad-key":
      return http(400, "bad_key", `What is to be done about keys cannot be understood: ${trouble.detail}.`);
    case "unknown-key":
      return http(404, "unknown_key", `There is no key ${trouble.id}. List them to see which there are.`);
    case "unknown-role":
      return http(
        400,
        "unknown_role",
        `There is no role ${trouble.role} in access.roles. ${trouble.known.length > 0 ? `There are: ${trouble.known.join(", ")}.` : "There are none."}`,
      );
    case "admin-unauthorized":
      return http(401, "admin_unauthorized", "The admin token is needed: send it as Authorization: Bearer <token>.");
    case "admin-closed":
      return http(
        403,
        "admin_on_loopback_only",
        "Without the secret ADMIN_TOKEN this is open on loopback only. Its operator can set the secret.",
      );
    case "webhook-unsigned":
      return http(
        403,
        "webhook_unsigned",
        "Sign the delivery as Standard Webhooks has it: with the headers webhook-id, webhook-timestamp and webhook-signature.",
      );
    case "webhook-stale":
      return http(
        403,
        "webhook_stale",
        "The webhook-timestamp is more than five minutes from now. Sign each attempt anew, by a clock that is right.",
      );
    case "webhook-signature":
      return http(
        403,
        "webhook_signature",
        "No webhook-signature is one of this id, timestamp and body under the origin's secret. Sign the bytes as they are sent.",
      );
    case "webhook-not-configured":
      return http(
        404,
        "webhook_not_configured",
        "There is no webhook at this path. The operator gives an origin one by sync.webhook, and the secret that it names.",
      );
    case "bad-webhook":
      return http(400, "bad_webhook", `The delivery cannot be understood: ${trouble.detail}.`);
    case "bad-purge":
      return http(400, "bad_purge", `The purge cannot be understood: ${trouble.detail}.`);
    case "bad-sync":
      return http(400, "bad_sync", `What is to be pulled cannot be understood: ${trouble.detail}.`);
    case "mirror-sync-unavailable":
      return http(
        503,
        "mirror_sync_unavailable",
        `A MirrorSync object of the origin cannot be reached, and nobody knows whether its pull has begun: ${trouble.reason}. Try again.`,
      );
    case "bad-warm":
      return http(400, "bad_warm", `What is to be kept cannot be understood: ${trouble.detail}.`);
    case "warm-not-cached":
      return http(
        400,
        "warm_not_cached",
        `Answers of the tool ${trouble.tool} are not kept here, so there is nothing to do. Its operator can give it a cache.`,
      );
    case "warm-private":
      return http(
        400,
        "warm_private",
        `Answers of the tool ${trouble.tool} are private: one that was kept in advance would be nobody's. Where all may have the same, set cache.scope to "public".`,
      );
    case "bad-rows":
      return http(400, "bad_rows", `Which rows are wanted cannot be understood: ${trouble.detail}.`);
    case "unknown-collection":
      return http(
        404,
        "unknown_collection",
        trouble.known.length > 0
          ? `Name one of these collections: ${trouble.known.join(", ")}.`
          : "This origin has no collections. Its operator can give it some.",
      );
    case "rows-unavailable":
      return http(
        503,
        "rows_unavailable",
        `D1 does not answer as it should: ${trouble.reason}. Were the migrations applied (wrangler d1 migrations apply DB --remote)? Else try again.`,
      );
    case "bad-jobs":
      return http(400, "bad_jobs", `What is wanted of queued writes cannot be understood: ${trouble.detail}.`);
    case "unknown-job":
      return http(
        404,
        "unknown_job",
        `The outbox of ${trouble.origin} has no operation ${trouble.id}: it is forgotten, or another's. Name the origin, or for a tenant's ORIGIN@HASH; list with tenants=all to see which tenants have some.`,
      );
    case "jobs-unavailable":
      return http(
        503,
        "jobs_unavailable",
        `The Outbox object of the origin cannot be reached, and nobody knows whether it has done what was asked: ${trouble.reason}. Look, and try again.`,
      );
    case "unknown-origin":
      return http(404, "unknown_origin", `Name one of these origins: ${trouble.known.join(", ")}.`);
    case "sync-unavailable":
      return http(
        503,
        "sync_unavailable",
        `An OriginSync object of the origin cannot be reached, and nothing was invalidated for certain: ${trouble.reason}. Try again.`,
      );
  }
}
