import type { OwnTokenAuth } from "../config/originAuth.ts";
import type { askToken, Granted, TokenAnswer } from "./askToken.ts";
import type { Bindings } from "./callOrigin.ts";
import type { OriginFailure } from "./failure.ts";
import { grantOf, type Grant } from "./grantOf.ts";
import { seal, unseal } from "./sealed.ts";

/** A token, and until when it need not be asked for again, epoch ms; or why there is none. Plain data. */
export type TokenReply = { token: string; until: number } | { failure: OriginFailure };

/** Where one thing is kept. */
export interface Drawer {
  read: () => string | undefined;
  write: (value: string) => void;
}

/** What keeping a token needs. Clock and chance are passed in. */
export interface OwnTokenTools {
  drawer: Drawer;
  bindings: Bindings;
  ask: typeof askToken;
  /** Epoch ms. */
  now: () => number;
  /** 0 to 1. */
  random: () => number;
  waitUntil: (work: Promise<unknown>) => void;
  /** Gets why there is no token, when that is found out. Nothing secret is in it. */
  failed: (reason: string) => void;
}

/** A token is renewed when so much of its time is left, and not after so much of it, in ms. */
const RENEW_SHARE = 0.2;
const RENEW_MS = 120_000;
/** It is not used in the last moments of its time: calls take theirs. */
const LAST_MS = 5_000;
/** While it is being renewed, who has the old one asks again after this. */
const SOON_MS = 1_000;
/** Because the origin refuses it, it is renewed no more often: where the next one is refused as well, it is not the reason. */
const FORCED_EVERY_MS = 10_000;
const REST_MS = 1_000;
const MAX_REST_MS = 60_000;

/** What there is. */
interface Kept {
  granted?: Granted & { at: number };
  refreshToken?: string;
}

/**
 * The replica's own token at an origin: got, kept and renewed for everybody, by one request at a time. What has to outlive
 * the object is sealed with the secret that it comes of: without that the storage says nothing, and what is kept is
 * forgotten when the secret is another.
 */
export class OwnToken {
  readonly #tools: OwnTokenTools;
  #kept: { grant: Grant; what: Kept } | undefined;
  #opening: Promise<Kept> | undefined;
  #renewing: Promise<TokenReply> | undefined;
  #forcedAt = Number.NEGATIVE_INFINITY;
  #rest: { until: number; count: number; failure: OriginFailure } | undefined;

  constructor(tools: OwnTokenTools) {
    this.#tools = tools;
  }

  /** The token to be used now; `refused` is one that the origin has refused: then another, unless that was tried just now. */
  async find(auth: OwnTokenAuth, refused?: string): Promise<TokenReply> {
    const { now, bindings, waitUntil } = this.#tools;
    const grant = grantOf(auth, bindings);
    if ("failure" in grant) return grant;
    const { granted } = await this.#open(grant);
    if (!granted || now() >= granted.expiresAt - LAST_MS) return this.#renew(grant);
    const mayForce = this.#renewing || this.#rest || now() - this.#forcedAt >= FORCED_EVERY_MS;
    if (granted.token === refused && mayForce) {
      this.#forcedAt = now();
      return this.#renew(grant);
    }
    const renewAt = renewAtOf(granted);
    if (now() < renewAt) return { token: granted.token, until: renewAt };
    // It is good still: nobody waits for the next one.
    waitUntil(this.#renew(grant));
    return { token: granted.token, until: Math.min(now() + SOON_MS, granted.expiresAt - LAST_MS) };
  }

  /** What there is of this grant. */
  async #open(grant: Grant): Promise<Kept> {
    const isSame = this.#kept?.grant.secret === grant.secret && this.#kept.grant.purpose === grant.purpose;
    if (isSame) return this.#kept!.what;
    this.#opening ??= this.#read(grant).finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  async #read(grant: Grant): Promise<Kept> {
    const sealed = this.#tools.drawer.read();
    const text = sealed === undefined ? undefined : await unseal(sealed, grant.secret, grant.purpose);
    const what = text === undefined ? {} : (JSON.parse(text) as Kept);
    this.#kept = { grant, what };
    // What failed before may not fail with another secret.
    this.#rest = undefined;
    return what;
  }

  /** One at a time, for all who want one meanwhile. */
  #renew(grant: Grant): Promise<TokenReply> {
    this.#renewing ??= this.#ask(grant).finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #ask(grant: Grant): Promise<TokenReply> {
    const { now, random, ask } = this.#tools;
    if (this.#rest && now() < this.#rest.until)
      return { failure: waiting(this.#rest.failure, this.#rest.until - now()) };
    const { refreshToken } = this.#kept!.what;
    const params = { ...grant.params, ...(refreshToken !== undefined && { refresh_token: refreshToken }) };
    const answer = await ask(grant.client, params, now);
    if ("granted" in answer) {
      this.#rest = undefined;
      return this.#keep(grant, answer.granted, refreshToken);
    }
    const failure = failureOf(answer, grant);
    const count = (this.#rest?.count ?? 0) + 1;
    const ownMs = failure.kind === "no-token" ? failure.retryAfterMs : 0;
    const ms = Math.max(ownMs, Math.min(MAX_REST_MS, REST_MS * 2 ** count) * (0.5 + 0.5 * random()));
    this.#rest = { until: now() + ms, count, failure };
    this.#tools.failed("detail" in failure ? failure.detail : failure.kind);
    return { failure: waiting(failure, ms) };
  }

  async #keep(grant: Grant, granted: Granted, before: string | undefined): Promise<TokenReply> {
    const { drawer, now } = this.#tools;
    const { refreshToken = before, ...rest } = granted;
    const what: Kept = {
      granted: { ...rest, at: now() },
      ...(refreshToken !== undefined && { refreshToken }),
    };
    this.#kept = { grant, what };
    // The one before may be good no more: nobody has this token before what follows it is written down.
    drawer.write(await seal(JSON.stringify(what), grant.secret, grant.purpose));
    return { token: granted.token, until: renewAtOf({ ...granted, at: now() }) };
  }
}

/** When the next token is asked for, epoch ms. */
function renewAtOf({ expiresAt, at }: Granted & { at: number }): number {
  return expiresAt - Math.max(LAST_MS, Math.min(RENEW_MS, RENEW_SHARE * (expiresAt - at)));
}

/** As somebody may act on it. */
function failureOf(answer: Exclude<TokenAnswer, { granted: Granted }>, { client, purpose }: Grant): OriginFailure {
  if ("failure" in answer) return answer.failure;
  const { host } = new URL(client.tokenEndpoint);
  const again = purpose === "login" ? ": it may be that npm run replica -- login has to be run again" : "";
  return {
    kind: "misconfigured",
    detail: `the authorization server ${host} refuses the replica (${answer.refused})${again}`,
  };
}

function waiting(failure: OriginFailure, ms: number): OriginFailure {
  return failure.kind === "no-token" ? { ...failure, retryAfterMs: Math.ceil(ms) } : failure;
}
