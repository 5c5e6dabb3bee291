import type { OriginSettings } from "../config/replica.ts";
import { isModernWord } from "../mcp/eraWords.ts";
import { inputSchemas } from "../mcp/inputSchemas.ts";
import { isObject } from "../mcp/isObject.ts";
import { messageIn } from "../mcp/messageIn.ts";
import { methodHeaders } from "../mcp/methodHeaders.ts";
import { CODE } from "../mcp/names.ts";
import { ownMeta } from "../mcp/ownMeta.ts";
import { paramHeaderValues, toolFacts, type ParamHeader } from "../mcp/toolFacts.ts";
import { LEGACY_VERSIONS, MODERN_VERSION, type Era } from "../mcp/versions.ts";
import { askAtAnyCost, FILL_ID, type AskingTools } from "./askAtAnyCost.ts";
import type { OriginFailure } from "./failure.ts";
import { MESSAGE_HEADERS } from "./inSession.ts";
import { FORGETFUL } from "./PooledCall.ts";
import type { PoolReply } from "./PooledSession.ts";
import type { Reply } from "./readReply.ts";
import { isMismatch, isRefusal, isUntaken } from "./refusals.ts";
import { SessionSource } from "./SessionSource.ts";
import type { SpokenEras } from "./SpokenEras.ts";

/** What asking in the replica's own name needs. */
export interface OwnCallTools extends Omit<AskingTools, "abandoned" | "heard"> {
  /** Epoch ms. */
  now: () => number;
}

/** What the origin said. */
export type OwnAnswer =
  /** `text` is the JSON-RPC response as it came. */
  | { result: Record<string, unknown>; text: string }
  /** The code of its JSON-RPC error. */
  | { error: number }
  | { failure: OriginFailure }
  /** An answer that is none: what it is, in a few words. */
  | { bad: string };

/** How a tool is called that may change something. */
export interface CallOptions extends Pick<AskingTools, "abandoned" | "heard"> {
  /** Whose session of the pool it is called in, where the origin keeps sessions. */
  pool: string;
  headers: Readonly<Record<string, string>>;
  /** The token under which progress is told; absent: none is asked for. */
  token?: string;
  /** The most that is read of the answer. Default: 16 MB. */
  maxBytes?: number;
}

/** What came of such a call. */
export type Called =
  /** It was sent: `reply` is what came, asked for in that era. */
  | { reply: Reply; era: Era }
  /** It is certain that the origin has not executed it: why it was not sent, or not taken. */
  | { unsent: OriginFailure };

/** Why there is no result. */
export type NoResult = Exclude<OwnAnswer, { result: unknown }>;

/** A tool as the origin lists it; `schema` is `undefined` where nobody can tell which of several is meant. */
export interface ListedTool {
  schema: unknown;
  paramHeaders: readonly ParamHeader[];
}

/** How it is asked: in the modern revision, in an earlier one without sessions, or in a session of the pool. */
type Way = { kind: "modern" } | { kind: "stateless"; version: string } | { kind: "pooled" };

const MAX_AT_ONCE = 4;
const MAX_TOOL_PAGES = 100;
/** An origin that refuses much is not asked more often what it speaks. */
const DOUBT_MS = 60_000;

/**
 * Asks the origin in the replica's own name, in the era that it speaks: as is known of it, or as it turns out. Made to be
 * held by one place for long: what it learns, it keeps. Never throws.
 */
export class OwnCalls {
  readonly #origin: OriginSettings;
  readonly #tools: OwnCallTools;
  readonly #sessions = new SessionSource();
  #way: Way | undefined;
  /** Those who ask at the same time find out together. */
  #finding: Promise<Way | OriginFailure> | undefined;
  /** When what was thought of its eras was called into question last, epoch ms. */
  #doubtedAt = Number.NEGATIVE_INFINITY;
  #listed: Promise<ReadonlyMap<string, ListedTool> | NoResult> | undefined;
  /** How many requests have been made, to the origin or the pool. */
  requests = 0;

  constructor(origin: OriginSettings, eras: SpokenEras, tools: OwnCallTools) {
    this.#origin = origin;
    this.#tools = tools;
    this.#way = wayOf(eras);
  }

