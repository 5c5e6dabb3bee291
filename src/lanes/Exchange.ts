import type { Caller, Principal } from "../access/Caller.ts";
import type { Rights } from "../access/Rights.ts";
import type { InFlight } from "../access/InFlight.ts";
import type { Payer } from "../access/payer.ts";
import type { CacheOutcome } from "../cache/cacheStatus.ts";
import type { KvStore } from "../cache/KvStore.ts";
import type { MemoryStore } from "../cache/MemoryStore.ts";
import type { S3Fifo } from "../cache/S3Fifo.ts";
import type { Origin, Replica } from "../config/replica.ts";
import type { Catalogue } from "../mcp/Catalogue.ts";
import type { Misfit } from "../mcp/schema/Judge.ts";
import type { Scan } from "../mcp/scan.ts";
import type { Session } from "../mcp/Session.ts";
import type { Era } from "../mcp/versions.ts";
import type { Trace } from "../mcp/trace.ts";
import type { OriginFailure } from "../origin/failure.ts";
import type { SessionSource } from "../origin/SessionSource.ts";
import type { FeedView } from "../sync/FeedView.ts";
import type { Listening } from "../sync/Listening.ts";
import type { Reporter, RequestResult } from "../telemetry/events.ts";
import type { Tally } from "../telemetry/Tally.ts";
import type { Mirrors } from "./Mirrors.ts";
import type { Schemas } from "./Schemas.ts";
import type { WriteFailure } from "./WriteFailure.ts";

/** A session that this isolate has met. */
export interface KnownSession {
  session: Session;
  /** The origin that it was opened with, by its id. */
  at: string;
  hasEnded: boolean;
  /** Whether its caller has wanted to end it. */
  isLeft?: boolean;
  /** When it was last asked whether it has ended, epoch ms. */
  checkedAt: number;
}

/** When the answers to a method came under suspicion; epoch ms. */
export interface Suspicion {
  /** All of them. */
  at: number;
  /** Those to some targets, and to what lies below them. */
  targets: Map<string, number>;
  /** The public ones to some targets, whose answers have turned private. */
  turned: Map<string, number>;
}

/** What an origin has shown of the eras that it speaks. What it has not shown is absent: an outage shows nothing. */
export interface Eras {
  modern?: boolean;
  legacy?: "none" | "stateless" | "sessions";
  /** What it agrees to where it is asked for the newest of the earlier revisions, and calls itself. */
  version?: string;
  serverInfo?: unknown;
  /** When it last showed something, epoch ms. */
  at: number;
  /** When it was last asked whether it has learnt the era that it lacked, epoch ms. */
  checkedAt?: number;
}

/** What an isolate knows of an origin's eras, and since when; epoch ms. */
export interface KnownEras {
  eras: Eras;
  readAt: number;
}

/** What an isolate remembers between requests. Plain data: promises belong to the request that made them. */
export interface Isolate {
  memory: MemoryStore;
  /** By origin id. */
  catalogues: Map<string, Catalogue>;
  /** What the lists of tools in memory say of arguments. */
  schemas: Schemas;
  /** By origin id. */
  eras: Map<string, KnownEras>;
  /** When the bootstrap answers of an origin were last looked after, by origin id and principal; epoch ms. */
  surfacesAt: Map<string, number>;
  /** The sessions that were met here, by their sealed ids. */
  sessions: S3Fifo<KnownSession>;
  /** What seals the session ids of an origin, by its id. */
  sealKeys: Map<string, CryptoKey>;
  /** The sessions in which calls are made of callers who know none. */
  pooled: SessionSource;
  /** What is kept of an origin's method that came under suspicion, see `suspect.ts`. */
  suspectAt: Map<string, Suspicion>;
  listening: Listening;
  mirrors: Mirrors;
  /** The answers that are being compared with the origin's, and until when that may take; epoch ms. */
  verifying: Set<{ until: number }>;
  /** What each payer has under way at origins. */
  inFlight: InFlight;
}

