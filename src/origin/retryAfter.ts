const MAX_S = 86_400;

/** How long a `Retry-After` header says to wait, in ms from `now` (RFC 9110, 10.2.3: seconds, or a date); `undefined` where it says nothing. */
export function retryAfterMs(value: string | null, now: number): number | undefined {
  if (value === null) return undefined;
  const seconds = /^\d+$/.test(value.trim()) ? Number(value) : (Date.parse(value) - now) / 1_000;
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(0, Math.ceil(seconds)), MAX_S) * 1_000;
}
