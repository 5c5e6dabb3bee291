import * as z from "zod";
import { DURATION_SHAPE, parseDuration, type Duration } from "./duration.ts";

/** A duration. */
export const duration = z.custom<Duration>((value) => parseDuration(value) !== undefined, DURATION_SHAPE);

/** A duration within bounds, `least` and `most` as the operator would write them. */
export function durationOf(least: Duration, most: Duration) {
  const [from, to] = [parseDuration(least)!, parseDuration(most)!];
  const isWithin = (value: Duration) => parseDuration(value)! >= from && parseDuration(value)! <= to;
  return duration.refine(isWithin, `"${least}" to "${most}"`);
}

/** A whole number within bounds. */
export function wholeNumber(least: number, most: number) {
  const expected = `a whole number of ${least} to ${most}`;
  return z.int().min(least, expected).max(most, expected);
}

/** A tag, or a template of tags. */
export const tag = z.string().regex(/^[\x21-\x7e]{1,128}$/, "a tag of 1 to 128 printable characters without spaces");
