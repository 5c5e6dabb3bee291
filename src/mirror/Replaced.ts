/** A version that was replaced, and those replaced at about the same time. Plain data. Times are epoch ms. */
export interface ReplacedVersion {
  /** The newest of those that replaced them. */
  by: number;
  since: number;
  at: number;
}

/** Who reads page after page may go on with a version for so long after it was replaced. */
export const KEPT_MS = 600_000;
/** What is replaced within this is noted together: so there are never many to be noted. */
const TOGETHER_MS = 10_000;

/** Notes that a version was replaced by that one. */
export function noteReplaced(all: readonly ReplacedVersion[], by: number, now: number): ReplacedVersion[] {
  const last = all.at(-1);
  if (last && now - last.since < TOGETHER_MS) return [...all.slice(0, -1), { ...last, by, at: now }];
  return [...all, { by, since: now, at: now }];
}

/** When the rows of the oldest may be collected. */
export function collectableAt([oldest]: readonly ReplacedVersion[]): number | undefined {
  return oldest && oldest.at + KEPT_MS;
}
