import type { Entry } from "../cache/entry.ts";
import { legacyPatches } from "../cache/legacyPatches.ts";
import type { Collection } from "../config/mirror.ts";
import { membersOf } from "../mcp/members.ts";
import type { Call } from "../mcp/recognise.ts";
import { knownEras, lacks } from "./eras.ts";
import type { Exchange } from "./Exchange.ts";
import { isWrapped } from "./learn.ts";

/** What is known of something that is mirrored. Times are epoch ms. */
export interface MirroredFacts {
  asOf: number;
  freshUntil: number;
  /** Until when it may stand in for an origin that fails. */
  usableUntil: number;
  feedId: string | null;
  seq: number;
  tags: readonly string[];
  isPublic: boolean;
  /** Another one for another body. */
  hash: string;
  /** Whether models are told where it is stale. */
  tell: boolean;
}

/** A version is fresh for so many of the times after which the next is pulled. */
const FRESH_FOR = 3;

/** Until when what the origin said then is fresh, and how long it may stand in for an origin that fails; epoch ms. */
export function mirroredUntil({ everyMs, staleIfErrorMs }: Collection, asOf: number) {
  const freshUntil = asOf + FRESH_FOR * everyMs;
  return { freshUntil, usableUntil: freshUntil + staleIfErrorMs };
}

/** What is mirrored, in the form of what is kept: so it is told to callers in the same way. `body`: a result's members, without braces. */
export function mirrorEntry(x: Exchange, call: Call, body: string, facts: MirroredFacts): Entry {
  const { asOf, freshUntil, usableUntil, feedId, seq, isPublic } = facts;
  const legacy = call.era === "legacy" ? patchesFor(x, call, body) : [];
  return {
    storedAt: asOf,
    ttlMs: freshUntil - asOf,
    staleWhileRevalidateMs: 0,
    staleIfErrorMs: usableUntil - freshUntil,
    // What callers keep themselves, nobody could tell them otherwise.
    promisedMs: 0,
    scope: isPublic ? "public" : "private",
    // It carries nothing of what only the modern revision says in each answer.
    era: "legacy",
    ...(legacy.length > 0 && { legacy }),
    tags: facts.tags,
    ...(feedId !== null && { feedId, seq }),
    savedAt: asOf,
    hash: facts.hash,
    body,
    meta: "",
    contentEnd: facts.tell ? endOfContent(body) : 0,
  };
}

function patchesFor(x: Exchange, call: Call, body: string) {
  // What an origin of the earlier revisions says has their form already.
  if (call.method !== "tools/call" || lacks(knownEras(x), "modern")) return [];
  const content = memberIn(body, "structuredContent");
  if (!content) return [];
  // Of its value it only matters whether it is an object.
  const structuredContent = body[content.valueStart] === "{" ? {} : [];
  return legacyPatches(call.method, { structuredContent }, body, isWrapped(x, call));
}

function endOfContent(body: string): number {
  const content = memberIn(body, "content");
  return content ? content.end - 1 : 0;
}

/** Where a member stands in a body. */
function memberIn(body: string, key: string): { valueStart: number; end: number } | undefined {
  // The body has no braces of its own: one is put before it, and taken off the positions.
  const member = membersOf(`{${body}}`, 0).find((one) => one.key === key);
  return member && { valueStart: member.valueStart - 1, end: member.end - 1 };
}
