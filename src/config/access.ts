import { parseDuration } from "./duration.ts";
import { ALGORITHMS, type JwtAlgorithm, type PublicJwk } from "./publicJwk.ts";
import type { Issuer, Replica } from "./replica.ts";
import { resolveRoles } from "./roles.ts";
import type { AccessConfig, JwtConfig } from "./types.ts";

/** Who may call, with every default filled in. What is not configured is absent. */
export function resolveAccess({ open, openOnPurpose, keys, jwt, dev, roles }: AccessConfig = {}): Replica["access"] {
  const issuers = issuersOf(jwt);
  return {
    open: open ?? false,
    openOnPurpose: openOnPurpose ?? false,
    keys: keys ?? false,
    ...(issuers.length > 0 && { jwt: issuers.map(resolveIssuer) }),
    ...(dev && { dev: new Map(Object.entries(dev.tokens)) }),
    ...(roles && { roles: resolveRoles(roles) }),
  };
}

/** The issuers in the operator's file, one or several. */
export function issuersOf(jwt: AccessConfig["jwt"] = []): readonly JwtConfig[] {
  return Array.isArray(jwt) ? jwt : [jwt];
}

function resolveIssuer(config: JwtConfig): Issuer {
  const { issuer, audience, jwks, algorithms, typ, claims, scopes, clockTolerance } = config;
  return {
    issuer,
    audience: audience === undefined ? undefined : [audience].flat(),
    jwks: typeof jwks === "string" ? { url: jwks } : { keys: jwks.keys as PublicJwk[] },
    algorithms: algorithms ?? (Object.keys(ALGORITHMS) as JwtAlgorithm[]),
    typ: typ ?? "at+jwt",
    claims: claims ?? {},
    scopes: [...new Set(scopes)].sort(),
    clockToleranceS: (parseDuration(clockTolerance) ?? 30_000) / 1_000,
  };
}
