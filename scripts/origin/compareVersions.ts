const parsed = new Map<string, readonly number[] | undefined>();

/** The numbers of a version: `"16.4"` is `[16, 4]`. `"≤12.1"` counts as 12.1, `"v12.1"` too; anything else is `undefined`. */
export function parseVersion(text: string): readonly number[] | undefined {
  if (parsed.has(text)) return parsed.get(text);
  const match = /^[≤v]?(\d{1,9}(?:\.\d{1,9}){0,5})$/.exec(text);
  const numbers = match?.[1]?.split(".").map(Number);
  // Bounded, since callers may pass any text.
  if (parsed.size < 5_000) parsed.set(text, numbers);
  return numbers;
}

/** Negative, zero or positive as `a` is before, equal to or after `b`, by number: 9, then 16.4, then 16.10. */
export function compareVersions(a: string, b: string): number {
  const left = parseVersion(a) ?? [];
  const right = parseVersion(b) ?? [];
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
