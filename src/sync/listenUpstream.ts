import { isObject } from "../mcp/isObject.ts";
import { messageIn } from "../mcp/messageIn.ts";
import { SseReader } from "../mcp/SseReader.ts";
import { Utf8 } from "../mcp/Utf8.ts";
import type { OriginResponse } from "../origin/callOrigin.ts";
import { failed, mediaType, readReply } from "../origin/readReply.ts";

/** What becomes of listening at the origin. `text` is a message as the origin wrote it. */
export type UpstreamEvent =
  /** It listens. `again`: after a time without, in which everything may have changed. */
  | { kind: "acknowledged"; text: string; honoured: unknown; again: boolean }
  | { kind: "notification"; text: string; method: string; params: unknown }
  /** The stream could not be opened, or broke. It will be tried again. */
  | { kind: "broken" }
  /** The origin has no such method, or does not let the replica use it. The last event. */
  | { kind: "refused" }
  /** The origin ended the stream in good order. The last event. */
  | { kind: "ended"; text: string }
  /** Tried often enough. The last event. */
  | { kind: "exhausted" };

/** How to listen. Clock and chance are passed in. */
export interface UpstreamOptions {
  /** Asks the origin, under that JSON-RPC id. */
  connect: (id: string, signal: AbortSignal) => Promise<OriginResponse>;
  /** In the earlier revisions nobody acknowledges: a stream that opens is one. */
  opensAcknowledged?: boolean;
  /** Gets what the origin asks of its client on the stream, as it may in the earlier revisions. */
  asked?: (question: { id: string | number; method: string }) => void;
  /** Ends it all. */
  signal: AbortSignal;
  newId: () => string;
  /** 0 to 1. */
  random: () => number;
  pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Each attempt is a subrequest of the listener's own request, which has a budget of them. */
const MAX_RECONNECTS = 20;
const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 30_000;
/** The largest message that is taken from the origin. */
const MAX_MESSAGE = 1_048_576;
const REFUSAL_MS = 2_000;

/** Listens at the origin, and begins anew where the stream breaks: full jitter, growing, so often and no more. */
export async function* listenUpstream(options: UpstreamOptions): AsyncGenerator<UpstreamEvent, void> {
  const { signal, random, pause } = options;
  let failures = 0;
  for (let attempt = 0; attempt <= MAX_RECONNECTS; attempt++) {
    if (attempt > 0) await pause(random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** failures++), signal);
    let last: UpstreamEvent = { kind: "broken" };
    for await (const event of oneStream(options)) {
      if (signal.aborted) return;
      if (event.kind === "acknowledged") {
        yield { ...event, again: attempt > 0 };
        failures = 0;
      } else if (event.kind === "notification") yield event;
      else last = event;
    }
    if (signal.aborted) return;
    yield last;
    if (last.kind !== "broken") return;
  }
  yield { kind: "exhausted" };
}

/** One stream of the origin's, from its opening to its end. */
async function* oneStream({
  connect,
  signal,
  newId,
  opensAcknowledged,
  asked,
}: UpstreamOptions): AsyncGenerator<UpstreamEvent, void> {
  const id = newId();
  const called = await connect(id, signal);
  if ("failure" in called) {
    yield { kind: called.failure.kind === "misconfigured" ? "refused" : "broken" };
    return;
  }
  const { response } = called;
  if (response.status !== 200 || mediaType(response) !== "text/event-stream") {
    yield await without(response, id);
    return;
  }
  if (opensAcknowledged) yield { kind: "acknowledged", text: "", honoured: undefined, again: false };
  for await (const text of messagesOf(response, signal)) {
    const event = eventOf(text, id, asked);
    if (event) yield event;
    if (event && event.kind !== "notification" && event.kind !== "acknowledged") return;
  }
}

/** What an answer means that is no stream. */
async function without(response: Response, id: string): Promise<UpstreamEvent> {
  if (failed(response) || response.status !== 200) {
    await response.body?.cancel().catch(() => {});
    return { kind: failed(response) ? "broken" : "refused" };
  }
  const reply = await readReply(response, { id, maxBytes: MAX_MESSAGE, totalMs: REFUSAL_MS });
  return ("text" in reply && eventOf(reply.text, id)) || { kind: "refused" };
}

/** The messages of a stream as they come; it ends where the stream ends, breaks, or holds what cannot be read. */
async function* messagesOf(response: Response, signal: AbortSignal): AsyncGenerator<string, void> {
  const reader = response.body!.getReader();
  const stop = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", stop, { once: true });
  const decoder = new Utf8();
  const events = new SseReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const data of events.push(decoder.decode(value))) {
        if (data.length > MAX_MESSAGE) return;
        yield data;
      }
      if (events.held > MAX_MESSAGE) return;
    }
  } catch {
    // A stream that breaks has no more to say than one that ends.
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

/** What a message of the origin's means; `undefined` where it means nothing here. */
function eventOf(text: string, id: string, asked?: UpstreamOptions["asked"]): UpstreamEvent | undefined {
  const message = messageIn(text);
  if (message === undefined) return undefined;
  const { method, params } = message;
  if (typeof method === "string") {
    const { id: question } = message;
    // Servers send no requests in the modern revision.
    if (typeof question === "string" || typeof question === "number") asked?.({ id: question, method });
    if (question !== undefined) return undefined;
    if (method !== "notifications/subscriptions/acknowledged") return { kind: "notification", text, method, params };
    return {
      kind: "acknowledged",
      text,
      honoured: isObject(params) ? params["notifications"] : undefined,
      again: false,
    };
  }
  if (message["error"] !== undefined && (message["id"] === id || message["id"] === null)) return { kind: "refused" };
  return message["result"] !== undefined && message["id"] === id ? { kind: "ended", text } : undefined;
}
