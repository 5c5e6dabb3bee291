import { ANONYMOUS, type Caller } from "./Caller.ts";
import { isFromHere } from "./isFromHere.ts";
import { networkOf } from "./networkOf.ts";

/** For whom a call is counted; `undefined` where nobody counts. */
export type Payer = string | undefined;

/** Who pays for what the replica does of its own accord. */
export const NOBODY = (): Payer => undefined;

/** What says who calls. */
interface Asking {
  caller: Pick<Caller, "principal">;
  /** The host that the caller addressed, without its port. */
  hostname: string;
  /** `CF-Connecting-IP`: Cloudflare sets it, whatever a caller sends. No other header is looked at, for those a caller writes. */
  address: string | null;
}

/**
 * For whom a call is counted: its principal, or its address where anybody may call. On this machine nobody counts, unless
 * the request came through Cloudflare, as through a tunnel.
 */
export function payerOf({ caller, hostname, address }: Asking): Payer {
  if (isFromHere(hostname, address)) return undefined;
  return caller.principal === ANONYMOUS ? `address:${networkOf(address ?? "")}` : withoutScopes(caller.principal);
}

/** Who it is, whatever was granted: whoever may choose the scopes of its tokens would otherwise have as many limits as there are choices. */
export function withoutScopes(principal: string): string {
  return principal.startsWith("[") ? JSON.stringify((JSON.parse(principal) as unknown[]).slice(0, -1)) : principal;
}
