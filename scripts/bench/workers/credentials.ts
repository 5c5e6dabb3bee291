import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { keyHmac, newKey } from "../../../src/access/keys.ts";
import { KeyStore } from "../../../src/access/KeyStore.ts";
import type { AccessConfig, LimitsConfig } from "../../../src/config/types.ts";
import { LIMITER, type Asker } from "../inside.ts";

/** What a caller shows, and the replica that takes it. */
export interface Credentials {
  access: AccessConfig;
  limits?: LimitsConfig;
  /** The `Authorization` headers of a batch: one for all of its calls, or one for each. */
  headers: string[];
  /** What Cloudflare says of where the caller is: on this machine itself nobody is counted. */
  address?: string;
  /** What the replica reads them with. */
  env: Partial<Cloudflare.Env>;
}

const PEPPER = "a pepper of the bench";
const ISSUER = "https://issuer.example";

/** What the Worker that measures has of the platform. */
export interface Bindings {
  KV: KVNamespace;
  [LIMITER]: RateLimit;
}

/** What that caller shows. `count` is how many tokens of its own each batch needs, where none may be known. */
export async function credentialsOf(asker: Asker, bindings: Bindings, count: number): Promise<Credentials> {
  switch (asker) {
    case "anybody":
      return { access: { open: true }, headers: [], env: {} };
    case "key":
      return withKey(bindings.KV);
    case "token":
      return withTokens(1);
    case "counted token":
      return counted({ limit: async () => ({ success: true }) });
    case "locally counted token":
      return counted(bindings[LIMITER]);
    case "new token":
      return withTokens(count);
  }
}

async function withKey(kv: KVNamespace): Promise<Credentials> {
  const { id, key } = newKey((bytes) => crypto.getRandomValues(new Uint8Array(bytes)));
  const now = Date.now();
  await new KeyStore(kv).write(id, { name: "bench", hmac: await keyHmac(key, PEPPER), createdAt: now }, now);
  return { access: { keys: true }, headers: [`Bearer ${key}`], env: { KV: kv, KEY_PEPPER: PEPPER } };
}

async function counted(limiter: RateLimit): Promise<Credentials> {
  const env = { [LIMITER]: limiter } as Partial<Cloudflare.Env>;
  return { ...(await withTokens(1)), limits: { edge: LIMITER }, address: "203.0.113.7", env };
}

async function withTokens(count: number): Promise<Credentials> {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: "bench", alg: "ES256", use: "sig" };
  const sign = (nth: number) =>
    new SignJWT({ scope: "mcp:read mcp:write", jti: String(nth) })
      .setProtectedHeader({ alg: "ES256", kid: "bench", typ: "at+jwt" })
      .setIssuer(ISSUER)
      .setSubject("a-caller-of-some-kind")
      .setAudience("https://replica.example.com/mcp")
      .setIssuedAt()
      .setExpirationTime("2h")
      .sign(privateKey);
  const headers: string[] = [];
  while (headers.length < count) headers.push(`Bearer ${await sign(headers.length)}`);
  const issuer = { issuer: ISSUER, audience: "https://replica.example.com/mcp", jwks: { keys: [jwk] } };
  return { access: { jwt: issuer }, headers, env: {} };
}
