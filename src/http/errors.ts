import type { Refusal } from "../access/authenticate.ts";
import type { Failure } from "../lanes/Exchange.ts";
import { CODE, META_ERROR } from "../mcp/names.ts";
import { http, inBand, limited, type Worded } from "./words/Worded.ts";
import { wordOperator, type OperatorTrouble } from "./words/wordOperator.ts";
import { wordOrigin } from "./words/wordOrigin.ts";
import { wordOutbox } from "./words/wordOutbox.ts";

/** Everything for which the replica words an error itself. */
export type Trouble =
  | Failure
  | Refusal
  | OperatorTrouble
  | { kind: "rate-limited"; retryAfterMs: number }
  | { kind: "token-needed" }
  | { kind: "get-only" }
  | { kind: "get-or-post" }
  | { kind: "bad-host" }
  | { kind: "bad-origin" }
  | { kind: "from-page" }
  | { kind: "unknown-path"; known: readonly string[] }
  | { kind: "unsupported-media-type" }
  | { kind: "too-large"; maxBytes: number }
  | { kind: "not-json" }
  | { kind: "too-deep"; maxDepth: number }
  | { kind: "defect" };

/** To whom an error is told. */
export interface Told {
  /** The request's id; `null` where it could not be read. */
  id: string | number | null;
  /** Whether it is a JSON-RPC request at all. */
  isRequest: boolean;
  /** Whether the request calls a tool: then an error that the caller can act on is a tool result. */
  isToolCall: boolean;
  isModern: boolean;
  correlationId: string;
}

/** An error on the wire. */
export interface WireError {
  status: number;
  /** `data.code`: what a program goes by. */
  code: string;
  body: string;
  /** When it may be tried again, where that is known. */
  retryAfterMs?: number;
}

/** Of a name in a sentence. */
const MAX_TOLD = 200;

