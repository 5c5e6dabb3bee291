import { elementsOf } from "../mcp/elements.ts";
import { sseEvent } from "../mcp/sseEvent.ts";
import { SseReader } from "../mcp/SseReader.ts";
import { Utf8 } from "../mcp/Utf8.ts";
import { isResponse } from "../origin/readReply.ts";
import { TooLarge } from "../origin/TooLarge.ts";
import type { Exchange } from "./Exchange.ts";

/** What passing an event stream on needs to know. */
export interface Passing {
  /** The id of the request that the stream owes a response; `undefined` where it owes none, or nobody can tell. */
  id: unknown;
  /** Whether the caller's leaving cancels the call: so it is in the modern revision, and only there (basic/transports). */
  cancels: boolean;
  /** Gets the response, as text, when it has come by. */
  answered: (reply: string) => void;
  /** Something comes by that is too large to be looked at: the response, most probably. */
  unread: () => void;
  /** Gets each notification and request of the origin, before the caller does. */
  heard: (event: string) => void;
  /** Whether it gets all other events as well. */
  hearsAll?: boolean;
  /** The event as the caller may see it; `undefined` where it may not. */
  shown: (event: string) => string | undefined;
  /** Whether nothing passes that cannot be looked at: then the stream breaks off there. */
  mustSee?: boolean;
  /** The response to give instead, where the stream ends without one; gets the error with which it broke off. */
  instead: (error?: unknown) => string;
  /** Whether it has broken off because it costs too much: then the caller is told so, whatever it has had. */
  isOver?: () => boolean;
  /** What passes next waits for this, where there is something to wait for. */
  held?: () => Promise<void> | undefined;
  /** Called when all is over, before the caller is told: whether the response has come by, or something that nobody could read. */
  ended?: (end: "answered" | "unread" | "unanswered") => void | Promise<void>;
}

/** An event larger than this passes unread. */
const MAX_EVENT = 4 * 1_048_576;
/** One that must not pass so ends the stream. */
const MAX_SEEN_EVENT = 16 * 1_048_576;

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
    let broken: unknown;
    try {
      for (;;) {
        const { done, value } = await origin.read();
        if (done) break;
        const ready = watch.take(value);
        if (passing.held) await passing.held();
        if (hasLeft || ready.length === 0) continue;
        caller.enqueue(ready);
        // Nothing is held here for a caller who reads slowly.
        if ((caller.desiredSize ?? 1) <= 0) await new Promise<void>((resolve) => (wake = resolve));
      }
    } catch (error) {
      broken = error;
    }
    clearTimeout(patience);
    const isUnread = !watch.isReadable && broken === undefined && !(hasLeft && passing.cancels);
    await passing.ended?.(watch.isAnswered ? "answered" : isUnread ? "unread" : "unanswered");
    if (hasLeft) return;
    const isOver = !watch.isAnswered && passing.id !== undefined && passing.isOver?.();
    // What has passed of an event that is too large to be looked at ends here.
    const before = watch.isReadable ? "" : "\n\n";
    if (watch.owesResponse || isOver) caller.enqueue(encoder.encode(before + sseEvent(passing.instead(broken))));
    else caller.enqueue(watch.rest());
    caller.close();
  };
  // Beyond the caller's leaving, where there is something to go on with.
  x.waitUntil(work());
  return stream;
}

const encoder = new TextEncoder();

/** Looks at the events that pass. Each passes when it is complete, so that nothing can follow half of one. */
class Watch {
  readonly #passing: Passing;
  readonly #decoder = new Utf8(true);
  readonly #events = new SseReader();
  #isReadable = true;
  #isAnswered = false;
  #hasBegun = false;
  /** Events that are shown otherwise than they came. */
  readonly #others: [data: string, shown: string | undefined][] = [];
  /** The beginning of an event that goes on: as bytes, and what they say. */
  #bytes: Uint8Array[] = [];
  #text = "";

  constructor(passing: Passing) {
    this.#passing = passing;
  }

  /** Whether the response has come by. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Whether everything could be looked at so far. */
  get isReadable(): boolean {
    return this.#isReadable;
  }

  /** Whether the caller would wait for ever. A stream with event ids may be taken up again later, so it owes nothing yet. */
  get owesResponse(): boolean {
    return this.#isReadable && !this.#isAnswered && !this.#events.hasIds && this.#passing.id !== undefined;
  }

