import { sameText } from "./sameText.ts";

/** What a delivery says of itself in its headers (Standard Webhooks). */
export interface WebhookClaim {
  /** Of what is delivered, the same when it is delivered again. */
  id: string;
  /** When it was sent, in seconds since 1970, as it was written: the signature covers the text. */
  timestamp: string;
  /** Each `v1,<base64>`: several, while its sender changes secrets. */
  signatures: readonly string[];
}

/** Why a delivery is nobody's word. */
export type WebhookRefusal =
  /** Its headers are not there, or have not the form that they must have. */
  | { kind: "webhook-unsigned" }
  /** It says that it was sent too long ago, or too far in the future. */
  | { kind: "webhook-stale" }
  /** None of its signatures is the origin's. */
  | { kind: "webhook-signature" };

/** How far from now a delivery may say that it was sent, in ms, either way. */
export const TOLERANCE_MS = 300_000;

const MAX_ID = 256;
const MAX_SIGNATURES = 16;

/** Reads the headers of a delivery. `now` is epoch ms. */
export function claimIn(headers: Headers, now: number): WebhookClaim | { refusal: WebhookRefusal } {
  const id = headers.get("webhook-id") ?? "";
  const timestamp = headers.get("webhook-timestamp") ?? "";
  const signatures = (headers.get("webhook-signature") ?? "").split(" ", MAX_SIGNATURES).filter((one) => one !== "");
  const isFormed = id !== "" && id.length <= MAX_ID && /^\d{1,12}$/.test(timestamp) && signatures.length > 0;
  if (!isFormed) return { refusal: { kind: "webhook-unsigned" } };
  if (Math.abs(now - sentAt({ timestamp })) > TOLERANCE_MS) return { refusal: { kind: "webhook-stale" } };
  return { id, timestamp, signatures };
}

/** When a delivery says that it was sent, epoch ms. */
export function sentAt({ timestamp }: Pick<WebhookClaim, "timestamp">): number {
  return Number(timestamp) * 1_000;
}

/** Whether one of a delivery's signatures is that of its id, its timestamp and its body, byte for byte, under the key. */
export async function isSigned(
  { id, timestamp, signatures }: WebhookClaim,
  body: ArrayBuffer,
  key: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  const signed = await new Blob([`${id}.${timestamp}.`, body]).arrayBuffer();
  const own = `v1,${new Uint8Array(await crypto.subtle.sign("HMAC", imported, signed)).toBase64()}`;
  // All are compared, and each in the same time.
  return signatures.filter((one) => sameText(one, own)).length > 0;
}

/**
 * The key that a secret stands for: `whsec_` and its bytes in base64, as Standard Webhooks has it; any other text is its
 * UTF-8 bytes. `undefined` where there is none.
 */
export function webhookKey(secret: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (typeof secret !== "string") return undefined;
  try {
    const bytes = secret.startsWith("whsec_")
      ? Uint8Array.fromBase64(secret.slice("whsec_".length))
      : new TextEncoder().encode(secret);
    return bytes.length === 0 ? undefined : (bytes as Uint8Array<ArrayBuffer>);
  } catch {
    return undefined;
  }
}
