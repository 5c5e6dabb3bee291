import { messageIn } from "../mcp/messageIn.ts";
import { SseReader } from "../mcp/SseReader.ts";
import { NotUtf8, Utf8 } from "../mcp/Utf8.ts";
import type { OriginFailure } from "./failure.ts";
import { retryAfterMs } from "./retryAfter.ts";
import type { Room } from "./Room.ts";
import { TooLarge } from "./TooLarge.ts";

/** The origin's JSON-RPC response to one request, as text; or why there is none. */
export type Reply =
  | { status: number; text: string; sessionId?: string }
  | { failure: OriginFailure }
  | { tooLarge: true };

/** What to read, and how much of it. */
export interface ReadLimits {
  /** The id the response must have: the request's. */
  id: unknown;
  maxBytes: number;
  /** For all of the body, in ms. */
  totalMs: number;
  /** Gets what else comes in an event stream, before the response. */
  heard?: (event: string) => void;
  /** What may be held, together with others who read at the same time. */
  room?: Room;
  /** Ends the call. With it a body of stated length is read at once, which is cheaper than piece by piece. */
  cancel?: () => void;
}

/** Reads the final response out of a JSON body or an event stream, and lets the notifications on the way go. */
export async function readReply(response: Response, limits: ReadLimits): Promise<Reply> {
  const { status } = response;
  if (status === 401 || status === 403) return discard(response, { failure: { kind: "refused", status } });
  if (status >= 300 && status < 400) return discard(response, { failure: garbage("a redirect") });
  // What an origin says beside a 5xx is worth a moment, not the wait for an answer.
  const unwell = failed(response) !== undefined;
  const totalMs = unwell ? Math.min(limits.totalMs, ERROR_MS) : limits.totalMs;
  const maxBytes = unwell ? Math.min(limits.maxBytes, ERROR_BYTES) : limits.maxBytes;
  if (!response.body) return { failure: failed(response) ?? garbage("no body", status) };
  const { room = { left: Number.POSITIVE_INFINITY } } = limits;
  let held = 0;
  let isOver = false;
  const holds = (bytes: number): boolean => {
    // A piece may still come to one who was late, and has given its room back.
    if (isOver) return false;
    room.left -= bytes - held;
    held = bytes;
    return bytes <= maxBytes && room.left >= 0;
  };
  const { cancel } = limits;
  const stated = cancel ? statedLength(response) : undefined;
  const reader = stated === undefined ? response.body.getReader() : undefined;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const late = new Promise<Reply>((resolve) => {
    timer = setTimeout(() => {
      resolve({ failure: { kind: "timeout", afterMs: totalMs } });
      cancel?.();
    }, totalMs);
  });
  try {
    const read = mediaType(response) === "text/event-stream" ? readStream : readWhole;
    const reading = reader ? read(reader, limits, holds) : readAtOnce(response, stated!, limits, holds);
    const reply = await Promise.race([reading, late]);
    const failure = failed(response);
    if (failure) return { failure: "text" in reply ? { ...failure, reply: reply.text } : failure };
    if ("failure" in reply && reply.failure.kind === "garbage")
      return { failure: garbage(reply.failure.detail, status) };
    if (!("text" in reply)) return reply;
    const sessionId = response.headers.get("mcp-session-id");
    return { ...reply, status, ...(sessionId !== null && { sessionId }) };
  } catch (error) {
    if (error instanceof TooLarge) return { tooLarge: true };
    return { failure: failed(response) ?? (error instanceof NotUtf8 ? garbage("not UTF-8") : { kind: "unreachable" }) };
  } finally {
    clearTimeout(timer);
    holds(0);
    isOver = true;
    // Also ends the origin's stream, where more than the answer was coming.
    reader?.cancel().catch(() => {});
  }
}

/** The failure of a status that says the origin is not well. */
export function failed(response: Response): Extract<OriginFailure, { kind: "status" }> | undefined {
  const { status } = response;
  if (status < 500 && status !== 429) return undefined;
  const wait = retryAfterMs(response.headers.get("retry-after"), Date.now());
  return { kind: "status", status, ...(wait !== undefined && { retryAfterMs: wait }) };
}

/** The media type of a response, without its parameters. */
export function mediaType(response: Response): string {
  return (response.headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
}

const ERROR_MS = 1_000;
const ERROR_BYTES = 65_536;

type BodyReader = ReadableStreamDefaultReader<Uint8Array>;

/** Says what is held now; false where that is too much. */
type Holds = (bytes: number) => boolean;

/**
 * The length of a JSON body, where it is stated, and that of what is read: not of something packed, nor where it comes in
 * chunks, which end with the last of them whatever is stated (RFC 9112, 6.3).
 */
function statedLength(response: Response): number | undefined {
  const { headers } = response;
  const length = Number(headers.get("content-length") ?? undefined);
  if (!Number.isSafeInteger(length) || length < 0) return undefined;
  if (headers.has("content-encoding") || headers.has("transfer-encoding")) return undefined;
  return mediaType(response) === "application/json" ? length : undefined;
}

async function readAtOnce(response: Response, length: number, { id }: ReadLimits, holds: Holds): Promise<Reply> {
  if (!holds(length)) return discard(response, { tooLarge: true });
  const decoder = new Utf8();
  const text = decoder.decode(new Uint8Array(await response.arrayBuffer())) + decoder.end();
  return asReply(text, id);
}

async function readWhole(reader: BodyReader, { id }: ReadLimits, holds: Holds): Promise<Reply> {
  const decoder = new Utf8();
  let text = "";
  for (let bytes = 0; ;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.length;
    if (!holds(bytes)) return { tooLarge: true };
    text += decoder.decode(value);
  }
  text += decoder.end();
  return asReply(text, id);
}

function asReply(text: string, id: unknown): Reply {
  return isResponse(text, id, true)
    ? { status: 200, text }
    : { failure: garbage("no JSON-RPC response to the request") };
}

async function readStream(reader: BodyReader, { id, heard }: ReadLimits, holds: Holds): Promise<Reply> {
  const decoder = new Utf8();
  const events = new SseReader();
  for (;;) {
    const { done, value } = await reader.read();
    // A stream owes its answer (basic/transports): one that ends without it broke off.
    if (done) return { failure: { kind: "unreachable" } };
    for (const data of events.push(decoder.decode(value))) {
      if (isResponse(data, id, false)) return { status: 200, text: data };
      heard?.(data);
    }
    if (!holds(events.held)) return { tooLarge: true };
  }
}

/** Whether the text is the response to the request. An error may have no id, where the origin could not read one. */
export function isResponse(text: string, id: unknown, anonymous: boolean): boolean {
  const message = messageIn(text);
  if (message === undefined) return false;
  if (message["error"] !== undefined) return message["id"] === id || (anonymous && (message["id"] ?? null) === null);
  return message["result"] !== undefined && message["id"] === id;
}

async function discard(response: Response, reply: Reply): Promise<Reply> {
  await response.body?.cancel().catch(() => {});
  return reply;
}

function garbage(detail: string, status?: number): OriginFailure {
  return { kind: "garbage", detail, ...(status !== undefined && status >= 400 && { status }) };
}
