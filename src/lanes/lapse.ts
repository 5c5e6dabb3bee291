import type { Exchange } from "./Exchange.ts";

/** Timers of the runtime reach no further than this, in ms; nor is anything open for as long. */
const FARTHEST_MS = 86_400_000;

/** Aborted when what let the caller in has lapsed: for what is open beyond an answer. None where that does not happen. */
export function lapse({ caller: { lapsesAt }, now }: Pick<Exchange, "caller" | "now">): AbortSignal[] {
  const left = lapsesAt === undefined ? FARTHEST_MS : lapsesAt - now();
  return left < FARTHEST_MS ? [AbortSignal.timeout(Math.max(0, left))] : [];
}
