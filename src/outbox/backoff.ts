const MIN_MS = 1_000;
const MAX_MS = 300_000;

/**
 * How long to wait before the next of `attempts` tries made so far, in ms: anything from 1 s to a bound that doubles with each try, 5 min at
 * most (full jitter: those that failed together do not come again together). `random` is 0 to 1.
 */
export function backoffMs(attempts: number, random: number): number {
  const bound = Math.min(MAX_MS, MIN_MS * 2 ** attempts);
  return Math.round(MIN_MS + (bound - MIN_MS) * random);
}
