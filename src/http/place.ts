import { isLoopback } from "../config/address.ts";

/** Where a request is addressed to: what serving it needs of its URL. */
export type Place = Readonly<Pick<URL, "hostname" | "host" | "pathname">> & {
  /** Scheme and host. Off loopback the scheme is https, whatever a proxy has made of it. */
  readonly base: string;
  /** The endpoint's own name, for tokens (RFC 8707, 2; RFC 9728, 1.2): its URL without a query. */
  readonly resource: string;
};

/** Of a URL that is none, for instance because of its `Host`: nowhere that is served. */
const NOWHERE: Place = { hostname: "", host: "", pathname: "", base: "", resource: "" };

const REMEMBERED = 100;
const known = new Map<string, Place>();

/** The place of a request's URL. Callers use the same few again and again, and parsing one costs more than most of a hit. */
export function placeOf(url: string): Place {
  let place = known.get(url);
  if (!place) {
    if (!URL.canParse(url)) return NOWHERE;
    const { protocol, hostname, host, pathname } = new URL(url);
    const base = `${isLoopback(hostname) ? protocol : "https:"}//${host}`;
    if (known.size >= REMEMBERED) known.clear();
    known.set(url, (place = { hostname, host, pathname, base, resource: base + pathname }));
  }
  return place;
}
