import { elementsOf } from "../mcp/elements.ts";
import { isModern } from "../mcp/envelope.ts";
import { isObject } from "../mcp/isObject.ts";
import { batchRejection } from "../mcp/ladder.ts";
import { sseEvent } from "../mcp/sseEvent.ts";
import { SseReader } from "../mcp/SseReader.ts";
import { NotUtf8, Utf8 } from "../mcp/Utf8.ts";
import { isResponse, mediaType } from "../origin/readReply.ts";
import { readSome } from "../origin/readSome.ts";
import { countAnswer } from "./countAnswer.ts";
import type { Answer, Exchange } from "./Exchange.ts";

/** The only revision that has batches. */
const WITH_BATCHES = "2025-03-26";
export const MAX_MESSAGES = 100;
/** Of all answers together that are larger than what relays look at. */
const MAX_LARGE_BYTES = 16 * 1_048_576;
/** Of all others together, in UTF-16 units: a hundred of megabytes each are more than an isolate has. */
const MAX_HELD = MAX_LARGE_BYTES;

const UNREADABLE = {
  kind: "garbage",
  detail: "no JSON-RPC response to the request, or one too large for a batch",
} as const;

/** Answers a batch: each of its messages by itself, with `each`, and all together in one response (JSON-RPC 2.0, 6). */
export async function batch(x: Exchange, each: (x: Exchange) => Answer | Promise<Answer>): Promise<Answer> {
  const wrong = wrongWith(x);
  if (wrong) return { kind: "failure", failure: { kind: "rejected", ...batchRejection(wrong) } };
  const messages = x.body as unknown[];
  const texts = elementsOf(x.text);
  const asked = messages.map((body, index): Exchange => ({ ...x, body, text: texts[index]! }));
  let held = 0;
  // What is too much is let go of as it comes.
  const answers = await Promise.all(
    asked.map(async (one): Promise<Answer> => {
      const given = await each(one);
      if (given.kind !== "message" || (held += given.text.length) <= MAX_HELD) return given;
      held -= given.text.length;
      return saysGone(given) ? given : { kind: "failure", failure: { kind: "origin", failure: UNREADABLE } };
    }),
  );
  // A status that ends the session ends it for all.
  const gone = x.session && answers.find(saysGone);
  if (gone) {
    for (const one of answers) if (one.kind === "stream" && one !== gone) one.response.body?.cancel().catch(() => {});
    return gone;
  }
  for (const [index, one] of answers.entries()) countAnswer(asked[index]!, one);

  const ready: string[] = [];
  let room = MAX_LARGE_BYTES;
  const streams: Streaming[] = [];
  for (const [index, one] of answers.entries()) {
    if (one.kind === "message") ready.push(one.text);
    else if (one.kind === "failure") {
      if (isRequest(messages[index])) ready.push(x.word(one.failure, messages[index]));
    } else if (one.kind === "stream") {
      const { response } = one;
      if (response.status !== 202 && response.body && mediaType(response) === "text/event-stream") {
        streams.push({ asked: asked[index]!, body: response.body });
      } else if (isRequest(messages[index])) {
        const text = await wholeOf(x, asked[index]!, response, room);
        room -= text.length;
        ready.push(text);
      }
    }
  }
  if (streams.length > 0) {
    const headers = { "content-type": "text/event-stream", "x-accel-buffering": "no" };
    const response = new Response(merged(ready, streams), { headers });
    return { kind: "stream", response, outcome: { kind: "forward", why: "bypass" } };
  }
  if (ready.length === 0) return { kind: "accepted" };
  return { kind: "message", result: "local", status: 200, text: `[${ready.join(",")}]` };
}

/** Why a batch is none that could be answered. */
function wrongWith(x: Exchange): string | undefined {
  const messages = x.body as unknown[];
  const version = x.session?.version ?? x.headers.get("mcp-protocol-version");
  if (version !== null && version !== WITH_BATCHES)
    return `JSON-RPC batches exist in the revision ${WITH_BATCHES} only`;
  if (messages.length === 0) return "The batch is empty";
  if (messages.length > MAX_MESSAGES) return `The batch has more than ${MAX_MESSAGES} messages`;
  if (messages.some(Array.isArray)) return "A batch cannot be part of a batch";
  if (messages.some(isModern)) return "A message of the modern revision cannot be part of a batch";
  if (messages.some((one) => isObject(one) && one["method"] === "initialize")) {
    return "initialize cannot be part of a batch";
  }
  return undefined;
}

function isRequest(message: unknown): boolean {
  return isObject(message) && typeof message["method"] === "string" && message["id"] !== undefined;
}

/** Whether one of the answers says that the session is over. */
function saysGone(answer: Answer): boolean {
  if (answer.kind === "failure") return answer.failure.kind === "session-gone";
  return (answer.kind === "stream" ? answer.response.status : answer.kind === "message" && answer.status) === 404;
}

async function wholeOf(x: Exchange, asked: Exchange, response: Response, maxBytes: number): Promise<string> {
  const some = await readSome(response, maxBytes, x.origin.settings.totalMs);
  if ("whole" in some) {
    const text = await new Blob(some.whole as Uint8Array<ArrayBuffer>[]).text();
    if (isResponse(text, (asked.body as { id: unknown }).id, true)) return text;
  }
  if ("rest" in some) some.rest.cancel().catch(() => {});
  const failure = "failure" in some ? some.failure : UNREADABLE;
  return x.word({ kind: "origin", failure }, asked.body);
}

/** A message that is answered in a stream. */
interface Streaming {
  asked: Exchange;
  body: ReadableStream<Uint8Array>;
}

/** One event stream: what is ready, then the events of the others as they come. */
function merged(ready: readonly string[], streams: readonly Streaming[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const tell = (message: string) => writer.write(encoder.encode(sseEvent(message)));
  /** What is held of events that are not complete, in all streams together. */
  let held = 0;
  /** Passes on what can be read; whether that was all. */
  const pass = async (body: ReadableStream<Uint8Array>): Promise<boolean> => {
    const events = new SseReader();
    const decoder = new Utf8();
    let own = 0;
    try {
      for await (const chunk of body) {
        for (const data of events.push(decoder.decode(chunk))) await tell(data);
        held += events.held - own;
        own = events.held;
        // Leaving the loop lets the stream go.
        if (held > MAX_LARGE_BYTES) return false;
      }
      return true;
    } catch (error) {
      if (error instanceof NotUtf8) return false;
      throw error;
    } finally {
      held -= own;
    }
  };
  const answer = async ({ asked, body }: Streaming) => {
    if (!(await pass(body))) await tell(asked.word({ kind: "origin", failure: UNREADABLE }, asked.body));
  };
  const work = async () => {
    for (const message of ready) await tell(message);
    await Promise.all(streams.map(answer));
    await writer.close();
  };
  work().catch((error: unknown) => writer.abort(error).catch(() => {}));
  return readable;
}
