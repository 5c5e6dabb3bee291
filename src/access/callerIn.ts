import type { Issuer } from "../config/replica.ts";
import { MAX_TENANT_LENGTH } from "../config/tenant.ts";
import { isObject } from "../mcp/isObject.ts";
import { unescaped } from "../mcp/pointer.ts";
import type { Caller, Principal } from "./Caller.ts";

const MAX_TEXT = 512;
const MAX_WORDS = 128;

/** Who a verified token stands for; or why it does not say so in a way that can be relied on. */
export function callerIn(
  payload: Readonly<Record<string, unknown>>,
  { issuer, claims }: Pick<Issuer, "issuer" | "claims">,
): Caller | { fault: string } {
  const { sub } = payload;
  if (!isText(sub)) return { fault: "sub" };
  const scopes = wordsIn(claims.scopes ? claimIn(payload, claims.scopes) : (payload["scope"] ?? payload["scp"]), " ");
  if (!scopes) return { fault: "scopes" };
  const roles = wordsIn(claims.roles && claimIn(payload, claims.roles));
  if (!roles) return { fault: "roles" };
  const tenant = claims.tenant === undefined ? undefined : claimIn(payload, claims.tenant);
  if (claims.tenant !== undefined && !(isText(tenant) && tenant.length <= MAX_TENANT_LENGTH))
    return { fault: "tenant" };
  return {
    principal: principalOf("jwt", issuer, sub, tenant as string | undefined, scopes),
    roles,
    scopes,
    ...(tenant !== undefined && { tenant: tenant as string }),
  };
}

/**
 * The stable name of somebody whom an issuer vouches for: what is the same in each token of theirs that grants the same.
 * Canonical JSON (RFC 8785), as lists of texts are when written without spaces. `scopes` are sorted.
 */
export function principalOf(
  kind: "jwt" | "dev",
  issuer: string | undefined,
  subject: string,
  tenant: string | undefined,
  scopes: readonly string[],
): Principal {
  const whose = issuer === undefined ? [subject] : [issuer, subject];
  return JSON.stringify([kind, ...whose, tenant ?? null, scopes]);
}

/** A claim by its name, or by a JSON Pointer (RFC 6901): what a token inherits from JavaScript is none. */
export function claimIn(payload: unknown, name: string): unknown {
  const path = name.startsWith("/") ? name.slice(1).split("/").map(unescaped) : [name];
  let value = payload;
  for (const part of path) {
    if (!isObject(value) || !Object.hasOwn(value, part)) return undefined;
    value = value[part];
  }
  return value;
}

/** Words in a claim, sorted, each once: a text (in which `separator` may be between words) or an array; none where it is absent. */
function wordsIn(claim: unknown, separator?: string): string[] | undefined {
  if (claim === undefined) return [];
  const words: unknown[] | undefined =
    typeof claim === "string"
      ? separator === undefined
        ? [claim]
        : claim.split(separator).filter(Boolean)
      : Array.isArray(claim)
        ? claim
        : undefined;
  if (!words || words.length > MAX_WORDS || !words.every(isText)) return undefined;
  return [...new Set(words)].sort();
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= MAX_TEXT && value.isWellFormed();
}
