import * as z from "zod";
import { MAX_TENANT_LENGTH } from "../config/tenant.ts";

/** An API key as kept in KV, under `key/<id>`. Never the key itself. Times are epoch ms. */
export interface StoredKey {
  /** What people call it. */
  name: string;
  /** HMAC-SHA-256 of the whole key under the pepper, in hex. */
  hmac: string;
  createdAt: number;
  /** Of `access.roles`. One that is not there any more gives nothing. */
  roles?: string[] | undefined;
  /** Whose world its caller lives in. */
  tenant?: string | undefined;
  /** As if an issuer had granted them. */
  scopes?: string[] | undefined;
  /** From then on it lets nobody in. Absent: it lasts. */
  expiresAt?: number | undefined;
  /** The key before it was rotated, which works until then as well. */
  previous?: { hmac: string; until: number } | undefined;
}

/** How a key stands. */
export type KeyState = "active" | "rotating" | "expired";

/** What people call a key. */
export const keyName = z.string().regex(/^[\w.@ -]{1,64}$/, "1 to 64 letters, digits, blanks or . _ @ -");
/** The roles of a key. */
export const keyRoles = z
  .array(z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, "the name of a role"))
  .max(16, "at most 16");
/** The tenant of a key. */
export const keyTenant = z
  .string()
  .refine((name) => /^\P{C}+$/u.test(name) && name.length <= MAX_TENANT_LENGTH, "1 to 128 characters");
/** The scopes of a key (RFC 6749, 3.3). */
export const keyScopes = z
  .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/, "a scope"))
  .max(64, "at most 64");

const hmac = z.string().regex(/^[0-9a-f]{64}$/);
const at = z.int().min(0);
// Strict: what this version does not know may be a bound that it would not keep.
const shape = z.strictObject({
  name: keyName,
  hmac,
  createdAt: at,
  roles: keyRoles.optional(),
  tenant: keyTenant.optional(),
  scopes: keyScopes.optional(),
  expiresAt: at.optional(),
  previous: z.strictObject({ hmac, until: at }).optional(),
});

/** The record in a text; `undefined` where it is none: then there is no such key. */
export function parseKey(text: string): StoredKey | undefined {
  try {
    return shape.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** How a key stands at a time. */
export function keyState({ previous, expiresAt = Infinity }: StoredKey, now: number): KeyState {
  if (expiresAt <= now) return "expired";
  return previous !== undefined && previous.until > now ? "rotating" : "active";
}
