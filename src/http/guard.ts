import type { Replica } from "../config/replica.ts";
import { isLoopback } from "../config/address.ts";
import type { Place } from "./place.ts";

/** Whether a name (a `Host`, or the host of a browser's `Origin`) is served: a loopback name, or one of the operator's. */
function isServed({ host, hostname }: Pick<Place, "host" | "hostname">, hosts: Replica["hosts"]): boolean {
  return isLoopback(hostname) || hosts.has(host) || hosts.has(hostname);
}

/**
 * Keeps out what is addressed to another name (DNS rebinding), and pages of other sites
 * (basic/transports/streamable-http: an invalid `Origin` MUST get 403).
 */
export function guard(
  place: Pick<Place, "host" | "hostname">,
  origin: string | null,
  hosts: Replica["hosts"],
): { kind: "bad-host" | "bad-origin" } | undefined {
  if (!isServed(place, hosts)) return { kind: "bad-host" };
  if (origin === null) return undefined;
  if (!URL.canParse(origin)) return { kind: "bad-origin" };
  const page = new URL(origin);
  // A page on this machine may call a replica on this machine, and no other.
  if (isLoopback(page.hostname) && !isLoopback(place.hostname) && !hosts.has(page.host)) return { kind: "bad-origin" };
  return isServed(page, hosts) ? undefined : { kind: "bad-origin" };
}
