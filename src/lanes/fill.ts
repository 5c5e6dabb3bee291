import type { Entry } from "../cache/entry.ts";
import { digest, digestOf } from "../cache/key.ts";
import { SUPERSEDING } from "../cache/neutralise.ts";
import { traitsOf } from "../cache/save.ts";
import { expandTags } from "../cache/tags.ts";
import type { CacheRule } from "../config/replica.ts";
import { keyedCapabilities } from "../mcp/keyedCapabilities.ts";
import { isList } from "../mcp/methods.ts";
import { ownMeta } from "../mcp/ownMeta.ts";
import type { Call } from "../mcp/recognise.ts";
import { toolFacts } from "../mcp/toolFacts.ts";
import { coalescerName } from "../origin/shards.ts";
import type { Boarding } from "../origin/Flights.ts";
import { FILL_ID } from "../origin/askAtAnyCost.ts";
import { isDemotion, type FillRequest } from "../origin/land.ts";
import type { OriginFailure } from "../origin/failure.ts";
import { reasonOf } from "../telemetry/events.ts";
import { newId } from "../telemetry/newId.ts";
import { berthFor } from "./berth.ts";
import { boundsOf } from "./boundsOf.ts";
import { bumped } from "./bump.ts";
import type { Candidates } from "./candidates.ts";
import type { Exchange } from "./Exchange.ts";
import { knownEras, lacks, noteRefusal, noteEras } from "./eras.ts";
import { heed } from "./heed.ts";
import { endSession } from "./sessions.ts";
import { coalescer, demote, remember, supersede } from "./keep.ts";
import { isWrapped, learn } from "./learn.ts";
import { noteEnding } from "./noteHealth.ts";
import { mayAsk } from "./mayAsk.ts";
import { originToll } from "./overLimit.ts";
import { isPooled, poolName } from "./pool.ts";
import { isSuspect } from "./suspect.ts";
import { fillHeaders, inOriginsEra } from "./fillHeaders.ts";

/** How a fill ended. */
export type Filled =
  | { kind: "entry"; entry: Entry; status: number; collapsed: boolean }
  /** An answer for this caller alone, with the fill's id. */
  | { kind: "reply"; status: number; text: string; declined?: readonly string[] }
  /** Not to be had here: ask the origin directly. */
  | { kind: "relay" }
  | { kind: "failed"; failure: OriginFailure };

/** How a fill goes. */
export interface FillOptions {
  /** Nobody waits for it: it goes on when the caller has gone. */
  behind?: boolean;
  /** The answer must be begun after the asking. */
  again: boolean;
  /** It must have been asked for later than this, epoch ms. */
  newerThan?: number;
  previous: Entry | undefined;
  /** An old answer stands in where it fails: nobody waits to see whether the origin is up again. */
  hasOld?: boolean;
}

