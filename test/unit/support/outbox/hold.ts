/** Throws where something is not as it must be: far cheaper than `expect`, for what is looked at very often. */
export function hold(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`it does not hold that ${what}`);
}
