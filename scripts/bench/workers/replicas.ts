import { Authenticator } from "../../../src/access/authenticate.ts";
import { InFlight } from "../../../src/access/InFlight.ts";
import { addressOf, PUBLIC } from "../../../src/cache/key.ts";
import { MemoryStore } from "../../../src/cache/MemoryStore.ts";
import { S3Fifo } from "../../../src/cache/S3Fifo.ts";
import { SessionSource } from "../../../src/origin/SessionSource.ts";
import { Feed } from "../../../src/sync/Feed.ts";
import { FeedView } from "../../../src/sync/FeedView.ts";
import { Listening } from "../../../src/sync/Listening.ts";
import { resolve } from "../../../src/config/resolve.ts";
import type { Serving } from "../../../src/http/Incoming.ts";
import { Worlds } from "../../../src/http/Worlds.ts";
import type { Isolate } from "../../../src/lanes/Exchange.ts";
import { Mirrors } from "../../../src/lanes/Mirrors.ts";
import { Schemas } from "../../../src/lanes/Schemas.ts";
import { Catalogue } from "../../../src/mcp/Catalogue.ts";
import { SILENT } from "../../../src/telemetry/events.ts";
import type { Variant } from "../inside.ts";
import { Tally } from "../../../src/telemetry/Tally.ts";
import type { Credentials } from "./credentials.ts";
import { CONTENT, modernCall, TOOL, type Call } from "../exchange.ts";

/** A replica whose memory is filled, and the calls that hit it. */
export interface Filled {
  feed: FeedView;
  hearsAlways: boolean;
  tally: Tally;
  serving: Serving;
  /** How many different calls hit. */
  entries: number;
  /** The call that hits the entry of that number. */
  callOf: (index: number) => Call;
  /** What the callers of a batch show, and what a hit may reach of the platform. */
  credentials: Credentials;
  /** Forgets who has called. */
  forget: () => void;
}

/** Room for the largest of them; in a deployed Worker memory is bounded. */
const CAPACITY_BYTES = 512 * 1_048_576;
const LIFE_MS = 3_600_000;
const FEED_ID = "f";
const ANYBODY: Credentials = { access: { open: true }, headers: [], env: {} };

/** A replica with that many entries in memory, spread over that many tools, all of them in the policy and in the catalogue. */
export async function filledReplica(
  { entries, tools, invalidations, hearsAlways = false }: Variant,
  full: boolean,
  credentials: Credentials = ANYBODY,
): Promise<Filled> {
  const names = Array.from({ length: tools }, (_, index) => (tools === 1 ? TOOL : `${TOOL}_${index}`));
  const cache = { ttl: "1h", scope: "public" } as const;
  const replica = resolve({
    origins: {
      bench: { url: "https://origin.example/mcp", tools: Object.fromEntries(names.map((name) => [name, { cache }])) },
    },
    access: credentials.access,
    ...(credentials.limits && { limits: credentials.limits }),
  });
  const { settings } = replica.defaultOrigin!;
  const catalogue = new Catalogue();
  catalogue.learn(
    names.map((name) => [name, { readOnly: true, isIdempotent: false, paramHeaders: [], isWrapped: false }]),
  );
  catalogue.complete = true;
  catalogue.readAt = Date.now() + LIFE_MS;
  const memory = new MemoryStore(CAPACITY_BYTES);
  const argumentsOf = (index: number) => ({ id: `api.Feature${index}` });
  const nameOf = (index: number) => names[index % tools]!;
  const content = full ? CONTENT : [{ type: "text", text: "ok" }];
  const body = JSON.stringify({ content }).slice(1, -1);
  for (let index = 0; index < entries; index++) {
    const subject = {
      originId: settings.id,
      identity: settings.identity,
      method: "tools/call",
      target: nameOf(index),
      variant: argumentsOf(index),
      capabilities: "{}",
    };
    await memory.put(addressOf(subject, PUBLIC)!, {
      storedAt: Date.now(),
      ttlMs: LIFE_MS,
      staleWhileRevalidateMs: 0,
      staleIfErrorMs: 0,
      promisedMs: 0,
      scope: "public",
      tags: [],
      era: "modern",
      savedAt: 0,
      hash: "",
      body,
      meta: "",
      contentEnd: 0,
      // From before everything that was invalidated.
      ...(invalidations !== undefined && { feedId: FEED_ID, seq: 0 }),
    });
  }
  const isolate: Isolate = {
    memory,
    catalogues: new Map([[settings.id, catalogue]]),
    schemas: new Schemas(),
    eras: new Map(),
    surfacesAt: new Map(),
    suspectAt: new Map(),
    sessions: new S3Fifo(1),
    sealKeys: new Map(),
    pooled: new SessionSource(),
    listening: new Listening(),
    mirrors: new Mirrors(),
    verifying: new Set(),
    inFlight: new InFlight(),
  };
  const serving: Serving = {
    replica,
    report: SILENT,
    isolate,
    worlds: new Worlds(replica, isolate),
    authenticator: new Authenticator(replica.access),
  };
  return {
    feed: viewWith(invalidations),
    hearsAlways,
    tally: new Tally((_, target) => target),
    serving,
    entries,
    callOf: (index) => modernCall(index, argumentsOf(index), nameOf(index)),
    credentials,
    forget: () => void (serving.authenticator = new Authenticator(replica.access)),
  };
}

/** What an isolate knows of a feed with that many invalidations. The next pulse is not due. */
function viewWith(invalidations: number | undefined): FeedView {
  const view = new FeedView(() => "i");
  view.dueAt = Number.POSITIVE_INFINITY;
  if (invalidations === undefined) return view;
  const feed = new Feed({ feedId: FEED_ID, seq: 0, floor: 0, hardFloor: 0 });
  for (let nth = 0; nth < invalidations; nth++) feed.invalidate([`product:${nth}`], {}, 0);
  view.hear(view.ask(), feed.since({ seq: 0, feedId: undefined }));
  return view;
}
