import { S3Fifo } from "../cache/S3Fifo.ts";
import type { OwnTokenAuth, TokenAuth } from "../config/originAuth.ts";
import type { OriginSettings } from "../config/replica.ts";
import { askToken } from "./askToken.ts";
import type { Bindings } from "./callOrigin.ts";
import type { OriginFailure } from "./failure.ts";
import { tokenSync } from "./originSync.ts";
import type { TokenReply } from "./OwnToken.ts";

/** What the origin is to be shown. `token` is there where another may be had in its stead. */
export interface Credential {
  header: string;
  value: string;
  token?: string;
}

/** What is remembered of tokens, of all origins and principals, in characters; and what one takes besides its own and its name's. */
const REMEMBERED = 8 * 1_048_576;
const OVERHEAD = 200;
/** A token of a principal is not used in the last moments of its time. */
const LAST_MS = 5_000;
/** Because the origin refuses it, it is exchanged anew no more often. */
const FORCED_EVERY_MS = 10_000;
/** Who is refused a token is refused it for as long. */
const REFUSED_MS = 5_000;
/** An exchange of which nothing is heard for so long is lost. Longer than one takes. */
const LEASE_MS = 15_000;
const LOOK_EVERY_MS = 20;
/** What a header's value is made of (RFC 9110, 5.5). */
const SHOWABLE = /^[\t\x20-\x7e\x80-\xff]+$/;

/** What is remembered of a token; times are epoch ms. `undefined` reply: somebody is asking for it. */
interface Remembered {
  reply: TokenReply | undefined;
  until: number;
  /** When it was got because the one before was refused. */
  forcedAt?: number;
}

// Plain data, so that it may outlive a request: the promise of one is nothing that another may wait for.
const remembered = new S3Fifo<Remembered>(REMEMBERED);

function remember(key: string, what: Remembered): void {
  const length = what.reply && "token" in what.reply ? what.reply.token.length : 0;
  remembered.set(key, what, key.length + length + OVERHEAD);
}

/** What the origin is to be shown with a request; `undefined` where that is nothing. At once where it is known. */
export function credentialOf(
  origin: OriginSettings,
  bindings: Bindings,
): Credential | { failure: OriginFailure } | undefined | Promise<Credential | { failure: OriginFailure }> {
  const { auth, caller } = origin;
  if (auth === undefined) return undefined;
  if (auth.kind === undefined) {
    const secret = bindings[auth.secret];
    const misconfigured = (how: string) =>
      ({ failure: { kind: "misconfigured", detail: `the secret ${auth.secret} ${how}` } }) as const;
    if (typeof secret !== "string" || secret.trim() === "") return misconfigured("is not set");
    // A request with it could not be made, which would look like an origin that cannot be reached.
    if (!SHOWABLE.test(secret.trim())) return misconfigured("has characters that no header can have");
    return { header: auth.header, value: auth.prefix + secret.trim() };
  }
  const isOwn = auth.kind === "client-credentials" || auth.kind === "login";
  if (!isOwn && !caller) return { failure: { kind: "token-needed" } };
  if (auth.kind === "forward") return bearer(caller!.token, false);
  const known = remembered.get(keyOf(origin));
  if (known?.reply && Date.now() < known.until) return shown(known.reply);
  return (isOwn ? own(origin, auth, bindings) : exchanged(origin, auth, bindings)).then(shown);
}

/** Another credential than the one that the origin has refused (401), or why there is none; `undefined` where it would be the same. */
export async function anotherCredential(
  origin: OriginSettings,
  bindings: Bindings,
  refused: string,
): Promise<Credential | { failure: OriginFailure } | undefined> {
  const auth = origin.auth as TokenAuth;
  const known = remembered.get(keyOf(origin));
  // Others may have got another meanwhile.
  const isSame = known?.reply && "token" in known.reply && known.reply.token === refused;
  if (isSame && Date.now() - (known.forcedAt ?? 0) < FORCED_EVERY_MS) return undefined;
  if (isSame) remembered.delete(keyOf(origin));
  const reply =
    auth.kind === "exchange"
      ? await exchanged(origin, auth, bindings, isSame)
      : await own(origin, auth, bindings, refused);
  return "token" in reply && reply.token === refused ? undefined : shown(reply);
}

