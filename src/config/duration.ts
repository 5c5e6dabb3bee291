/** A length of time as the operator writes it: a whole number and a unit, such as `"250ms"`, `"30s"`, `"5m"`, `"1h"`, `"7d"`. */
export type Duration = `${number}${Unit}`;

type Unit = "ms" | "s" | "m" | "h" | "d";

const UNIT_MS: Readonly<Record<Unit, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** What a duration looks like, for messages. */
export const DURATION_SHAPE = 'a duration such as "250ms", "30s", "5m", "1h" or "7d"';

/** The milliseconds of a duration, or `undefined` where the text is not one. */
export function parseDuration(text: unknown): number | undefined {
  if (typeof text !== "string") return undefined;
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  if (!match) return undefined;
  return Number(match[1]) * UNIT_MS[match[2] as Unit];
}
