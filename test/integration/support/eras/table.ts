import type { CASES, WHEN_DEAD, WHEN_OFFLINE } from "./cases.ts";
import type { ClientName } from "./connect.ts";

/** What an origin speaks; `pooled` is the one with sessions, under `modernize: "always"`. */
export type OriginName = "modern" | "stateless" | "sessions" | "pooled";

/** Clients that fare alike with an origin, through the replica. */
export interface Pair {
  /** The head of its column. */
  title: string;
  origin: OriginName;
  clients: readonly ClientName[];
  /** Whether they could do without the replica: then it must not make a difference. */
  isDirect: boolean;
}

/** The columns of the table. */
export const PAIRS = [
  { title: "legacy, modern-only", origin: "modern", clients: ["sdk 1", "sdk 2"], isDirect: false },
  { title: "modern, modern-only", origin: "modern", clients: ["sdk 2 auto", "sdk 2 pinned"], isDirect: true },
  { title: "legacy, legacy-only", origin: "stateless", clients: ["sdk 1", "sdk 2"], isDirect: true },
  // One that knows both eras could as well fall back. The replica spares it that.
  { title: "modern, legacy-only", origin: "stateless", clients: ["sdk 2 auto", "sdk 2 pinned"], isDirect: false },
  { title: "legacy, sessions", origin: "sessions", clients: ["sdk 1", "sdk 2", "sdk 2 auto"], isDirect: true },
  { title: "modern, sessions", origin: "sessions", clients: ["sdk 2 pinned"], isDirect: false },
  { title: "modern, sessions, `always`", origin: "pooled", clients: ["sdk 2 auto", "sdk 2 pinned"], isDirect: false },
] as const satisfies readonly Pair[];

/** What comes of a case, by the clients where they differ. */
export type Cell = string | Readonly<Partial<Record<ClientName, string>>>;
type Row = readonly [Cell, Cell, Cell, Cell, Cell, Cell, Cell];

export type CaseName =
  | "connect"
  | keyof typeof CASES
  | keyof typeof WHEN_DEAD
  | "connect, the origin down"
  | keyof typeof WHEN_OFFLINE
  | "connect, the origin down and never met";

const W = "works";
const WRAPPED = "works, as `{ result: … }`";
const GOES_ON = "the client gives up, the origin goes on";
const TOOL_REFUSES = "`isError`";
/** The replica says so before the origin would. */
const MISFIT = "`isError invalid_arguments`";
const NEEDS_SESSION = "`error -31000 needs_session`";
const TOOL_NEEDS_SESSION = "`isError needs_session`";
const NEGOTIATION_FAILED = "`error ERA_NEGOTIATION_FAILED`";
const DOWN = "`error -31000 origin_unavailable`";
const TOOL_DOWN = "`isError origin_unavailable`";
const INVALID = "`error -32602`";
const NOT_FOUND = "`error -32601`";
const NOT_FOUND_HTTP = "`HTTP 404 -32601`";
/** The client itself knows that its revision has no such method. */
const NO_SUCH_METHOD = "`error METHOD_NOT_SUPPORTED_BY_PROTOCOL_VERSION`";
const DEAF = "accepted; the origin says nothing";
const NEVER_MET = { "sdk 2 auto": DOWN, "sdk 2 pinned": NEGOTIATION_FAILED };

/** What comes of every case, for every pair. This is what is promised, and what is tested. */
export const TABLE: Readonly<Record<CaseName, Row>> = {
  connect: [W, W, W, W, W, NEGOTIATION_FAILED, W],
  "promised besides tools, resources, prompts, completions": [
    "nothing",
    "logging, notifications",
    "logging",
    "logging",
    "logging, notifications",
    "not connected",
    "logging",
  ],
  list: [W, W, W, W, W, NEEDS_SESSION, W],
  page: [W, W, W, W, W, NEEDS_SESSION, W],
  call: [W, W, W, W, W, TOOL_NEEDS_SESSION, W],
  "structured result": [W, W, W, W, W, TOOL_NEEDS_SESSION, W],
  "structured result, no object": [WRAPPED, W, WRAPPED, WRAPPED, WRAPPED, TOOL_NEEDS_SESSION, WRAPPED],
  read: [W, W, W, W, W, NEEDS_SESSION, W],
  "read what is not there": [
    { "sdk 1": "`error -32002`", "sdk 2": INVALID },
    INVALID,
    INVALID,
    INVALID,
    INVALID,
    NEEDS_SESSION,
    INVALID,
  ],
  template: [W, W, W, W, W, NEEDS_SESSION, W],
  prompt: [W, W, W, W, W, NEEDS_SESSION, W],
  complete: [W, W, W, W, W, NEEDS_SESSION, W],
  progress: [W, W, W, W, W, TOOL_NEEDS_SESSION, W],
  cancel: [GOES_ON, W, GOES_ON, W, W, TOOL_NEEDS_SESSION, W],
  log: ["a level is accepted, no log comes", W, W, W, W, TOOL_NEEDS_SESSION, W],
  elicit: ["`isError needs_newer_client`", W, TOOL_REFUSES, TOOL_REFUSES, W, TOOL_NEEDS_SESSION, TOOL_REFUSES],
  subscribe: ["`error -32601 method_registry`", W, NOT_FOUND, DEAF, W, W, W],
  ping: [W, NO_SUCH_METHOD, W, NO_SUCH_METHOD, W, NO_SUCH_METHOD, NO_SUCH_METHOD],
  "unknown tool": [INVALID, INVALID, TOOL_REFUSES, TOOL_REFUSES, TOOL_REFUSES, TOOL_NEEDS_SESSION, TOOL_REFUSES],
  "bad argument": [MISFIT, MISFIT, MISFIT, MISFIT, MISFIT, TOOL_NEEDS_SESSION, MISFIT],
  "unknown method": [NOT_FOUND, NOT_FOUND_HTTP, NOT_FOUND, NOT_FOUND_HTTP, NOT_FOUND, NEEDS_SESSION, NOT_FOUND_HTTP],
  "the origin has died: what is kept": [W, W, W, W, W, NEEDS_SESSION, W],
  "the origin has died: other calls": [
    TOOL_DOWN,
    TOOL_DOWN,
    TOOL_DOWN,
    TOOL_DOWN,
    TOOL_DOWN,
    TOOL_NEEDS_SESSION,
    TOOL_DOWN,
  ],
  "connect, the origin down": [W, W, W, W, W, NEGOTIATION_FAILED, W],
  "the origin was dead before: what is kept": [W, W, W, W, W, NEEDS_SESSION, W],
  "the origin was dead before: other calls": [
    TOOL_DOWN,
    TOOL_DOWN,
    TOOL_DOWN,
    TOOL_DOWN,
    TOOL_DOWN,
    TOOL_NEEDS_SESSION,
    TOOL_DOWN,
  ],
  "connect, the origin down and never met": [DOWN, NEVER_MET, DOWN, NEVER_MET, DOWN, NEGOTIATION_FAILED, NEVER_MET],
};

/** What must come of a case for a client. */
export function cellOf(name: CaseName, pair: Pair, client: ClientName): string | undefined {
  const cell = TABLE[name][PAIRS.findIndex(({ title }) => title === pair.title)]!;
  return typeof cell === "string" ? cell : cell[client];
}
