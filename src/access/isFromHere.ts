import { isLoopback } from "../config/address.ts";

/**
 * Whether a request was made on this machine, as far as can be told: by a name of this machine, and not by way of
 * Cloudflare's edge, as through a tunnel. `address` is its `CF-Connecting-IP`: whom the edge had it from; callers cannot unsay it.
 */
export function isFromHere(hostname: string, address: string | null): boolean {
  return isLoopback(hostname) && (address === null || /^(::ffff:)?127\.0\.0\.1$|^::1$/.test(address));
}
