import { isObject } from "./isObject.ts";

/**
 * A session of the revisions before 2026-07-28, as this replica opened it for a caller. It is kept nowhere: the caller
 * carries it, sealed, as its session id.
 */
export interface Session {
  /** Names the session where its answers are kept, and where its end is noted. Tells nothing of the origin's id. */
  name: string;
  /** The origin's own id; absent where it was opened while the origin was down. */
  originId?: string;
  principal: string;
  /** The protocol version that was agreed on. */
  version: string;
  /** What the client declared it can do. */
  capabilities: Readonly<Record<string, unknown>>;
  /** Whether the capabilities stand for what was declared, instead of repeating it: nobody else can declare the same. */
  isAbridged?: true;
  /** Epoch ms. */
  expiresAt: number;
}

/** What a sealed id begins with: the version of its form. */
const FORM = "er1.";
const IV_BYTES = 12;

/**
 * The session as an id for the caller (visible ASCII, basic/transports): AES-GCM, so that it can be neither read nor
 * made by anybody else. `iv` is 12 random bytes; `bound` is what the id must be used with.
 */
export async function seal(
  key: CryptoKey,
  session: Session,
  bound: string,
  iv: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const plain = new TextEncoder().encode(JSON.stringify(session));
  const sealed = new Uint8Array(await crypto.subtle.encrypt(parametersOf(iv, bound), key, plain));
  const bytes = new Uint8Array(IV_BYTES + sealed.length);
  bytes.set(iv);
  bytes.set(sealed, IV_BYTES);
  return FORM + bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** The session in a sealed id; `undefined` where this replica did not seal it, or not for this use. */
export async function unseal(key: CryptoKey, id: string, bound: string): Promise<Session | undefined> {
  if (!id.startsWith(FORM)) return undefined;
  try {
    const bytes = Uint8Array.fromBase64(id.slice(FORM.length), { alphabet: "base64url" });
    // One session has one id: blanks, and bits that count for nothing, would spell it in another way.
    if (id !== FORM + bytes.toBase64({ alphabet: "base64url", omitPadding: true })) return undefined;
    const iv = bytes.slice(0, IV_BYTES);
    const plain = await crypto.subtle.decrypt(parametersOf(iv, bound), key, bytes.slice(IV_BYTES));
    const session: unknown = JSON.parse(new TextDecoder().decode(plain));
    return isObject(session) ? (session as unknown as Session) : undefined;
  } catch {
    return undefined;
  }
}

function parametersOf(iv: Uint8Array<ArrayBuffer>, bound: string) {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(bound) };
}