/** Turns any trouble into what the caller gets: what happened, and what to do about it. */
export function wireError(trouble: Trouble, told: Told): WireError {
  const { status, rpcCode, code, message, retryAfterMs, operationId, data } = word(trouble);
  const facts = {
    code,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(operationId !== undefined && { operationId }),
    correlationId: told.correlationId,
  };
  if (status === "in-band" && told.isToolCall && told.id !== null) {
    const result = {
      content: [{ type: "text", text: message }],
      isError: true,
      ...(told.isModern && { resultType: "complete" }),
      _meta: { [META_ERROR]: facts },
    };
    return { status: 200, code, body: JSON.stringify({ jsonrpc: "2.0", id: told.id, result }) };
  }
  const error = { code: rpcCode, message, data: { ...(data as object | undefined), ...facts } };
  // What is no request (GET, DELETE, a notification) has no answer in which a failure could be told: there HTTP tells it.
  const outOfBand = OUT_OF_BAND.get(code) ?? 502;
  return {
    status: status !== "in-band" ? status : told.isRequest ? 200 : outOfBand,
    code,
    body: JSON.stringify({ jsonrpc: "2.0", id: told.id, error }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}

/** The HTTP status of errors that cannot be told in band, by their code. */
const OUT_OF_BAND: ReadonlyMap<string, number> = new Map([
  ["denied", 403],
  ["origin_timeout", 504],
  ["origin_unavailable", 503],
  ["shed", 503],
  ["rate_limited", 429],
  ["too_many_calls", 429],
]);

function word(trouble: Trouble): Worded {
  switch (trouble.kind) {
    case "origin": {
      const { failure } = trouble;
      const isOurs = failure.kind === "token-needed" || failure.kind === "asked-back";
      return isOurs ? word(failure) : wordOrigin(failure);
    }
    case "not-cached":
      return inBand(
        "not_cached",
        "The replica has no stored answer to this, and was asked not to go to the origin. Ask without only-if-cached.",
      );
    case "cursor-gone":
      return {
        ...inBand("cursor_gone", "That cursor is no longer valid. Start again without a cursor."),
        rpcCode: CODE.invalidParams,
      };
    case "session-gone":
      return {
        ...http(404, "session_not_found", "Session not found: it has ended, or is not yours. Send initialize again."),
        rpcCode: CODE.sessionNotFound,
      };
    case "no-such-form":
      return inBand(
        "needs_newer_client",
        "The origin answers this with a question back or a task, for which this client's protocol revision has no form. Use a client of revision 2026-07-28.",
      );
    case "asked-back":
      return inBand(
        "needs_session",
        `The origin asks the client something in the middle of this call, which needs a session of a revision before 2026-07-28.${trouble.said === undefined ? "" : ` Told that nobody can be asked, it answered: ${trouble.said}`}`,
      );
    case "session-wanted":
      return inBand(
        "needs_session",
        "The origin wants a session, which revision 2026-07-28 has not. Use a client that can initialize.",
      );
    case "denied":
      return {
        ...inBand(
          "denied",
          `You may not use ${trouble.what} here. The lists show what you may use; the operator of this replica decides on it.`,
        ),
        rpcCode: CODE.invalidParams,
      };
    case "invalid-arguments": {
      const places = trouble.places.map(({ at, expected }) => `${at === "" ? "they" : at} ${expected}`).join("; ");
      return inBand(
        "invalid_arguments",
        `The arguments are not what the tool ${trouble.tool.slice(0, MAX_TOLD)} wants: ${places}. Nothing was sent to the origin. Mend them, and call again.`,
      );
    }
    case "not-announced":
      return inBand(
        "sync_unavailable",
        "The replica could not announce this write to those who must see it, so nothing was sent to the origin. Try again.",
        1_000,
      );
    case "consistency-unavailable":
      return inBand(
        "consistency_unavailable",
        "The origin server cannot be reached, and the replica cannot find out whether what it has stored is still true. Try again later.",
        1_000,
      );
    case "unknown-operation":
      return {
        ...inBand(
          "unknown_operation",
          `You have no operation ${trouble.id.slice(0, MAX_TOLD)} here: there never was one, it is another's, or it is over for so long that it is forgotten.`,
        ),
        rpcCode: trouble.isLegacy ? CODE.resourceNotFound : CODE.invalidParams,
        ...(trouble.uri !== undefined && { data: { uri: trouble.uri } }),
      };
    case "operations-unavailable":
      return inBand(
        "outbox_unavailable",
        "What has become of queued writes cannot be looked up just now. Nothing is lost: ask again.",
        1_000,
      );
    case "pending-writes": {
      const { count, retryAfterMs } = trouble;
      const writes = count === 1 ? "A write is" : `${count} writes are`;
      return inBand(
        "pending_writes",
        `${writes} waiting to be sent to the origin server, and will change what the replica has stored of this: until then it is not given. Try again later.`,
        retryAfterMs,
      );
    }
    case "over-limit":
      return limited(trouble.tool === undefined ? "requests" : `calls of ${trouble.tool}`, trouble.retryAfterMs);
    case "write-queued":
    case "write-unanswered":
    case "write-refused":
    case "outbox-unavailable":
    case "idempotency-key-invalid":
    case "idempotency-unsupported":
      return wordOutbox(trouble);
    case "too-many-streams":
      return inBand(
        "too_many_streams",
        "The replica has as many listeners as it can serve here. Try again later.",
        10_000,
      );
    case "rejected":
      return {
        status: trouble.status,
        rpcCode: trouble.code,
        code: trouble.reason.replaceAll("-", "_"),
        message: trouble.message,
        data: trouble.data,
      };
    case "unauthorized":
      return http(
        401,
        "unauthorized",
        "A valid API key or access token is needed: send it as Authorization: Bearer <key or token>.",
      );
    case "insufficient-scope":
      return http(
        403,
        "insufficient_scope",
        `The token was granted too little for this. Ask its issuer for one with the scopes: ${trouble.scopes.join(" ")}.`,
      );
    case "issuer-unavailable":
      return {
        ...http(
          503,
          "issuer_unavailable",
          "The keys of the token's issuer cannot be had, so nobody can tell whether it is valid. Try again later.",
        ),
        retryAfterMs: 5_000,
      };
    case "token-needed":
      return http(
        401,
        "token_needed",
        "This origin server is asked in the caller's own name: send an access token of the authorization server, not an API key, as Authorization: Bearer.",
      );
    case "closed":
      return http(
        403,
        "open_on_loopback_only",
        "This replica is open on loopback only. Its operator can set access.keys, or access.openOnPurpose.",
      );
    case "unconfigured":
      return http(403, "access_not_configured", `Nobody can be let in: ${trouble.detail}.`);
    case "keys-unavailable":
      return {
        ...http(503, "keys_unavailable", "Keys cannot be looked up or changed just now. Try again."),
        retryAfterMs: 1_000,
      };
    case "rate-limited": {
      const { retryAfterMs } = trouble;
      const again = `Try again in ${Math.ceil(retryAfterMs / 1_000)} s.`;
      return { ...http(429, "rate_limited", `Too much has come in a short time. ${again}`), retryAfterMs };
    }
    case "bad-host":
      return http(
        403,
        "host_not_served",
        "This replica does not serve the name it was called by. Its operator can add the name to hosts.",
      );
    case "bad-origin":
      return http(
        403,
        "origin_not_allowed",
        "This replica does not serve pages of that Origin. Its operator can add the name to hosts.",
      );
    case "from-page":
      return http(403, "origin_not_allowed", "Pages of browsers may not ask this. Use the command line, or a server.");
    case "unknown-path":
      return http(404, "not_found", `There is nothing at this path. Served here: ${trouble.known.join(", ")}.`);
    case "method-not-allowed":
      return http(405, "method_not_allowed", "Use POST: this endpoint keeps no sessions and offers no stream on GET.");
    case "get-only":
      return http(405, "method_not_allowed", "Use GET: there is nothing to change here.");
    case "get-or-post":
      return http(405, "method_not_allowed", "Use GET to look, and POST to change something.");
    case "unsupported-media-type":
      return http(415, "unsupported_media_type", "Send the message as Content-Type: application/json.");
    case "too-large":
      return http(413, "body_too_large", `The request is larger than the ${trouble.maxBytes} bytes allowed here.`);
    case "not-json":
      return { ...http(400, "not_json", "Parse error: the body is not JSON in UTF-8."), rpcCode: CODE.parse };
    case "too-deep":
      return http(400, "too_deep", `The message nests deeper than the ${trouble.maxDepth} levels allowed here.`);
    case "defect":
      return {
        ...inBand("internal", "The replica failed on this request. Report it with the correlation id."),
        rpcCode: CODE.internal,
      };
    default:
      return wordOperator(trouble);
  }
}
