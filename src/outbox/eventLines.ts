import type { SubmissionEvent } from "./Submission.ts";

/** What may wait to be read before progress is left out, in bytes. */
const MOST_WAITING = 65_536;

/** A stream of events, each a line of JSON, and what writes to it. */
export interface EventLines {
  stream: ReadableStream<Uint8Array>;
  /** Writes one. Progress that nobody reads in time is left out. */
  push: (event: SubmissionEvent) => void;
  /** Ends it, with the reason where it failed. */
  end: (error?: unknown) => void;
}

/** Where nobody reads it any more, what is written goes nowhere. */
export function eventLines(): EventLines {
  const encoder = new TextEncoder();
  let controller: ReadableByteStreamController | undefined;
  let waiting = 0;
  const stream = new ReadableStream({
    type: "bytes",
    start(given) {
      controller = given;
    },
    pull() {
      waiting = 0;
    },
    cancel() {
      controller = undefined;
    },
  });
  return {
    stream,
    push: (event) => {
      if ("progress" in event && waiting > MOST_WAITING) return;
      const line = encoder.encode(`${JSON.stringify(event)}\n`);
      waiting += line.byteLength;
      controller?.enqueue(line);
    },
    end: (error) => {
      if (error === undefined) controller?.close();
      else controller?.error(error);
      controller = undefined;
    },
  };
}