  /** How many of them there are to be at once: an origin that takes few calls is not to be taken up by these. */
  get atOnce(): number {
    return Math.min(this.#origin.concurrency, MAX_AT_ONCE);
  }

  /** Asks one of the methods that change nothing. */
  async ask(method: string, params: Record<string, unknown>): Promise<OwnAnswer> {
    const found = this.#way ?? (await this.#find());
    if (!isWay(found)) return { failure: found };
    const reply = await this.#askIn(found, method, params);
    if ("tooLarge" in reply) return { bad: "it is over 16 MB" };
    const answer = answerIn(reply);
    // What its arguments are mirrored in has changed since it was listed.
    if ("error" in answer && answer.error === CODE.headerMismatch) this.#listed = undefined;
    if (!isRefusal(reply, found.kind)) return answer;
    const other = await this.#findAfter(found);
    if (!isWay(other)) return { failure: other };
    return other.kind === found.kind ? answer : this.ask(method, params);
  }

  /**
   * Calls a tool that may change something. It is sent again only where the origin has refused to take it: in words of its
   * era, or of headers that mirror other arguments than it does now. Never throws.
   */
  async call(params: Record<string, unknown>, options: CallOptions): Promise<Called> {
    const found = this.#way ?? (await this.#find());
    if (!isWay(found)) return { unsent: found };
    const called = await this.#callIn(found, params, options);
    if ("unsent" in called || "tooLarge" in called.reply) return called;
    const { reply } = called;
    if (found.kind === "modern" && isMismatch(reply)) {
      this.#listed = undefined;
      return this.#callIn(found, params, options);
    }
    if (!isUntaken(reply, found.kind)) return called;
    const other = await this.#findAfter(found);
    if (!isWay(other)) return { unsent: other };
    if (other.kind !== found.kind) return this.#callIn(other, params, options);
    return "failure" in reply && reply.failure === FORGETFUL ? { unsent: FORGETFUL } : called;
  }

  /** The tools as they are listed now. */
  async tools(): Promise<ReadonlyMap<string, ListedTool> | NoResult> {
    this.#listed = this.#list();
    const listed = await this.#listed;
    if (!isListing(listed)) this.#listed = undefined;
    return listed;
  }

  /** The tools as they were listed when that was asked for last, if ever. */
  async known(): Promise<ReadonlyMap<string, ListedTool> | NoResult> {
    return (await this.#listed) ?? this.tools();
  }

  async #list(): Promise<ReadonlyMap<string, ListedTool> | NoResult> {
    const listed = new Map<string, ListedTool>();
    let cursor: string | undefined;
    for (let page = 0; page < MAX_TOOL_PAGES; page++) {
      const answer = await this.ask("tools/list", cursor === undefined ? {} : { cursor });
      if (!("result" in answer)) return answer;
      const { schemas, next } = inputSchemas(answer.result);
      const facts = new Map(toolFacts(answer.result));
      for (const [name, schema] of schemas) {
        const { paramHeaders = [] } = facts.get(name) ?? {};
        listed.set(name, { schema: listed.has(name) ? undefined : schema, paramHeaders });
      }
      if (next === undefined || next === cursor) break;
      cursor = next;
    }
    return listed;
  }

  /** The headers that mirror a tool's arguments: where it has any, the list of tools says which. */
  async #paramHeaders({ name, arguments: args }: Record<string, unknown>): Promise<Record<string, string> | Failed> {
    if (!isObject(args) || Object.keys(args).length === 0) return {};
    const listed = await this.known();
    if (!isListing(listed)) return "failure" in listed ? listed : {};
    return Object.fromEntries(paramHeaderValues(listed.get(String(name))?.paramHeaders ?? [], args));
  }

