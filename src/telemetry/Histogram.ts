/** How many of what was measured fell into each bucket, and the sum of all. Plain data. */
export interface Histogram {
  /** By bucket, each by itself; the last is for what is above every bound. */
  counts: number[];
  sum: number;
}

/** Bounds of how long an operation takes, in ms. */
export const DURATION_MS = [1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 60_000] as const;

/** Bounds of how old an answer is, in ms. */
export const AGE_MS = [
  1_000, 5_000, 15_000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000, 86_400_000, 604_800_000,
] as const;

/** A histogram of nothing. */
export function emptyHistogram(bounds: readonly number[]): Histogram {
  return { counts: bounds.map(() => 0).concat(0), sum: 0 };
}

/** Takes in one more. A bound belongs to the bucket that it closes, as Prometheus has it. */
export function observe(histogram: Histogram, bounds: readonly number[], value: number): void {
  let bucket = 0;
  while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
  histogram.counts[bucket]!++;
  histogram.sum += value;
}

/** Takes in what another has. */
export function addHistogram(to: Histogram, { counts, sum }: Histogram): void {
  for (const bucket of to.counts.keys()) to.counts[bucket]! += counts[bucket] ?? 0;
  to.sum += sum;
}
