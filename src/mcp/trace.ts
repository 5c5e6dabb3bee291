/** What ties together the log lines and the calls of one request (W3C Trace Context). */
export interface Trace {
  /** The trace id: 32 hex digits. */
  correlationId: string;
  /** The trace flags: 2 hex digits. */
  flags: string;
}

/** Continues the first valid one of the caller's traces, else starts one with `newId`. */
export function continueTrace(traceparents: readonly unknown[], newId: () => string): Trace {
  for (const traceparent of traceparents) {
    const match = typeof traceparent === "string" ? FORM.exec(traceparent) : null;
    if (match && !/^0+$/.test(match[1]!)) return { correlationId: match[1]!, flags: match[2]! };
  }
  return { correlationId: newId(), flags: "01" };
}

const FORM = /^00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})$/;

/** The `traceparent` to send on: the same trace, with a new parent of 16 hex digits. */
export function traceparentOf({ correlationId, flags }: Trace, parentId: string): string {
  return `00-${correlationId}-${parentId}-${flags}`;
}

/** A trace that is started when somebody asks for it: most answers from memory need none. */
export class LateTrace implements Trace {
  readonly #start: () => Trace;
  #started: Trace | undefined;

  constructor(start: () => Trace) {
    this.#start = start;
  }

  get correlationId(): string {
    return (this.#started ??= this.#start()).correlationId;
  }

  get flags(): string {
    return (this.#started ??= this.#start()).flags;
  }
}