function shown(reply: TokenReply): Credential | { failure: OriginFailure } {
  return "token" in reply ? bearer(reply.token, true) : reply;
}

function bearer(token: string, isRenewable: boolean): Credential {
  return { header: "authorization", value: `Bearer ${token}`, ...(isRenewable && { token }) };
}

/** Whose token it is: the replica's, or a principal's. */
function keyOf({ identity, id, caller, auth }: OriginSettings): string {
  return JSON.stringify([id, identity, auth?.kind === "exchange" ? caller!.principal : null]);
}

/** The replica's own token, of which `OriginSync` takes care. */
async function own(
  origin: OriginSettings,
  auth: OwnTokenAuth,
  bindings: Bindings,
  refused?: string,
): Promise<TokenReply> {
  let reply: TokenReply;
  try {
    reply = await tokenSync(bindings as unknown as Cloudflare.Env, origin).ownToken(auth, refused);
  } catch {
    const detail = "the origin's OriginSync object, which has the token, cannot be reached";
    return { failure: { kind: "no-token", detail, retryAfterMs: 1_000 } };
  }
  // Of a failure the object remembers as much as is needed.
  if ("token" in reply) remember(keyOf(origin), { reply, until: reply.until });
  return reply;
}

/** The caller's token for the origin, for its own (RFC 8693). */
async function exchanged(
  origin: OriginSettings,
  auth: Extract<TokenAuth, { kind: "exchange" }>,
  bindings: Bindings,
  isForced = false,
): Promise<TokenReply> {
  const key = keyOf(origin);
  let known = remembered.get(key);
  while (known && !known.reply && Date.now() < known.until) {
    await scheduler.wait(LOOK_EVERY_MS);
    known = remembered.get(key);
  }
  if (known?.reply && Date.now() < known.until) return known.reply;
  const forced = isForced && { forcedAt: Date.now() };
  const keep = (reply: TokenReply | undefined, until: number) => remember(key, { reply, until, ...forced });
  keep(undefined, Date.now() + LEASE_MS);
  const reply = await exchange(origin, auth, bindings);
  if ("token" in reply) keep(reply, reply.until);
  else keep(reply, Date.now() + (reply.failure.kind === "no-token" ? reply.failure.retryAfterMs : REFUSED_MS));
  return reply;
}

async function exchange(
  { caller }: OriginSettings,
  auth: Extract<TokenAuth, { kind: "exchange" }>,
  bindings: Bindings,
): Promise<TokenReply> {
  const { tokenEndpoint, clientId, secret, audience, resource, scope } = auth;
  const clientSecret = bindings[secret];
  if (typeof clientSecret !== "string" || clientSecret === "") {
    return { failure: { kind: "misconfigured", detail: `the secret ${secret} is not set` } };
  }
  const params = {
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token: caller!.token,
    subject_token_type: ACCESS_TOKEN,
    requested_token_type: ACCESS_TOKEN,
    audience,
    resource,
    scope,
  };
  const answer = await askToken({ tokenEndpoint, clientId, clientSecret }, params, Date.now);
  if ("granted" in answer) {
    const { token, expiresAt } = answer.granted;
    // It says what the caller might do by the token that it came of: that is not so for longer.
    return { token, until: Math.min(expiresAt - LAST_MS, caller!.lapsesAt) };
  }
  if ("failure" in answer) return answer;
  const { host } = new URL(tokenEndpoint);
  if (answer.refused === "invalid_client" || answer.refused === "unauthorized_client") {
    const detail = `the authorization server ${host} refuses the replica (${answer.refused})`;
    return { failure: { kind: "misconfigured", detail } };
  }
  return { failure: { kind: "not-granted", server: `the authorization server ${host}`, error: answer.refused } };
}

const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
