/**
 * Whether a value fits a schema: 1 yes, -1 no, 0 perhaps, where a part of the schema is not looked at. The logic is
 * Kleene's: `and` is the smallest, `or` the largest, `not` the negative; so that what is not looked at can never make a
 * yes or a no of its own, however deep it stands under `not` or `oneOf`.
 */
export type Fit = -1 | 0 | 1;

export const YES: Fit = 1;
export const PERHAPS: Fit = 0;
export const NO: Fit = -1;

/** The fit that says least in favour. */
export function both(a: Fit, b: Fit): Fit {
  return a < b ? a : b;
}

/** The opposite of a fit. */
export function opposite(fit: Fit): Fit {
  return fit === PERHAPS ? PERHAPS : fit === YES ? NO : YES;
}
