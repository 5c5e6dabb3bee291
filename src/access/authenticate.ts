import type { Access } from "../config/replica.ts";
import type { DevCaller } from "../config/types.ts";
import { SILENT, type Reporter } from "../telemetry/events.ts";
import { ANYBODY, type Caller } from "./Caller.ts";
import { principalOf } from "./callerIn.ts";
import { isFromHere } from "./isFromHere.ts";
import { KeyDoor, type KeyCredentials, type KeyRefusal } from "./KeyDoor.ts";
import { Remembered } from "./Remembered.ts";
import { sameText } from "./sameText.ts";
import { Strangers } from "./Strangers.ts";
import { Tokens } from "./Tokens.ts";

const OPEN: Authenticated = Object.freeze({ caller: ANYBODY });

/** Why a caller is not let in. */
export type Refusal =
  | KeyRefusal
  /** No credential (then there is no reason), or not a valid one. `reason` is for the log: it has nothing of the credential. */
  | { kind: "unauthorized"; reason?: string }
  /** A valid token, which was granted less than is needed. */
  | { kind: "insufficient-scope"; scopes: readonly string[] }
  /** Whether the token is valid nobody can tell now: the keys of its issuer cannot be had. */
  | { kind: "issuer-unavailable"; issuer: string }
  /** The replica is open on loopback only, and this is not loopback. */
  | { kind: "closed" }
  /** The configuration lets nobody in, or a secret it needs is missing. */
  | { kind: "unconfigured"; detail: string };

/** Who it is, or why not. */
export type Authenticated = { caller: Caller } | { refusal: Refusal };

/** What authentication reads. */
export interface Credentials extends KeyCredentials {
  /** The URL of what it called, see `Place`: whom its token must be for. */
  resource: string;
}

/** Keys are remembered for this long: a revoked one may work as much longer. */
const REMEMBERED_KEY_MS = 60_000;

/** What may come of one address that has a token's form and is none: each costs a look at its signature. */
const FORGERIES = { burst: 100, perSecond: 5 };

/** A token is not remembered to its very end, in ms: answering takes its time. */
const EARLY_MS = 5_000;

/** Where a key is good: it names no endpoint. */
const ANYWHERE = "";

/** What any key begins with, and where that stands in a header. */
const KEY_SIGN = "erk_";
const SIGN_AT = "Bearer ".length;

const UNAUTHORIZED: Authenticated = { refusal: Object.freeze({ kind: "unauthorized" }) };

/** Decides who calls, before anything else of the request is looked at. */
export class Authenticator {
  readonly #access: Access;
  readonly #tokens: Tokens | undefined;
  readonly #dev: ReadonlyMap<string, Authenticated & { caller: Caller }>;
  /** Whether there is anything that a credential could be. */
  readonly #looks: boolean;
  readonly #keepsToken: boolean;
  readonly #remembered = new Remembered();
  readonly #keys = new KeyDoor();
  readonly #strangers = new Strangers(FORGERIES);

  /** `keepsToken`: whether callers carry their tokens, because some origin is asked with them. */
  constructor(
    access: Access,
    { report = SILENT, keepsToken = false }: { report?: Reporter; keepsToken?: boolean } = {},
  ) {
    const { keys, jwt, dev } = access;
    this.#access = access;
    this.#tokens = jwt && new Tokens(jwt, report);
    this.#dev = new Map([...(dev ?? [])].map(([token, who]) => [token, devCaller(who)]));
    this.#looks = keys || jwt !== undefined || dev !== undefined;
    this.#keepsToken = keepsToken;
  }

  /** At once where access is open, and where who calls is remembered. */
  authenticate(by: Credentials): Authenticated | Promise<Authenticated> {
    const { open, openOnPurpose } = this.#access;
    const authorization = this.#looks ? by.headers.get("authorization") : null;
    if (authorization !== null) {
      const where = authorization.startsWith(KEY_SIGN, SIGN_AT) ? ANYWHERE : by.resource;
      return this.#remembered.find(where, authorization, by.now()) ?? this.#bySent(authorization, where, by);
    }
    // A tunnel may give a request of anybody's a loopback name.
    if (open && (openOnPurpose || isFromHere(by.hostname, by.headers.get("cf-connecting-ip")))) return OPEN;
    if (this.#looks) return UNAUTHORIZED;
    if (open) return { refusal: { kind: "closed" } };
    return { refusal: { kind: "unconfigured", detail: "the configuration's access lets nobody in" } };
  }

  async #bySent(authorization: string, where: string, by: Credentials): Promise<Authenticated> {
    const sent = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
    if (sent === undefined) return refused("no bearer token");
    const dev = this.#byDevToken(sent, by);
    if (dev) return dev;
    const isKey = sent.startsWith(KEY_SIGN);
    if (!isKey && this.#tokens) return this.#byToken(this.#tokens, sent, authorization, where, by);
    if (!this.#access.keys) return refused("no kind of credential that is taken");
    const checked = await this.#keys.check(sent, by);
    if ("refusal" in checked) return checked;
    const { caller, until } = checked;
    const found = { caller: until < Number.POSITIVE_INFINITY ? { ...caller, lapsesAt: until } : caller };
    const now = by.now();
    this.#remembered.keep(where, authorization, found, Math.min(until, now + REMEMBERED_KEY_MS), now);
    return found;
  }

  /** Development tokens are few and short: nothing is won by remembering them. */
  #byDevToken(sent: string, { hostname, headers }: Credentials): Authenticated | undefined {
    let found: Authenticated | undefined;
    // All are compared, and each in the same time.
    for (const [token, who] of this.#dev) if (sameText(token, sent)) found = who;
    if (!found) return undefined;
    return isFromHere(hostname, headers.get("cf-connecting-ip"))
      ? found
      : refused("a development token, but not on loopback");
  }

  async #byToken(
    tokens: Tokens,
    sent: string,
    authorization: string,
    where: string,
    by: Credentials,
  ): Promise<Authenticated> {
    const { headers, hostname, now } = by;
    const stranger = this.#strangers.elsewhere(headers, hostname);
    const retryAfterMs = stranger?.take(now()) ?? 0;
    if (retryAfterMs > 0) return { refusal: { kind: "rate-limited", retryAfterMs } };
    const verified = await tokens.verify(sent, by.resource, this.#keepsToken, by);
    // That its keys cannot be had is not the caller's doing.
    if (!("reason" in verified)) stranger?.giveBack();
    if ("caller" in verified) {
      const found = { caller: verified.caller };
      this.#remembered.keep(where, authorization, found, verified.expiresAt - EARLY_MS, by.now());
      return found;
    }
    if ("lacks" in verified) return { refusal: { kind: "insufficient-scope", scopes: verified.lacks } };
    if ("unavailable" in verified) return { refusal: { kind: "issuer-unavailable", issuer: verified.unavailable } };
    return refused(`token: ${verified.reason}`);
  }
}

function refused(reason: string): Authenticated {
  return { refusal: { kind: "unauthorized", reason } };
}

function devCaller({ subject, roles, tenant, scopes = [] }: DevCaller): { caller: Caller } {
  const granted = [...new Set(scopes)].sort();
  const principal = principalOf("dev", undefined, subject, tenant, granted);
  return {
    caller: Object.freeze({ principal, roles: roles ?? [], scopes: granted, ...(tenant !== undefined && { tenant }) }),
  };
}
