import type { Entry } from "../cache/entry.ts";
import { ageMs } from "../cache/freshness.ts";
import { tell, type CacheWord } from "../cache/tell.ts";
import { isList } from "../mcp/methods.ts";
import type { Call } from "../mcp/recognise.ts";
import { knownEras } from "./eras.ts";
import type { Answer, Exchange } from "./Exchange.ts";
import { isDetached } from "./isDetached.ts";
import type { Obtained } from "./obtain.ts";
import { entryFor } from "./withinRights.ts";

type Message = Extract<Answer, { kind: "message" }>;

/** The answer that an entry is to a caller. */
export function fromEntry(
  x: Exchange,
  call: Call,
  { entry, word, outcome, at }: Omit<Extract<Obtained, { kind: "entry" }>, "kind">,
): Message {
  const now = at ?? x.now();
  // What has just come is the origin's word.
  const detached = word !== "miss" && isDetached(x);
  const text = told(x, call, entry, word, now, detached);
  const how = detached ? { ...outcome, detached } : outcome;
  return { kind: "message", result: word, status: 200, text, outcome: how, ageMs: ageMs(entry, now), isCut: true };
}

/** An old answer in place of one that the origin failed to give. */
export function standIn(x: Exchange, call: Call, entry: Entry, status: number | undefined): Message {
  const now = x.now();
  const age = ageMs(entry, now);
  const detached = isDetached(x);
  const text = told(x, call, entry, "stale", now, detached);
  const outcome = {
    kind: "stale-if-error",
    ttlMs: entry.ttlMs - age,
    ...(status !== undefined && { status }),
    ...(detached && { detached }),
  } as const;
  return { kind: "message", result: "stale", status: 200, text, outcome, ageMs: age, isCut: true };
}

function told(
  x: Exchange,
  { era, id, method, shape }: Call,
  entry: Entry,
  status: CacheWord,
  now: number,
  detached: boolean,
): string {
  const { rights } = x;
  const isLimited = rights !== undefined;
  const seen = isLimited && isList(method) ? entryFor(x, rights, method, entry) : entry;
  const { serverInfo } = knownEras(x);
  return tell(seen, { era, id, status, hints: shape.hints, serverInfo, detached, isLimited, now });
}
