import { answerTo } from "../mcp/answerTo.ts";
import type { ListName } from "../mcp/change.ts";
import { isObject } from "../mcp/isObject.ts";
import { allOf, parseFilter } from "../mcp/listenFilter.ts";
import { methodHeaders } from "../mcp/methodHeaders.ts";
import { ownMeta } from "../mcp/ownMeta.ts";
import { LEGACY_VERSIONS, MODERN_VERSION } from "../mcp/versions.ts";
import type { OriginSettings } from "../config/replica.ts";
import { callOrigin, type Bindings, type OriginResponse } from "../origin/callOrigin.ts";
import { endingOf } from "../origin/endingOf.ts";
import { MESSAGE_HEADERS, postInSession, sessionHeaders, tellInSession } from "../origin/inSession.ts";
import { readReply } from "../origin/readReply.ts";
import type { PooledSession, PoolReply, PoolRequest } from "../origin/PooledSession.ts";
import type { Covers, Upstream } from "./Upstream.ts";

const LISTS: readonly ListName[] = ["tools", "prompts", "resources"];
/** In the earlier revisions each resource is a request of its own. */
const MAX_SUBSCRIBED = 200;
const MAX_REPLY_BYTES = 65_536;
/** After so many that failed it is asked for no more: each may take as long as the origin may, and until then nothing is heard. */
const MAX_FAILED = 3;

/** What listening at an origin needs. */
export interface UpstreamTools {
  origin: OriginSettings;
  bindings: Bindings;
  /** Gives sessions that the replica opens. */
  pool: (request: PoolRequest) => Promise<PoolReply>;
  newId: () => string;
  /** Gets what goes on in the background. */
  failed: (error: unknown) => void;
}

/** Listening by `subscriptions/listen` of the modern revision. */
export function modernUpstream({ origin, bindings }: UpstreamTools): Upstream {
  const method = "subscriptions/listen";
  return {
    opensAcknowledged: false,
    connect: (uris, id, abandoned) => {
      const params = { notifications: allOf(LISTS, uris), _meta: ownMeta() };
      const headers = { ...MESSAGE_HEADERS, "mcp-protocol-version": MODERN_VERSION, ...methodHeaders(method, null) };
      return callOrigin(origin, bindings, {
        method: "POST",
        headers,
        body: JSON.stringify({ jsonrpc: "2.0", id, method, params }),
        abandoned,
      });
    },
    opened: async (asked, honoured) => {
      // Of all listeners together there may be more resources than one may name.
      const filter = parseFilter(isObject(honoured) ? honoured : {}, { maxUris: Number.POSITIVE_INFINITY });
      if (typeof filter === "string") return { lists: [], uris: [] };
      return { lists: [...filter.lists], uris: asked.filter((uri) => filter.uris.has(uri)) };
    },
  };
}

/** Listening by the GET stream of the earlier revisions: in a session, where the origin opens them. */
export function legacyUpstream(tools: UpstreamTools, opensSessions: boolean): Upstream {
  const { origin, bindings, pool, newId, failed } = tools;
  const name = `listen ${origin.identity}`;
  let session: PooledSession | undefined;
  let subscribed = new Set<string>();
  const find = async (over?: PoolRequest["over"]) => {
    const reply = await pool({ origin, name, ...(over && { over }) });
    session = "session" in reply ? reply.session : undefined;
    return reply;
  };
  const get = (abandoned: AbortSignal): Promise<OriginResponse> => {
    const version = { "mcp-protocol-version": LEGACY_VERSIONS[0]! };
    const headers = { accept: "text/event-stream", ...(session ? sessionHeaders(session) : version) };
    return callOrigin(origin, bindings, { method: "GET", headers, abandoned });
  };
  /** How many times in a row the origin could not be asked. */
  let failures = 0;
  /** Whether the origin has agreed. */
  const ask = async (method: string, uri: string): Promise<boolean> => {
    if (!session || failures >= MAX_FAILED) return false;
    const id = `edge-replica-${newId()}`;
    const body = JSON.stringify({ jsonrpc: "2.0", id, method, params: { uri } });
    const called = await postInSession(origin, bindings, session, body);
    // It may come on a stream, which may go on.
    const limits = { id, maxBytes: MAX_REPLY_BYTES, totalMs: origin.totalMs };
    const reply = "failure" in called ? called : await readReply(called.response, limits);
    failures = "failure" in reply && endingOf(reply.failure)?.ok === false ? failures + 1 : 0;
    return "text" in reply && reply.status === 200 && reply.text.includes('"result"');
  };
  const turn = async (uris: readonly string[]): Promise<Covers> => {
    const wanted = new Set(uris.slice(0, session?.id === undefined ? 0 : MAX_SUBSCRIBED));
    failures = 0;
    // On a stream that is opened anew, all begins anew.
    const own = subscribed;
    for (const uri of own) {
      if (wanted.has(uri) || own !== subscribed) continue;
      own.delete(uri);
      await ask("resources/unsubscribe", uri);
    }
    for (const uri of wanted)
      if (own === subscribed && !own.has(uri) && (await ask("resources/subscribe", uri))) own.add(uri);
    return { lists: [...LISTS], uris: [...own] };
  };
  return {
    opensAcknowledged: true,
    connect: async (_, __, signal) => {
      subscribed = new Set();
      if (!opensSessions) return get(signal);
      const found = await find();
      if ("failure" in found) return found;
      const called = await get(signal);
      const status = "response" in called ? called.response.status : 0;
      if (status !== 404 && status !== 400) return called;
      // The session may be over (basic/transports).
      const again = await find({ serial: found.session.serial, isDoubtful: status === 400 });
      return "failure" in again || again.session.serial === found.session.serial ? called : get(signal);
    },
    opened: turn,
    turn,
    asked: (question) => {
      if (session) tellInSession(origin, bindings, session, answerTo(question)).catch(failed);
    },
    keep: () => {
      if (session) pool({ origin, name }).catch(failed);
    },
  };
}