/** One request on its way through the lanes. */
export interface Exchange {
  replica: Replica;
  origin: Origin;
  isolate: Isolate;
  /** What the isolate knows of the origin's feed. */
  feed: FeedView;
  /** What the isolate counts of the origin. */
  tally: Tally;
  kv: KvStore;
  env: Cloudflare.Env;
  waitUntil: (work: Promise<unknown>) => void;
  report: Reporter;
  /** Epoch ms. */
  now: () => number;
  /** When the request came, epoch ms: for what need not be exact, as a look at the clock has its price. */
  arrivedAt: number;
  /** 0 to 1. */
  random: () => number;
  caller: Caller;
  /** What the caller may use; absent: everything. */
  rights?: Rights | undefined;
  /** The caller's, but where the replica asks for itself. */
  principal: Principal;
  /** For whom its calls are counted. */
  payer: () => Payer;
  /** The era in which the origin is asked, where it lacks the caller's: what goes to it, and what comes, is translated. */
  asksIn: Era | undefined;
  /** The session in which a legacy caller asks. */
  session: Session | undefined;
  /** The caller's id of the session. */
  sessionId: string | undefined;
  trace: Trace;
  /** Aborted when the caller has gone before the response began, where the runtime tells. */
  left: () => AbortSignal;
  httpMethod: string;
  headers: Headers;
  /** The body as it came. */
  text: string;
  /** The body parsed. */
  body: unknown;
  /** The JSON-RPC response with which the failure of a message is told where others go beside it. */
  word: (failure: Failure, message: unknown) => string;
  /** What the body is, besides what it says: whether two readers must understand it alike. */
  scan: Scan;
}

/** What comes out of the lanes. */
export type Answer =
  /** One JSON-RPC message. */
  | {
      kind: "message";
      result: RequestResult;
      status: number;
      text: string;
      outcome?: CacheOutcome;
      ageMs?: number;
      sessionId?: string;
      /** When the origin says that it may be asked again. */
      retryAfterMs?: number;
      /** What the origin says that it allows, beside a 405. */
      allow?: string;
      /** Whether what the caller may not use has been left out already. */
      isCut?: true;
    }
  /** The origin's response, passed on as it comes. */
  | { kind: "stream"; response: Response; outcome: CacheOutcome; sessionId?: string }
  /** Server-sent events of the replica's own. */
  | { kind: "events"; body: ReadableStream<Uint8Array> }
  /** A notification, or a response to nobody: accepted, no body. */
  | { kind: "accepted" }
  | { kind: "failure"; failure: Failure };

/** Why there is no answer. */
export type Failure =
  | WriteFailure
  | { kind: "origin"; failure: OriginFailure }
  /** `only-if-cached`, and it is not. */
  | { kind: "not-cached" }
  /** A cursor of the replica's own that cannot be gone on from any more, or never could. */
  | { kind: "cursor-gone" }
  /** The session is not one of the caller's, or goes on no more. */
  | { kind: "session-gone" }
  /** There is nothing to GET here. */
  | { kind: "method-not-allowed" }
  /** The origin answered with something that the caller's revision has no form for: it wants input first, or made a task of the call. */
  | { kind: "no-such-form" }
  /** The origin asks something of the client in the middle of a call, in a way that the caller's revision has not; and what it said when it was told so. */
  | { kind: "asked-back"; said?: string }
  /** The origin wants a session, which the caller's revision has not. */
  | { kind: "session-wanted" }
  /** The operator denies it to everybody, or to this caller: `what` it is, whether there is such a thing or not. */
  | { kind: "denied"; what: string }
  /** It would be allowed with these scopes. */
  | { kind: "insufficient-scope"; scopes: readonly string[] }
  /** The arguments cannot be what the tool wants, as its schema says. */
  | { kind: "invalid-arguments"; tool: string; places: readonly Misfit[] }
  /** What a write is about to change could not be announced, and somebody counts on that: it was not sent. */
  | { kind: "not-announced" }
  /** Neither the feed could be asked whether what is kept is still true, nor the origin. */
  | { kind: "consistency-unavailable" }
  /** The caller has no operation of this id; `uri` is how it asked for it, where that was as a resource. */
  | { kind: "unknown-operation"; id: string; uri?: string; isLegacy?: boolean }
  /** What has become of operations cannot be looked up just now. */
  | { kind: "operations-unavailable" }
  /** So many queued writes are about to change what is kept, and the operator does not want it to be given meanwhile. */
  | { kind: "pending-writes"; count: number; retryAfterMs: number }
  /** The caller has had as many requests as it may for now, or calls of a tool. */
  | { kind: "over-limit"; tool?: string; retryAfterMs: number }
  /** This isolate has as many listeners as it can serve. */
  | { kind: "too-many-streams" }
  /** The request is malformed, or asks for what is not there. */
  | { kind: "rejected"; status: number; code: number; reason: string; message: string; data?: unknown };
