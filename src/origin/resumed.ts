import { sseEvent } from "../mcp/sseEvent.ts";
import { SseReader } from "../mcp/SseReader.ts";
import { Utf8 } from "../mcp/Utf8.ts";
import type { Room } from "./Room.ts";
import { TooLarge } from "./TooLarge.ts";

/** How a stream is taken up again. */
export interface Resuming {
  /** Whether an event is the one that is waited for. */
  isLast: (event: string) => boolean;
  /** Gives what followed the event with that id; `undefined` where that is not to be had. */
  again: (lastId: string) => Promise<ReadableStream<Uint8Array> | undefined>;
  /** What may be held, together with others who read at the same time. */
  room?: Room | undefined;
}

/** An event that is larger ends the stream with `TooLarge`: what passes are whole ones. */
const MAX_EVENT = 16 * 1_048_576;
/** Taken up again so often in a row with nothing new, it is given up. */
const MAX_VAIN = 5;
const RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;

/**
 * An event stream that goes on where it breaks off, as long as its events have ids (basic/transports, resumability): for
 * callers whose revision knows no such thing. The ids stay behind; what passes are whole events, and signs of life.
 */
export function resumed(body: ReadableStream<Uint8Array>, resuming: Resuming): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const gone = new AbortController();
  const texts = textsOf(body, resuming, gone.signal);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await texts.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    cancel() {
      gone.abort();
      // It may stand at something that nobody takes any more, and holds what it has read.
      texts.return().catch(() => {});
    },
  });
}

async function* textsOf(
  body: ReadableStream<Uint8Array>,
  { isLast, again, room = { left: Number.POSITIVE_INFINITY } }: Resuming,
  gone: AbortSignal,
): AsyncGenerator<string, void> {
  let lastId: string | undefined;
  let vain = 0;
  for (let current: typeof body | undefined = body; current && !gone.aborted;) {
    const events = new SseReader();
    for await (const text of oneOf(current, events, gone, room)) {
      yield text.told;
      if (text.events.some(isLast)) return;
      // An origin that lets itself be polled sends ids without data.
      if (text.events.length > 0 || (events.lastId ?? lastId) !== lastId) vain = 0;
      lastId = events.lastId ?? lastId;
    }
    if (lastId === undefined || gone.aborted || ++vain > MAX_VAIN) return;
    await scheduler.wait(Math.min(events.retryMs || RETRY_MS, MAX_RETRY_MS));
    if (gone.aborted) return;
    current = await again(lastId);
    if (gone.aborted) current?.cancel().catch(() => {});
  }
}

/** One of the streams, to its end or to where it breaks. */
async function* oneOf(
  body: ReadableStream<Uint8Array>,
  reader: SseReader,
  gone: AbortSignal,
  room: Room,
): AsyncGenerator<{ told: string; events: string[] }, void> {
  const bytes = body.getReader();
  const leave = () => void bytes.cancel().catch(() => {});
  gone.addEventListener("abort", leave, { once: true });
  const decoder = new Utf8();
  let held = 0;
  try {
    for (;;) {
      const { done, value } = await bytes.read();
      if (done) return;
      const events = [...reader.push(decoder.decode(value))].filter((event) => event !== "");
      const told = events.map(sseEvent).join("");
      room.left -= reader.held - held;
      held = reader.held;
      if (told !== "" || held === 0) yield { told: told || ":\n\n", events };
      if (held > MAX_EVENT || room.left < 0) throw new TooLarge("an event too large to be read");
    }
  } catch (error) {
    // Else it broke off, or says something that cannot be read.
    if (error instanceof TooLarge) throw error;
  } finally {
    room.left += held;
    gone.removeEventListener("abort", leave);
    leave();
  }
}
