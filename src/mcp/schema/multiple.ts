import { NO, PERHAPS, YES, type Fit } from "./Fit.ts";

/** Whether a number is a multiple of another. That 0.3 is three times 0.1 no double knows, and servers differ in what they make of it: perhaps. */
export function multiple(value: number, of: unknown): Fit {
  if (typeof of !== "number" || !(of > 0)) return PERHAPS;
  const times = value / of;
  if (!Number.isFinite(times)) return PERHAPS;
  if (Math.abs(times - Math.round(times)) > Math.abs(times) * 1e-9) return NO;
  return Number.isInteger(times) && Number.isInteger(of) ? YES : PERHAPS;
}
