import type { Berth } from "../access/InFlight.ts";
import type { OriginFailure } from "../origin/failure.ts";
import type { Exchange } from "./Exchange.ts";

/** The runtime ends what goes on behind a caller that has gone 30 s later, and says nothing. */
const AFTERLIFE_MS = 35_000;
/** How many streams of sessions one caller may have at an origin: as many as listeners of one caller. */
const MAX_STREAMS = 250;

/** Nobody counts it. */
export const FREE: Berth = { leave: () => {}, endsWithin: () => {} };

/**
 * A place for a call among those that its caller has at origins; why there is none, where it has as many as it may. To be
 * left when the call is over. Those of one `key` have one together. `goesOn`: it does so when its caller has gone.
 */
export function berthFor(
  x: Exchange,
  { key, goesOn = false }: { key?: string; goesOn?: boolean } = {},
): Berth | { failure: OriginFailure } {
  const payer = isCounted(x) ? x.payer() : undefined;
  if (payer === undefined) return FREE;
  const isStream = x.httpMethod === "GET";
  const { inFlight } = x.isolate;
  const most = isStream ? MAX_STREAMS : x.replica.limits.concurrency;
  const berth = inFlight.enter(isStream ? `${payer} streams` : payer, most, x.now(), key);
  if (!berth) return { failure: { kind: "too-many-calls" } };
  x.left().addEventListener("abort", () => (goesOn ? berth.endsWithin(AFTERLIFE_MS, x.now()) : berth.leave()));
  return berth;
}

/** What ends a session or gives up a call makes room, and what wants no answer takes none for long. */
function isCounted({ httpMethod, body }: Exchange): boolean {
  if (httpMethod !== "POST") return httpMethod === "GET";
  const { id, method } = body as { id?: unknown; method?: unknown };
  return id !== undefined && method !== undefined;
}
