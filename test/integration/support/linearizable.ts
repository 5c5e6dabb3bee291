/** One call at a register, as who made it saw it. Times are on one clock, in any unit. */
export interface Operation {
  /** Which register. */
  key: string;
  kind: "read" | "write";
  /** What was read, or written. */
  value: string;
  calledAt: number;
  /** Infinity where no answer came: a write may then have been made at any time after the call, or never. */
  returnedAt: number;
}

/** The keys of a history that has no order in which it could have happened, one call at a time, each between call and return. */
export function brokenKeys(history: readonly Operation[], initial: string): string[] {
  const byKey = Map.groupBy(history, ({ key }) => key);
  return [...byKey].filter(([, operations]) => !isLinearizable(operations, initial)).map(([key]) => key);
}

/**
 * Whether calls at one register are linearizable: Wing and Gong's search (1993), with Lowe's memory of what has been
 * tried (2017). Exponential at worst; quick where few calls overlap.
 */
export function isLinearizable(operations: readonly Operation[], initial: string): boolean {
  // A read without an answer says nothing.
  const all = operations.filter(({ kind, returnedAt }) => kind === "write" || returnedAt !== Infinity);
  const sorted = all.sort((a, b) => a.calledAt - b.calledAt);
  const tried = new Set<string>();
  const done = new Set<number>();

  const search = (value: string): boolean => {
    const open = candidates(sorted, done);
    if (open === "finished") return true;
    // What is open says what is done: everything else that began before the first of these returned.
    const state = `${open.join()} ${value}`;
    if (tried.has(state)) return false;
    tried.add(state);
    // Of reads that fit, the order among each other does not matter, and later they may not fit any more.
    const fitting = open.find((nth) => sorted[nth]!.kind === "read" && sorted[nth]!.value === value);
    const next = fitting === undefined ? open.filter((nth) => sorted[nth]!.kind === "write") : [fitting];
    for (const nth of next) {
      done.add(nth);
      if (search(sorted[nth]!.value)) return true;
      done.delete(nth);
    }
    return false;
  };
  return search(initial);
}

/** The calls that may be the next: those that began before any other that is not done had returned. */
function candidates(sorted: readonly Operation[], done: ReadonlySet<number>): number[] | "finished" {
  const open: number[] = [];
  let firstReturn = Infinity;
  for (const [nth, { calledAt, returnedAt }] of sorted.entries()) {
    if (done.has(nth)) continue;
    if (calledAt > firstReturn) break;
    open.push(nth);
    firstReturn = Math.min(firstReturn, returnedAt);
  }
  // What is open for ever need not have happened.
  return firstReturn === Infinity ? "finished" : open;
}
