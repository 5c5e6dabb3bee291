import type { Authenticator } from "../access/authenticate.ts";
import type { Roles } from "../access/Roles.ts";
import type { Origin, Replica } from "../config/replica.ts";
import type { Isolate } from "../lanes/Exchange.ts";
import type { FeedView } from "../sync/FeedView.ts";
import type { Reporter } from "../telemetry/events.ts";
import type { Tally } from "../telemetry/Tally.ts";
import type { Place } from "./place.ts";
import type { Worlds } from "./Worlds.ts";

/** What serving needs, made once an isolate. */
export interface Serving {
  replica: Replica;
  isolate: Isolate;
  worlds: Worlds;
  authenticator: Authenticator;
  /** What callers may use; absent: everything. */
  roles?: Roles | undefined;
  report: Reporter;
}

/** One HTTP request to an MCP endpoint. */
export interface Incoming {
  request: Request;
  /** The request's: each look at them through it has its price. */
  headers: Headers;
  place: Place;
  /** The `Origin` header: the page that asks, where a browser does. */
  page: string | null;
  /** The origin that the path names; `undefined` for a path that names none. */
  origin: Origin | undefined;
  /** What the isolate knows of that origin's feed, in its own world. */
  feed: FeedView | undefined;
  /** What it counts of that origin. */
  tally: Tally | undefined;
  env: Cloudflare.Env;
  waitUntil: (work: Promise<unknown>) => void;
}
