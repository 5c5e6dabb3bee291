import type { VerifiedCounts } from "./MirrorStatus.ts";

/** What came of comparing answers of a tool with the origin's. Plain data: it crosses to `MirrorSync`. */
export interface Verdict {
  tool: string;
  matches: number;
  mismatches: number;
  /** How old the oldest was that was wrong, ms. */
  staleMs: number;
  /** The share of mismatches at which the tool is not answered from the mirror any more; absent: never. */
  maxMismatch?: number;
  /** The keys of rows that were wrong, as they stand in D1. */
  keys?: readonly string[];
}

/** What is known of how answers compare, by tool. Plain data. */
export interface VerifiedState {
  /** Since the mirror began: what operators are shown. */
  all: Record<string, VerifiedCounts>;
  /** What tools are judged by: since the last pull that came to its end when there was enough to judge by. */
  judged: Record<string, { matches: number; mismatches: number }>;
  /** When tools were stopped, epoch ms. */
  stopped: Record<string, number>;
}

export const NOTHING_VERIFIED: VerifiedState = { all: {}, judged: {}, stopped: {} };

/** Of fewer answers nobody can tell. */
const ENOUGH = 20;
/** Of the operator's own file there are never so many. */
const MAX_TOOLS = 1_000;

/** Takes in what came of comparing; `stop`: the tools that are to be answered from the mirror no more. */
export function takeVerdicts(
  state: VerifiedState,
  verdicts: readonly Verdict[],
): { state: VerifiedState; stop: string[] } {
  const all = new Map(Object.entries(state.all));
  const judged = new Map(Object.entries(state.judged));
  const stop = new Set<string>();
  for (const { tool, matches, mismatches, staleMs, maxMismatch } of verdicts) {
    if (!all.has(tool) && all.size >= MAX_TOOLS) continue;
    const before = all.get(tool) ?? { matches: 0, mismatches: 0, staleMs: 0 };
    all.set(tool, {
      matches: before.matches + matches,
      mismatches: before.mismatches + mismatches,
      staleMs: Math.max(before.staleMs, staleMs),
    });
    const { matches: right, mismatches: wrong } = judged.get(tool) ?? { matches: 0, mismatches: 0 };
    const sum = { matches: right + matches, mismatches: wrong + mismatches };
    judged.set(tool, sum);
    const total = sum.matches + sum.mismatches;
    const isWrong = maxMismatch !== undefined && total >= ENOUGH && sum.mismatches > maxMismatch * total;
    if (isWrong && !Object.hasOwn(state.stopped, tool)) stop.add(tool);
  }
  return {
    state: { ...state, all: Object.fromEntries(all), judged: Object.fromEntries(judged) },
    stop: [...stop],
  };
}

/** A tool is answered from the mirror no more since then, epoch ms. */
export function noteStopped(state: VerifiedState, tool: string, at: number): VerifiedState {
  return { ...state, stopped: { ...state.stopped, [tool]: at } };
}

/**
 * A pull has come to its end that was begun then: what was stopped before is not any more, and what there is enough of to
 * judge by is counted anew.
 */
export function afterPull({ all, judged, stopped }: VerifiedState, startedAt: number): VerifiedState {
  const isStill = ([, at]: [string, number]) => at >= startedAt;
  const still = Object.fromEntries(Object.entries(stopped).filter(isStill));
  const goesOn = ([tool, { matches, mismatches }]: [string, { matches: number; mismatches: number }]) =>
    Object.hasOwn(still, tool) || (!Object.hasOwn(stopped, tool) && matches + mismatches < ENOUGH);
  return { all, judged: Object.fromEntries(Object.entries(judged).filter(goesOn)), stopped: still };
}
