/** A public key as an issuer publishes it (RFC 7517): only what is sound in it may be relied on. */
export type PublicJwk = Readonly<Record<string, unknown>> & { readonly kty: string };

/** The algorithms that tokens may be signed with, and what kind of key each needs. None that anybody could verify with a secret, and not `none`. */
export const ALGORITHMS = {
  RS256: { kty: "RSA" },
  RS384: { kty: "RSA" },
  RS512: { kty: "RSA" },
  PS256: { kty: "RSA" },
  PS384: { kty: "RSA" },
  PS512: { kty: "RSA" },
  ES256: { kty: "EC", crv: "P-256" },
  ES384: { kty: "EC", crv: "P-384" },
  ES512: { kty: "EC", crv: "P-521" },
  EdDSA: { kty: "OKP", crv: "Ed25519" },
  Ed25519: { kty: "OKP", crv: "Ed25519" },
} as const;

/** One of those algorithms. */
export type JwtAlgorithm = keyof typeof ALGORITHMS;

/** Members that only private or shared keys have (RFC 7518, 6; RFC 8037, 2). */
const PRIVATE = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

const MAX_TEXT = 2_048;
const MIN_RSA_BITS = 2_048;
const MAX_RSA_BITS = 8_192;

/** What a sound key would have been, where this is none; `undefined` where it is one. */
export function unsound(key: unknown): string | undefined {
  if (typeof key !== "object" || key === null || Array.isArray(key)) return "a public key as a JWK";
  const jwk = key as Record<string, unknown>;
  if (PRIVATE.some((name) => Object.hasOwn(jwk, name))) return "a public key: who can read this one can sign with it";
  const { kty, crv, kid, use, key_ops: ops } = jwk;
  if (kid !== undefined && !isText(kid)) return "kid to be a text, or absent";
  if (use !== undefined && use !== "sig") return 'use to be "sig", or absent';
  if (ops !== undefined && !(Array.isArray(ops) && ops.includes("verify")))
    return 'key_ops to have "verify", or absent';
  switch (kty) {
    case "RSA":
      return unsoundRsa(jwk);
    case "EC":
      if (crv !== "P-256" && crv !== "P-384" && crv !== "P-521") return "the curve P-256, P-384 or P-521";
      return isText(jwk["x"]) && isText(jwk["y"]) ? undefined : "x and y";
    case "OKP":
      return crv === "Ed25519" && isText(jwk["x"]) ? undefined : "the curve Ed25519, and x";
    default:
      return "a key of the type RSA, EC or OKP";
  }
}

/** Short keys can be factored, and to the power of 1 anything is its own signature. */
function unsoundRsa({ n, e }: Record<string, unknown>): string | undefined {
  const [modulus, exponent] = [bigEndian(n), bigEndian(e)];
  const bits = modulus ? (modulus.length - 1) * 8 + (32 - Math.clz32(modulus.charCodeAt(0))) : 0;
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) return `an RSA key of ${MIN_RSA_BITS} to ${MAX_RSA_BITS} bits`;
  const isOdd = exponent !== undefined && exponent.charCodeAt(exponent.length - 1) % 2 === 1;
  return isOdd && exponent !== "\x01" ? undefined : "an odd public exponent of 3 or more";
}

/** The bytes of a number in base64url, without zeros before it, as characters. */
function bigEndian(text: unknown): string | undefined {
  if (!isText(text) || !/^[\w-]+$/.test(text) || text.length % 4 === 1) return undefined;
  const bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return bytes.replace(/^\0+/, "") || undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= MAX_TEXT;
}
