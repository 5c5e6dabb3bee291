import { matches } from "./pattern.ts";

/**
 * What entries by name or pattern say, sorted: with those that say `nothing` only where they may stand in the way of a
 * pattern that says something. So an entry that has nothing to do with it makes no difference. `undefined` where none says
 * anything.
 */
export function thatCount<T>(entries: readonly (readonly [string, T])[], nothing: T): Record<string, T> | undefined {
  const said = entries.filter(([, what]) => what !== nothing);
  const mayHide = (name: string) =>
    said.some(([pattern]) => pattern.includes("*") && (name.includes("*") || matches(pattern, name)));
  const counting = entries.filter(([name, what]) => what !== nothing || mayHide(name));
  return said.length === 0 ? undefined : Object.fromEntries(counting.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
