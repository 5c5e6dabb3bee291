import { hashOf } from "../cache/codec.ts";
import type { Entry } from "../cache/entry.ts";
import { neutralise } from "../cache/neutralise.ts";
import { expandTags } from "../cache/tags.ts";
import type { CacheRule } from "../config/replica.ts";
import { isObject } from "../mcp/isObject.ts";
import type { Call } from "../mcp/recognise.ts";
import { Utf8 } from "../mcp/Utf8.ts";
import { reasonOf } from "../telemetry/events.ts";
import { SseReader } from "../mcp/SseReader.ts";
import { mediaType } from "../origin/readReply.ts";
import type { Candidates } from "./candidates.ts";
import type { Exchange } from "./Exchange.ts";
import { keep } from "./keep.ts";

/** What a watched response may be kept as. */
export interface Keeping {
  call: Call;
  rule: CacheRule;
  candidates: Candidates;
  previous: Entry | undefined;
}

/** Passes a response on, unbuffered, and keeps its final result if it came whole. */
export function watchAndKeep(x: Exchange, keeping: Keeping): (response: Response) => Response {
  const askedAt = x.now();
  return (response) => {
    if (response.status !== 200 || !response.body || response.headers.has("mcp-session-id")) return response;
    const maxBytes = x.origin.settings.entryBytes;
    const decoder = new Utf8();
    const events = mediaType(response) === "text/event-stream" ? new SseReader() : undefined;
    let whole = "";
    let final: string | undefined;
    let unreadable = false;
    const take = (text: string) => {
      if (!events) whole = whole.length > maxBytes ? whole : whole + text;
      else if (events.held <= maxBytes)
        for (const data of events.push(text)) if (answers(data, keeping.call.id)) final = data;
    };
    const watcher = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        controller.enqueue(chunk);
        if (unreadable) return;
        try {
          take(decoder.decode(chunk));
        } catch {
          // The caller gets what the origin sent, whatever it is; it is only not kept.
          unreadable = true;
        }
      },
      // Reached only when the origin ended the body; a stream that broke, or a caller that left, keeps nothing.
      flush() {
        const reply = unreadable ? undefined : events ? final : whole;
        if (reply !== undefined && answers(reply, keeping.call.id)) {
          const failed = (error: unknown) =>
            x.report({ type: "store-failed", operation: "put", reason: reasonOf(error) });
          x.waitUntil(store(x, keeping, reply, askedAt).catch(failed));
        }
      },
    });
    return new Response(response.body.pipeThrough(watcher), response);
  };
}

async function store(x: Exchange, keeping: Keeping, reply: string, askedAt: number): Promise<void> {
  const { call, rule, candidates, previous } = keeping;
  const made = neutralise(reply, {
    method: call.method,
    era: call.era,
    rule,
    hints: call.shape.hints,
    tags: expandTags(rule.tags, call.variant),
    askedAt,
    random: x.random(),
    maxBytes: x.origin.settings.entryBytes,
  });
  if (typeof made === "string") return;
  keep(x, candidates, { ...made, hash: await hashOf(made.body, made.meta), savedAt: made.storedAt }, previous);
}

function answers(text: string, id: string | number): boolean {
  try {
    const message: unknown = JSON.parse(text);
    return isObject(message) && message["id"] === id && message["result"] !== undefined;
  } catch {
    return false;
  }
}
