import type { OriginSettings } from "../config/replica.ts";
import { hear } from "../mcp/hear.ts";
import { withId } from "../mcp/withId.ts";
import { callOrigin, type Bindings } from "./callOrigin.ts";
import type { Meter } from "./Meter.ts";
import { PooledCall } from "./PooledCall.ts";
import type { PoolReply, PoolRequest } from "./PooledSession.ts";
import { readReply, type Reply } from "./readReply.ts";
import type { Room } from "./Room.ts";

/** One JSON-RPC request to the origin, of which the answer is read as a whole. */
export interface Asking {
  origin: OriginSettings;
  headers: Record<string, string>;
  /** The id of the JSON-RPC request. */
  id: string | number;
  /** The JSON-RPC request. */
  body: string;
  /** Whose pooled session it is asked in: its name in the pool. */
  pool?: string;
  /** The progress token that stands in it; in a pooled session the origin sees another. */
  token?: string;
  /** The most that is read of the answer. Default: 16 MB. */
  maxBytes?: number;
}

/** The JSON-RPC id of what is asked outside of sessions. Each is an HTTP exchange of its own, so one id serves all. */
export const FILL_ID = 1;

/** The most that is read into memory. */
const MAX_REPLY_BYTES = 16 * 1_048_576;

/** What asking needs besides the request. */
export interface AskingTools {
  bindings: Bindings;
  /** Aborted when nobody waits any more. */
  abandoned?: AbortSignal;
  /** Asks for pooled sessions. */
  pool: (request: PoolRequest) => Promise<PoolReply>;
  waitUntil: (work: Promise<unknown>) => void;
  /** What may be held together with others that are asked for at the same time. */
  room?: Room;
  /** Gets what the origin tells before the answer, each a JSON-RPC message. */
  heard?: (message: string) => void;
}

/** What the origin said. */
export interface Told {
  reply: Reply;
  /** What the origin wanted to ask a client for on the way. */
  declined?: readonly string[];
}

/** It was told that nobody can be asked, and said nothing more. */
const SILENT: Reply = { failure: { kind: "asked-back" } };

/** Asks the origin, in a pooled session or in none, and reads its answer, whatever that takes. Never throws. */
export async function askAtAnyCost(request: Asking, tools: AskingTools, meter?: Meter): Promise<Told> {
  const { maxBytes = MAX_REPLY_BYTES, origin, headers, body, id, pool, token } = request;
  const { bindings, abandoned, room, waitUntil, heard: told } = tools;
  const measured = (response: Response) => meter?.measured(response) ?? response;
  const sent = { method: "POST", headers, body, ...(abandoned && { abandoned }) };
  const limits = { id, maxBytes, totalMs: origin.totalMs, ...(room && { room }) };
  if (pool === undefined) {
    const called = await callOrigin(origin, bindings, sent);
    if ("failure" in called) return { reply: called };
    const { response, cancel } = called;
    const more = { ...(cancel && { cancel }), ...(told && { heard: told }) };
    return { reply: await readReply(measured(response), { ...limits, ...more }) };
  }
  const call = new PooledCall({
    origin,
    bindings,
    session: (over) => tools.pool({ origin, name: pool, ...(over && { over }) }),
    caller: { id, token },
    waitUntil,
    room,
  });
  const called = await call.send(sent);
  if ("failure" in called) return { reply: called };
  const { names, sessionId: own, declined } = call;
  const heard = (event: string) => {
    call.answer(event);
    const what = told && hear(event, names, call.caller);
    if (what?.kind === "notification") told!(what.text);
  };
  const reply = await readReply(measured(called.response), { ...limits, id: names.id, heard });
  call.end("text" in reply);
  if (!("text" in reply)) return { reply: "failure" in reply && declined.length > 0 ? SILENT : reply };
  const { sessionId, ...rest } = reply;
  const isOthers = sessionId !== undefined && sessionId !== own;
  return { reply: { ...rest, text: withId(reply.text, id), ...(isOthers && { sessionId }) }, declined };
}
