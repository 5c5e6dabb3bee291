/** A listing of an origin, as `purgedAt` has it. */
export function listingOf(originId: string, method: string): string {
  return `${originId} ${method}`;
}
