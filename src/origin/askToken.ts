import { isObject } from "../mcp/isObject.ts";
import { messageIn } from "../mcp/messageIn.ts";
import type { OriginFailure } from "./failure.ts";
import { readSome } from "./readSome.ts";
import { retryAfterMs } from "./retryAfter.ts";

/** Who asks for a token, and where. */
export interface TokenClient {
  tokenEndpoint: string;
  clientId: string;
  /** Absent for a public client. */
  clientSecret?: string;
}

/** A token as an authorization server gave it. */
export interface Granted {
  token: string;
  /** Epoch ms. */
  expiresAt: number;
  /** What the next one is asked for with, where that has changed. */
  refreshToken?: string;
}

/** The token, or why there is none. `error` is the authorization server's own word, where it refused (RFC 6749, 5.2). */
export type TokenAnswer = { granted: Granted } | { refused: string } | { failure: OriginFailure };

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 65_536;
/** A token that does not say how long it is good for is used for as long. */
const DEFAULT_S = 300;
const MAX_S = 30 * 86_400;
const AGAIN_MS = 1_000;
/** It is asked again after this at the latest, whatever it says: without a token nothing of the origin can be served. */
const MAX_AGAIN_MS = 60_000;

/**
 * Asks an authorization server for a token (RFC 6749; the client says who it is by `client_secret_basic`). What goes wrong
 * is told without anything of what was sent or answered but the server's name and its error code. Never throws.
 */
export async function askToken(
  { tokenEndpoint, clientId, clientSecret }: TokenClient,
  params: Readonly<Record<string, string | undefined>>,
  now: () => number,
): Promise<TokenAnswer> {
  const { host } = new URL(tokenEndpoint);
  const body = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value !== undefined) body.set(name, value);
  const headers: Record<string, string> = { accept: "application/json" };
  if (clientSecret === undefined) body.set("client_id", clientId);
  else headers["authorization"] = `Basic ${btoa(`${encoded(clientId)}:${encoded(clientSecret)}`)}`;
  const askedAt = now();
  let response: Response;
  let text: string;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    response = await fetch(tokenEndpoint, { method: "POST", headers, body, redirect: "manual", signal });
    const some = await readSome(response, MAX_BYTES, TIMEOUT_MS);
    if (!("whole" in some)) {
      if ("rest" in some) some.rest.cancel().catch(() => {});
      return down(host, "gives no answer that can be read");
    }
    text = await new Blob(some.whole as Uint8Array<ArrayBuffer>[]).text();
  } catch {
    return down(host, "cannot be reached");
  }
  const { status } = response;
  const told = messageIn(text);
  if (status === 200) {
    const granted = told && grantedIn(told, askedAt);
    return granted ? { granted } : down(host, "gives no token that can be used");
  }
  const error = told?.["error"];
  // What a client must not be told is no 4xx: a limit, and whatever says nothing of OAuth.
  const isWord = typeof error === "string" && /^[a-z_]{1,64}$/.test(error);
  if (isWord && status >= 400 && status < 500 && status !== 429 && error !== "temporarily_unavailable") {
    return { refused: error };
  }
  return down(host, `answers with HTTP ${status}`, retryAfterMs(response.headers.get("retry-after"), now()));
}

function down(host: string, how: string, waitMs = AGAIN_MS): TokenAnswer {
  const detail = `the authorization server ${host} ${how}`;
  return { failure: { kind: "no-token", detail, retryAfterMs: Math.min(MAX_AGAIN_MS, Math.max(AGAIN_MS, waitMs)) } };
}

/** The token in an answer (RFC 6749, 5.1). Anything but a bearer token, of characters that a header may have, is none. */
function grantedIn(answer: Readonly<Record<string, unknown>>, askedAt: number): Granted | undefined {
  const { access_token: token, token_type: type, expires_in: seconds, refresh_token: refreshToken } = answer;
  if (typeof token !== "string" || !/^[\x21-\x7e]{1,16384}$/.test(token)) return undefined;
  if (typeof type !== "string" || type.toLowerCase() !== "bearer") return undefined;
  const stated = Number(seconds ?? DEFAULT_S);
  const lastsS = stated > 0 ? Math.min(stated, MAX_S) : 0;
  return {
    token,
    expiresAt: askedAt + lastsS * 1_000,
    ...(typeof refreshToken === "string" && refreshToken !== "" && { refreshToken }),
  };
}

/** As in a form (RFC 6749, 2.3.1). */
function encoded(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}

/** The members of a secret, where it is a JSON object of texts. */
export function textsIn(secret: string): Partial<Record<string, string>> | undefined {
  const parsed = messageIn(secret);
  return isObject(parsed) && Object.values(parsed).every((value) => typeof value === "string")
    ? (parsed as Record<string, string>)
    : undefined;
}
