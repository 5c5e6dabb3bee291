import { sseEvent } from "../mcp/sseEvent.ts";

/** With more bytes than this waiting to be taken, the receiver does not keep up. */
const WAITING_BYTES = 65_536;

/** The sending end of a stream of server-sent events. After the receiver left, or the end, everything sent goes nowhere. */
export class EventOutlet {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #encoder = new TextEncoder();
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  /** `left` is called when the receiver leaves. */
  constructor(left: () => void) {
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        cancel: () => {
          this.#controller = undefined;
          left();
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: WAITING_BYTES }),
    );
  }

  /** Whether the receiver keeps up. */
  get hasRoom(): boolean {
    return (this.#controller?.desiredSize ?? 0) > 0;
  }

  /** Whether the receiver has taken everything. */
  get isEmpty(): boolean {
    return this.#controller?.desiredSize === WAITING_BYTES;
  }

  /** Sends a JSON-RPC message. */
  send(message: string): void {
    this.#write(sseEvent(message));
  }

  /** Sends something that no reader of events minds, so that nobody in between takes the stream for dead. */
  keepAlive(): void {
    this.#write(": keep-alive\n\n");
  }

  /** Ends the stream. */
  close(): void {
    this.#controller?.close();
    this.#controller = undefined;
  }

  #write(text: string): void {
    this.#controller?.enqueue(this.#encoder.encode(text));
  }
}
