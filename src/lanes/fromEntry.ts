import type { Entry } from "../cache/entry.ts";
import { ageMs } from "../cache/freshness.ts";
import { tell, type CacheWord } from "../cache/tell.ts";
import { isList } from "../mcp/methods.ts";
import type { Call } from "../mcp/recognise.ts";
import { knownEras } from "./eras.ts";
import type { Answer, Exchange } from "./Exchange.ts";
import { isDetached } from "./isDetached.ts";
import type { Obtained } from "./obtain.ts";
import { pendingOn, pendingRefusal } from "./pendingOn.ts";
import { entryFor } from "./withinRights.ts";

type Shown = Extract<Answer, { kind: "message" | "failure" }>;

/**
 * The answer that an entry is to a caller; a failure where it is kept, queued writes are about to change it, and the operator
 * has it refused meanwhile. What the origin has just said is given.
 */
export function fromEntry(
  x: Exchange,
  call: Call,
  { entry, word, outcome, at }: Omit<Extract<Obtained, { kind: "entry" }>, "kind">,
): Shown {
  const now = at ?? x.now();
  const pendingWrites = x.feed.pending.size === 0 ? 0 : pendingOn(x, call, entry);
  if (pendingWrites > 0 && word !== "miss") {
    const failure = pendingRefusal(x, call, pendingWrites);
    if (failure) return { kind: "failure", failure };
  }
  // What has just come is the origin's word.
  const detached = word !== "miss" && isDetached(x);
  const text = told(x, call, entry, word, now, detached, pendingWrites);
  const how = detached ? { ...outcome, detached } : outcome;
  return { kind: "message", result: word, status: 200, text, outcome: how, ageMs: ageMs(entry, now), isCut: true };
}

/** An old answer in place of one that the origin failed to give; a failure as with `fromEntry`. */
export function standIn(x: Exchange, call: Call, entry: Entry, status: number | undefined): Shown {
  const now = x.now();
  const pendingWrites = x.feed.pending.size === 0 ? 0 : pendingOn(x, call, entry);
  const failure = pendingRefusal(x, call, pendingWrites);
  if (failure) return { kind: "failure", failure };
  const age = ageMs(entry, now);
  const detached = isDetached(x);
  const text = told(x, call, entry, "stale", now, detached, pendingWrites);
  const outcome = {
    kind: "stale-if-error",
    ttlMs: entry.ttlMs - age,
    ...(status !== undefined && { status }),
    ...(detached && { detached }),
  } as const;
  return { kind: "message", result: "stale", status: 200, text, outcome, ageMs: age, isCut: true };
}

/** The same as a message, for what has begun to be answered otherwise. */
export function standInText(x: Exchange, call: Call, entry: Entry): string {
  const given = standIn(x, call, entry, undefined);
  return given.kind === "message" ? given.text : x.word(given.failure, x.body);
}

function told(
  x: Exchange,
  { era, id, method, shape }: Call,
  entry: Entry,
  status: CacheWord,
  now: number,
  detached: boolean,
  pendingWrites: number,
): string {
  const { rights } = x;
  const isLimited = rights !== undefined;
  const seen = isLimited && isList(method) ? entryFor(x, rights, method, entry) : entry;
  const { serverInfo } = knownEras(x);
  return tell(seen, { era, id, status, hints: shape.hints, serverInfo, detached, pendingWrites, isLimited, now });
}
