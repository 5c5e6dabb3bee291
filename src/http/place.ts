/** Where a request is addressed to: what serving it needs of its URL. */
export type Place = Readonly<Pick<URL, "hostname" | "host" | "pathname">>;

/** Of a URL that is none, for instance because of its `Host`: nowhere that is served. */
const NOWHERE: Place = { hostname: "", host: "", pathname: "" };

const REMEMBERED = 100;
const known = new Map<string, Place>();

/** The place of a request's URL. Callers use the same few again and again, and parsing one costs more than most of a hit. */
export function placeOf(url: string): Place {
  let place = known.get(url);
  if (!place) {
    if (!URL.canParse(url)) return NOWHERE;
    const { hostname, host, pathname } = new URL(url);
    if (known.size >= REMEMBERED) known.clear();
    known.set(url, (place = { hostname, host, pathname }));
  }
  return place;
}
