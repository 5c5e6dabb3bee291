import type { MirrorStatus } from "./MirrorStatus.ts";

/** How a collection stands that nobody has wanted yet. */
export function unwoken(origin: string, collection: string): MirrorStatus {
  return {
    origin,
    collection,
    version: 0,
    rows: 0,
    asOf: null,
    pulling: null,
    pulled: null,
    failed: null,
    pulls: { done: 0, failed: 0 },
    nextAt: null,
    suspect: 0,
    verified: {},
    stopped: {},
  };
}
