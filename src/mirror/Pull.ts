import type { Collection } from "../config/mirror.ts";
import type { MirrorStore } from "./MirrorStore.ts";
import type { Budget, Position, PullState, PullStep } from "./PullState.ts";
import type { Seen } from "./Seen.ts";
import type { Source } from "./Source.ts";

/** What a pull works with. */
export interface Pulling {
  store: MirrorStore;
  source: Source;
  collection: Collection;
  seen: Seen;
  /** Epoch ms. */
  now: () => number;
  /** How far the origin's feed is known, before the first page is asked for; of no account when a pull goes on. */
  position: Position;
}

/** What a step uses where nothing else is said: the Free plan has 50 requests for an invocation. */
export const STEP: Budget = { requests: 40, ms: 20_000 };

/** Brings a collection's rows into D1 as a version of their own, in steps. */
export class Pull {
  constructor(pulling: Pulling) {
    void pulling;
  }

  /** Goes on from where the last step ended; begins without a state. Never throws. */
  async step(_state: PullState | undefined, _budget: Budget = STEP): Promise<PullStep> {
    throw new Error("");
  }
}