/** Asks the origin for an answer that may be kept, together with everyone else who asks for it now. */
export async function fill(
  x: Exchange,
  call: Call,
  rule: CacheRule,
  candidates: Candidates,
  { again, newerThan, previous, behind = false, hasOld = false }: FillOptions,
): Promise<Filled> {
  const bounds = boundsOf(x.origin, call.method, call.target);
  const barrier = await mayAsk(x, bounds, !behind && !hasOld);
  if (barrier) return { kind: "failed", failure: barrier };
  const { origin } = x;
  const asked = inOriginsEra(x, call);
  const laterPage = isList(call.method) && call.variant !== undefined;
  const pool = isPooled(x) ? await poolName(x) : undefined;
  // How those fail who come in no session, where the origin wants one, is nothing to those who have one.
  const key =
    (await digestOf(candidates.flight)) + (pool === undefined ? "" : " pooled") + (await ownFlight(x, candidates));
  const tags = expandTags(rule.tags, call.variant);
  // What is asked for behind an answer counts against nobody.
  const toll = behind ? undefined : await originToll(x);
  // In a session every id is used once (basic, requests), and the others are the caller's.
  const id = x.session ? `edge-replica-${newId()}` : FILL_ID;
  // In the modern revision, and only there, a caller who leaves cancels (basic/transports).
  const ticket = call.era === "modern" && !behind ? newId() : undefined;
  // What an announced invalidation is about to make old is better asked for after it.
  await bumped(x);
  const known = () => knownOf(x, candidates, tags);
  const request: FillRequest = {
    ...known(),
    origin: origin.settings,
    key,
    addresses: {
      ...(candidates.public && { public: candidates.public }),
      ...(candidates.private && { private: candidates.private }),
    },
    method: call.method,
    era: asked.era,
    hints: call.shape.hints,
    rule,
    tags,
    isWrapped: isWrapped(x, call),
    isLegacyOnly: lacks(knownEras(x), "modern"),
    laterPage,
    headers: fillHeaders(x, asked),
    id,
    body: bodyOf(asked, id),
    ...(pool !== undefined && { pool }),
    again,
    ...(newerThan !== undefined && { newerThan }),
    ...(toll && { toll }),
    ...(bounds?.budget && { budget: bounds.budget }),
    ...(bounds?.isExpensive && { isExpensive: true }),
    ...(ticket && { ticket }),
    ...(previous && { previous: traitsOf(previous) }),
  };
  const berth = behind ? undefined : berthFor(x, { key });
  if (berth && "failure" in berth) return { kind: "failed", failure: berth.failure };
  let boarding: Boarding;
  const flights = coalescer(x, coalescerName(origin.settings, key));
  const begunAt = x.now();
  const leave = () => x.waitUntil(flights.leave(key, ticket!).catch(() => {}));
  if (ticket) x.left().addEventListener("abort", leave);
  try {
    boarding = await flights.fill(request);
    // What another's flight brings may have been asked for before the origin said that it has changed.
    if (!again && boarding.kind === "entry" && boarding.collapsed) {
      const address = candidates[boarding.entry.scope];
      const isOld =
        address && (isSuspect(x, address, boarding.entry) || x.feed.judge(boarding.entry, address) !== "sound");
      if (isOld) boarding = await flights.fill({ ...request, ...known(), again: true });
    }
  } catch (error) {
    x.report({ type: "coalescer-failed", origin: origin.settings.id, reason: reasonOf(error) });
    return { kind: "relay" };
  } finally {
    berth?.leave();
    if (ticket) x.left().removeEventListener("abort", leave);
  }
  // Of a flight one tells: who began it, unless that one has left, which ends it in a failure of nobody's.
  if (boarding.kind !== "pass" && !boarding.collapsed && !(ticket && x.left().aborted)) {
    noteEnding(x, begunAt, boarding.kind === "failed" ? boarding.failure : undefined);
  }
  switch (boarding.kind) {
    case "pass":
    case "too-large":
      return { kind: "relay" };
    case "failed":
      if (boarding.failure.kind === "busy") x.feed.health.crowded(x.now());
      return { kind: "failed", failure: withRetry(boarding.failure, boarding.retryAfterMs) };
    case "reply":
      await heed(x, call, boarding.text);
      if (x.session && boarding.status === 404) endSession(x);
      if (call.method === "server/discover") await noteRefusal(x, boarding.text);
      // The origin has answered anew, with something that may not be kept: what was kept is no longer its answer.
      if (previous && SUPERSEDING.has(boarding.why)) await supersede(x, call.method, candidates);
      return {
        kind: "reply",
        status: boarding.status,
        text: boarding.text,
        ...(boarding.declined && { declined: boarding.declined }),
      };
    case "entry": {
      const { entry, status, collapsed } = boarding;
      if (isDemotion(request, entry)) await demote(x, call);
      remember(x, candidates, entry);
      if (call.method === "server/discover") await noteEras(x, { modern: true });
      if (call.method === "tools/list") learn(x, toolFacts(JSON.parse(`{${entry.body}}`)));
      return { kind: "entry", entry, status, collapsed };
    }
  }
}

/** An answer that all may have is asked for by each with a credential of its own: how one fares is nothing to the others. */
async function ownFlight({ origin, principal }: Exchange, { flight }: Candidates): Promise<string> {
  const isShared = origin.settings.caller !== undefined && flight.partition.scope === "public";
  return isShared ? ` ${await digest(principal)}` : "";
}

/** What is known of the feed: the answer carries it, and no flight is joined that knows less of what concerns it. */
function knownOf({ feed }: Exchange, { flight }: Candidates, tags: readonly string[]): Pick<FillRequest, "known"> {
  const { position } = feed;
  return position ? { known: { ...position, needed: feed.latest(flight, tags) } } : {};
}

/** The request as the origin gets it: without what belongs to one caller, as it will answer many. */
function bodyOf(call: Call, id: string | number): string {
  const { _meta: _, ...params } = call.params;
  const sent = call.era === "modern" ? { ...params, _meta: ownMeta(call.version, keyedCapabilities(call)) } : params;
  return JSON.stringify({ jsonrpc: "2.0", id, method: call.method, params: sent });
}

function withRetry(failure: OriginFailure, retryAfterMs: number): OriginFailure {
  return failure.kind === "status" || failure.kind === "busy" ? { ...failure, retryAfterMs } : failure;
}