  async #callIn(way: Way, params: Record<string, unknown>, options: CallOptions): Promise<Called> {
    const { reply, isUnsent } = await this.#send(way, "tools/call", params, options);
    if (isUnsent && "failure" in reply) return { unsent: reply.failure };
    return { reply, era: way.kind === "modern" ? "modern" : "legacy" };
  }

  async #askIn(way: Way, method: string, params: Record<string, unknown>): Promise<Reply> {
    return (await this.#send(way, method, params)).reply;
  }

  async #send(way: Way, method: string, params: Record<string, unknown>, options?: CallOptions): Promise<Sent> {
    const { kind } = way;
    const more = kind === "modern" && method === "tools/call" ? await this.#paramHeaders(params) : {};
    if (isFailed(more)) return { reply: more, isUnsent: true };
    const { token, maxBytes, pool = this.#poolName, headers: others, abandoned, heard } = options ?? {};
    if (abandoned?.aborted) return { reply: { failure: { kind: "unreachable" } }, isUnsent: true };
    const version = kind === "modern" ? MODERN_VERSION : kind === "stateless" ? way.version : undefined;
    const { uri, name } = params;
    const target = typeof uri === "string" ? uri : typeof name === "string" ? name : null;
    const headers = {
      ...others,
      ...MESSAGE_HEADERS,
      ...(version !== undefined && { "mcp-protocol-version": version }),
      ...(kind === "modern" && { ...methodHeaders(method, target), ...more }),
    };
    const meta = { ...(kind === "modern" && ownMeta()), ...(token !== undefined && { progressToken: token }) };
    const sent = Object.keys(meta).length > 0 ? { ...params, _meta: meta } : params;
    const body = JSON.stringify({ jsonrpc: "2.0", id: FILL_ID, method, params: sent });
    const { now } = this.#tools;
    this.requests++;
    /** Why there was no session. */
    let noSession: OriginFailure | undefined;
    const { reply } = await askAtAnyCost(
      {
        origin: this.#origin,
        headers,
        id: FILL_ID,
        body,
        ...(kind === "pooled" && { pool }),
        ...(token !== undefined && { token }),
        ...(maxBytes !== undefined && { maxBytes }),
      },
      {
        ...this.#tools,
        ...(abandoned && { abandoned }),
        ...(heard && { heard }),
        pool: async (request) => {
          const found = await this.#sessions.find(request, (asked) => this.#pool(asked), now());
          if ("failure" in found) noSession = found.failure;
          return found;
        },
      },
    );
    // The same one: another may be of a session that was only to be kept.
    const isUnsent = "failure" in reply && reply.failure === noSession;
    return isUnsent ? { reply, isUnsent } : { reply };
  }

  /** Of a name that no caller's has: those are digests. */
  get #poolName(): string {
    return `mirror ${this.#origin.identity}`;
  }

  #pool: AskingTools["pool"] = (request): Promise<PoolReply> => {
    this.requests++;
    return this.#tools.pool(request);
  };

  /** After it has refused to be asked so: it may speak another era than it did, or have reasons of its own. */
  async #findAfter(refused: Way): Promise<Way | OriginFailure> {
    if (this.#way && this.#way.kind !== refused.kind) return this.#way;
    const now = this.#tools.now();
    if (this.#way && now - this.#doubtedAt < DOUBT_MS) return refused;
    this.#doubtedAt = now;
    this.#way = undefined;
    return this.#find();
  }

  async #find(): Promise<Way | OriginFailure> {
    this.#finding ??= this.#findOut();
    const found = await this.#finding;
    this.#finding = undefined;
    if (isWay(found)) this.#way = found;
    return found;
  }

  /** Asks what it is: clients take whatever refuses that as a reason to initialize (basic/versioning). */
  async #findOut(): Promise<Way | OriginFailure> {
    const modern: Way = { kind: "modern" };
    const reply = await this.#askIn(modern, "server/discover", {});
    if ("text" in reply) {
      const result = messageIn(reply.text)?.["result"];
      if (isObject(result) && Array.isArray(result["supportedVersions"])) return modern;
      if (isModernWord(reply.text)) return modern;
    }
    const isRefused = "text" in reply || ("failure" in reply && reply.failure.kind === "garbage");
    if (!isRefused) return "failure" in reply ? reply.failure : { kind: "garbage", detail: "an answer of over 16 MB" };
    const found = await this.#sessions.find(
      { origin: this.#origin, name: this.#poolName },
      this.#pool,
      this.#tools.now(),
    );
    if ("failure" in found) return found.failure;
    const { id, version } = found.session;
    return id === undefined ? { kind: "stateless", version } : { kind: "pooled" };
  }
}

type Failed = { failure: OriginFailure };

/** What came of a request; or why it was not sent. */
interface Sent {
  reply: Reply;
  isUnsent?: true;
}

/** A header's value is text, so that one of that name is none. */
function isFailed(more: Record<string, string> | Failed): more is Failed {
  return typeof more["failure"] === "object";
}

/** Whether the tools have been listed. */
export function isListing(
  listed: ReadonlyMap<string, ListedTool> | NoResult,
): listed is ReadonlyMap<string, ListedTool> {
  return listed instanceof Map;
}

function isWay(found: Way | OriginFailure): found is Way {
  return found.kind === "modern" || found.kind === "stateless" || found.kind === "pooled";
}

/** How an origin is asked of which this is known; `undefined` where that is too little. */
function wayOf({ modern, legacy, version = LEGACY_VERSIONS[0]! }: SpokenEras): Way | undefined {
  if (modern || legacy === "none") return { kind: "modern" };
  if (modern === undefined || legacy === undefined) return undefined;
  return legacy === "stateless" ? { kind: "stateless", version } : { kind: "pooled" };
}

function answerIn(reply: Exclude<Reply, { tooLarge: true }>): OwnAnswer {
  if ("failure" in reply) return reply;
  const { result, error } = messageIn(reply.text)!;
  if (error !== undefined) return { error: isObject(error) && typeof error["code"] === "number" ? error["code"] : 0 };
  if (!isObject(result)) return { bad: "its result is no object" };
  // Absent is complete for servers of earlier revisions (basic, Results).
  const { resultType = "complete" } = result;
  return resultType === "complete" ? { result, text: reply.text } : { bad: "it asks for something first" };
}
