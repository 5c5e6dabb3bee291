import { jwtVerify } from "jose/jwt/verify";
import type { JwtAlgorithm, PublicJwk } from "../config/publicJwk.ts";
import type { Issuer } from "../config/replica.ts";
import type { Reporter } from "../telemetry/events.ts";
import type { Caller } from "./Caller.ts";
import { callerIn } from "./callerIn.ts";
import { Jwks, type KeyAccess } from "./Jwks.ts";
import { readToken } from "./readToken.ts";

/** What came of a token. */
export type Verified =
  /** Whom it stands for, and when it lapses (epoch ms). */
  | { caller: Caller; expiresAt: number }
  /** It is good for nothing here. `reason` is for the log: it has nothing of the token. */
  | { reason: string }
  /** It is good, but not for so much. */
  | { lacks: readonly string[] }
  /** Nobody can tell now: its issuer's keys cannot be had. */
  | { unavailable: string };

/** None of the keys has signed it. */
const SIGNATURE = "signature";

/** Verifies access tokens (RFC 9068, RFC 8725). */
export class Tokens {
  readonly #issuers: ReadonlyMap<string, { rules: Issuer; jwks: Jwks }>;

  constructor(issuers: readonly Issuer[], report: Reporter) {
    this.#issuers = new Map(issuers.map((rules) => [rules.issuer, { rules, jwks: new Jwks(rules, report) }]));
  }

  /** `resource`: the URL of the endpoint that is called. `keepsToken`: whether the caller carries it, for the origin to be asked with. */
  async verify(token: string, resource: string, keepsToken: boolean, by: KeyAccess): Promise<Verified> {
    const said = readToken(token);
    if (!said) return { reason: "malformed" };
    // What nobody has verified chooses the rules; what it says is then held against them.
    const issuer = this.#issuers.get(said.issuer);
    if (!issuer) return { reason: "issuer" };
    const { rules, jwks } = issuer;
    const alg = rules.algorithms.find((one) => one === said.alg);
    if (!alg) return { reason: "algorithm" };
    const keys = await jwks.find({ alg, kid: said.kid }, by);
    if (!keys) return { unavailable: rules.issuer };
    if (keys.length === 0) return { reason: "key" };
    let payload = await payloadOf(token, keys, rules, alg, resource, by.now());
    if (payload === SIGNATURE) {
      const others = (await jwks.find({ alg, kid: said.kid }, by, true))?.filter((key) => !keys.includes(key)) ?? [];
      payload = await payloadOf(token, others, rules, alg, resource, by.now());
    }
    if (typeof payload === "string") return { reason: payload };
    const caller = callerIn(payload, rules);
    if ("fault" in caller) return { reason: caller.fault };
    if (!rules.scopes.every((scope) => caller.scopes?.includes(scope))) return { lacks: rules.scopes };
    const expiresAt = Number(payload["exp"]) * 1_000;
    const lapsesAt = expiresAt + rules.clockToleranceS * 1_000;
    return { caller: Object.freeze({ ...caller, lapsesAt, ...(keepsToken && { token }) }), expiresAt };
  }
}

/** What a token says that was signed with one of the keys and follows the rules; or why not. */
async function payloadOf(
  token: string,
  keys: readonly PublicJwk[],
  { issuer, audience, typ, clockToleranceS }: Issuer,
  alg: JwtAlgorithm,
  resource: string,
  now: number,
): Promise<Readonly<Record<string, unknown>> | string> {
  const rules = {
    algorithms: [alg],
    issuer,
    audience: [...(audience ?? [resource])],
    typ,
    requiredClaims: ["sub", "exp"],
    clockTolerance: clockToleranceS,
    currentDate: new Date(now),
  };
  let reason = SIGNATURE;
  for (const key of keys) {
    try {
      const { payload } = await jwtVerify(token, key, rules);
      const { iat } = payload;
      // Made in the future: by a clock that is wrong, or by nobody honest.
      return iat !== undefined && iat > now / 1_000 + clockToleranceS ? "iat" : payload;
    } catch (error) {
      reason = reasonIn(error);
      if (reason !== SIGNATURE) return reason;
    }
  }
  return reason;
}

function reasonIn(error: unknown): string {
  const { code, claim } = error as { code?: unknown; claim?: unknown };
  if (code === "ERR_JWS_SIGNATURE_VERIFICATION_FAILED") return SIGNATURE;
  return typeof claim === "string" ? claim : "malformed";
}
