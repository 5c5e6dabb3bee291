/** What ties together the log lines and the calls of one request (W3C Trace Context). */
export interface Trace {
  /** The trace id: 32 hex digits. */
  correlationId: string;
  /** The trace flags: 2 hex digits. */
  flags: string;
}

/** Continues the caller's trace where there is a valid one, else starts one with `newId`. */
export function continueTrace(traceparent: unknown, newId: () => string): Trace {
  const match =
    typeof traceparent === "string" ? /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/.exec(traceparent) : null;
  if (!match || /^0+$/.test(match[1]!)) return { correlationId: newId(), flags: "01" };
  return { correlationId: match[1]!, flags: match[2]! };
}

/** The `traceparent` to send on: the same trace, with a new parent of 16 hex digits. */
export function traceparentOf({ correlationId, flags }: Trace, parentId: string): string {
  return `00-${correlationId}-${parentId}-${flags}`;
}
