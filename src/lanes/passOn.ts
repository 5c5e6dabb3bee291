import { isObject } from "../mcp/isObject.ts";
import { SseReader } from "../mcp/SseReader.ts";
import { Utf8 } from "../mcp/Utf8.ts";
import type { Exchange } from "./Exchange.ts";

/** What passing an event stream on needs to know. */
export interface Passing {
  /** The id of the request that the stream answers. */
  id: unknown;
  /** Whether the caller's leaving cancels the call: so it is in the modern revision, and only there (basic/transports). */
  cancels: boolean;
  /** Gets the response, as text, when it has come by. Not called for one that is too large to be looked at. */
  answered: (reply: string) => void;
  /** The response to give instead, where the stream ends without one. */
  instead: () => string;
}

/** An event larger than this passes unread. */
const MAX_EVENT = 4 * 1_048_576;

/** Passes an event stream on as it comes, to its end, and sees to it that the caller gets a response. */
export function passOn(x: Exchange, body: ReadableStream<Uint8Array>, passing: Passing): ReadableStream<Uint8Array> {
  const origin = body.getReader();
  const watch = new Watch(passing);
  let hasLeft = false;
  let wake = () => {};
  let patience: ReturnType<typeof setTimeout> | null = null;
  let caller!: ReadableStreamDefaultController<Uint8Array>;
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      caller = controller;
    },
    pull() {
      wake();
    },
    cancel() {
      hasLeft = true;
      wake();
      if (passing.cancels) return origin.cancel();
      // The call goes on for its own sake (basic/lifecycle: a disconnect is no cancellation), though not for ever.
      patience = setTimeout(() => void origin.cancel().catch(() => {}), x.origin.settings.totalMs);
      return undefined;
    },
  });
  const work = async () => {
    try {
      for (;;) {
        const { done, value } = await origin.read();
        if (done) break;
        watch.take(value);
        if (hasLeft) continue;
        caller.enqueue(value);
        // Nothing is held here for a caller who reads slowly.
        if ((caller.desiredSize ?? 1) <= 0) await new Promise<void>((resolve) => (wake = resolve));
      }
    } catch {
      // The stream broke off: the caller is told below.
    }
    clearTimeout(patience);
    if (hasLeft) return;
    if (watch.owesResponse) caller.enqueue(new TextEncoder().encode(`\n\ndata: ${passing.instead()}\n\n`));
    caller.close();
  };
  // Beyond the caller's leaving, where there is something to go on with.
  x.waitUntil(work());
  return stream;
}

/** Looks at the events that pass. */
class Watch {
  readonly #passing: Passing;
  readonly #decoder = new Utf8();
  readonly #events = new SseReader();
  #isReadable = true;
  #isAnswered = false;

  constructor(passing: Passing) {
    this.#passing = passing;
  }

  /** Whether the caller would wait for ever. A stream with event ids may be taken up again later, so it owes nothing yet. */
  get owesResponse(): boolean {
    return this.#isReadable && !this.#isAnswered && !this.#events.hasIds && this.#passing.id !== undefined;
  }

  take(chunk: Uint8Array): void {
    if (!this.#isReadable) return;
    try {
      for (const data of this.#events.push(this.#decoder.decode(chunk))) {
        if (!this.#isAnswered && isResponse(data, this.#passing.id)) {
          this.#isAnswered = true;
          this.#passing.answered(data);
        }
      }
    } catch {
      // The caller gets what the origin sent, whatever it is.
      this.#isReadable = false;
    }
    if (this.#events.held > MAX_EVENT) this.#isReadable = false;
  }
}

function isResponse(data: string, id: unknown): boolean {
  // Most events are notifications, which need not be parsed.
  if (!data.includes('"result"') && !data.includes('"error"')) return false;
  try {
    const message: unknown = JSON.parse(data);
    return (
      isObject(message) && message["method"] === undefined && (message["id"] === id || message["error"] !== undefined)
    );
  } catch {
    return false;
  }
}