  /** Takes a piece of the stream; gives what may pass now. */
  take(chunk: Uint8Array): Uint8Array {
    if (!this.#isReadable) return chunk;
    this.#bytes.push(chunk);
    let text: string;
    try {
      text = this.#decoder.decode(chunk);
      // A byte order mark belongs to no event: readers pass over it.
      if (!this.#hasBegun && text !== "") {
        this.#hasBegun = true;
        if (text.startsWith("\uFEFF")) {
          this.#bytes = [joined(this.#bytes).subarray(3)];
          text = text.slice(1);
        }
      }
    } catch (error) {
      if (this.#passing.mustSee) throw error;
      // The caller gets what the origin sent, whatever it is.
      this.#isReadable = false;
      return this.rest();
    }
    for (const data of this.#events.push(text)) this.#look(data);
    const { complete, held } = this.#events;
    const before = this.#text.length;
    this.#text += text;
    if (held > (this.#passing.mustSee ? MAX_SEEN_EVENT : MAX_EVENT)) {
      if (this.#passing.mustSee) throw new TooLarge("an event that is too large to be looked at");
      this.#isReadable = false;
      if (!this.#isAnswered) this.#passing.unread();
    }
    if (!this.#isReadable) return this.rest();
    return complete === 0 ? NOTHING : this.#release(before + complete);
  }

  /** What is held of an event that did not come to its end. Nobody has looked at it. */
  rest(): Uint8Array {
    if (this.#passing.mustSee) return NOTHING;
    const rest = joined(this.#bytes);
    this.#bytes = [];
    this.#text = "";
    return rest;
  }

  #look(data: string): void {
    // Slashes and letters may be written with escapes.
    if (this.#passing.hearsAll || data.includes("notifications/") || data.includes("\\")) this.#passing.heard(data);
    const shown = this.#passing.shown(data);
    if (shown !== data) this.#others.push([data, shown]);
    if (this.#isAnswered || !answers(data, this.#passing.id)) return;
    this.#isAnswered = true;
    this.#passing.answered(data);
  }

  #release(characters: number): Uint8Array {
    const passes = this.#text.slice(0, characters);
    const length = encoder.encode(passes).length;
    const bytes = joined(this.#bytes);
    this.#text = this.#text.slice(characters);
    this.#bytes = length < bytes.length ? [bytes.subarray(length)] : [];
    return this.#others.length === 0 ? bytes.subarray(0, length) : encoder.encode(this.#inOtherWords(passes));
  }

  /** The events with those in other words that the caller must not see as they are, and without those that it must not see. */
  #inOtherWords(events: string): string {
    let told = events;
    for (const [data, shown] of this.#others.splice(0)) {
      const { start, end } = linesOf(told, data);
      // In its place stands a comment: what else the event has, such as an id, holds all the same.
      const words = shown === undefined ? ":" : `data: ${shown.replaceAll("\n", "\ndata: ")}`;
      told = told.slice(0, start) + words + told.slice(end);
    }
    return told;
  }
}

/** Where the lines stand that have an event's data. Those between which others stand are not found; then nothing is shown. */
function linesOf(events: string, data: string): { start: number; end: number } {
  const [first = "", ...others] = data.split("\n");
  for (let from = events.indexOf(first); from >= 0; from = events.indexOf(first, from + 1)) {
    const field = /(?:^|[\r\n])(data: ?)$/.exec(events.slice(Math.max(0, from - 7), from))?.[1];
    let end: number | undefined = field === undefined ? undefined : from + first.length;
    for (const line of others) if (end !== undefined) end = endOf(line, events, end);
    if (end !== undefined && LINE_END.test(events[end] ?? "")) return { start: from - field!.length, end };
  }
  throw new Error("an event that cannot be shown");
}

const LINE_END = /[\r\n]/;

/** Where the line of data ends that comes after the one which ends at `at`; `undefined` where it is another. */
function endOf(line: string, events: string, at: number): number | undefined {
  const field = /^(?:\r\n|\r|\n)data: ?/.exec(events.slice(at, at + 8))?.[0];
  if (field === undefined || !events.startsWith(line, at + field.length)) return undefined;
  return at + field.length + line.length;
}

const NOTHING = new Uint8Array();

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** Whether an event is the response. Most are notifications, which need not be parsed. */
function answers(data: string, id: unknown): boolean {
  // A key may be written with escapes.
  const mayBe = data.includes('"result"') || data.includes('"error"') || data.includes("\\u");
  if (!mayBe) return false;
  // The revision with batches has them in streams as well.
  return data.trimStart().startsWith("[")
    ? elementsOf(data).some((one) => isResponse(one, id, true))
    : isResponse(data, id, true);
}
