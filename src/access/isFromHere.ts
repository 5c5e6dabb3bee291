import { isLoopback } from "../config/address.ts";

/**
 * Whether a request was made on this machine, as far as can be told: by a name of this machine, and not by way of
 * Cloudflare's edge, which says whom it had it from; callers cannot unsay that.
 */
export function isFromHere(hostname: string, headers: Headers): boolean {
  if (!isLoopback(hostname)) return false;
  const address = headers.get("cf-connecting-ip");
  return address === null || /^(::ffff:)?127\.0\.0\.1$|^::1$/.test(address);
}
