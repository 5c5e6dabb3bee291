import { ageMs, freshness } from "../cache/freshness.ts";
import { RESOURCES } from "../config/mirror.ts";
import type { Origin } from "../config/replica.ts";
import { isOfTenant } from "../config/tenant.ts";
import { isObject } from "../mcp/isObject.ts";
import type { Call } from "../mcp/recognise.ts";
import { argumentAt } from "../mirror/argumentAt.ts";
import { isOwnCursor } from "../mirror/Cursor.ts";
import type { Asked } from "./directives.ts";
import type { Exchange } from "./Exchange.ts";
import type { Aim, Mirrored } from "./Mirrored.ts";
import { mirroredResource } from "./mirroredResource.ts";
import { mirroredTool } from "./mirroredTool.ts";
import { verifyMirrored } from "./verify.ts";

const CURSOR_GONE: Extract<Mirrored, { kind: "failure" }> = { kind: "failure", failure: { kind: "cursor-gone" } };

/** Whether and how a call may be answered from a mirror; `undefined` where the operator has not said so. */
export function aimOf({ origin }: Pick<Exchange, "origin">, { method, target, capabilities }: Call): Aim | undefined {
  if (origin.collections.size === 0) return undefined;
  // A tenant's world is another than the one that was pulled.
  if (isOfTenant(origin.settings.id)) return undefined;
  if (method === "tools/call") {
    const policy = origin.tools.find(target!)?.value;
    return policy?.answer && { kind: "tool", rule: policy.answer, policy };
  }
  const collection = origin.collections.get(RESOURCES);
  if (!collection) return undefined;
  if (method === "resources/read")
    return origin.resources.find(target!)?.value.isMirrored ? { kind: "resource", collection, row: "read" } : undefined;
  // Lists may follow extensions that a client declares; the replica has declared none.
  if (capabilities["extensions"] !== undefined) return undefined;
  if (method === "resources/list") return { kind: "resource", collection, row: "list" };
  return method === "resources/templates/list" ? { kind: "resource", collection, row: "templates" } : undefined;
}

/**
 * Answers a call from the mirror. `undefined` leaves it to the next lane: the caller may not have what is there, or wants
 * it from the origin, or it is not there, or not the whole truth. `isTrusted`: whether the feed has nothing against
 * what is kept, where it was asked.
 */
export async function mirror(
  x: Exchange,
  call: Call,
  aim: Aim,
  asked: Asked,
  isTrusted = true,
): Promise<Mirrored | undefined> {
  // A cursor of the mirror's own means nothing to the origin: what cannot be answered from here, nobody can answer.
  const isOwn = hasOwnCursor(x.origin, x.body);
  if (!isTrusted || (asked.again && !isOwn)) return isOwn ? CURSOR_GONE : undefined;
  const found = aim.kind === "tool" ? await mirroredTool(x, call, aim.rule) : await mirroredResource(x, call, aim);
  if (found === undefined) return isOwn ? CURSOR_GONE : undefined;
  if ("failure" in found) return { kind: "failure", failure: found.failure };
  const { entry } = found;
  const at = x.now();
  const state = freshness(entry, at);
  if (state === "expired") return isOwn ? CURSOR_GONE : undefined;
  const outcome = { kind: "hit", ttlMs: entry.ttlMs - ageMs(entry, at), detail: "mirror" } as const;
  const isFresh = state === "fresh";
  const isGiven = isFresh || isOwn || asked.onlyCached;
  // Of what the mirror alone understands the origin can say nothing.
  if (aim.kind === "tool" && isGiven && !isOwn && !asked.onlyCached) verifyMirrored(x, call, aim, found);
  return { kind: "entry", isGiven, entry, word: isFresh ? "hit" : "stale", outcome, at };
}

/** Whether a message carries a cursor that the mirror has given out, or one that looks like that: the origin is never sent such a one. */
export function hasOwnCursor({ collections, tools }: Origin, message: unknown): boolean {
  if (collections.size === 0 || !isObject(message)) return false;
  const { method, params } = message;
  if (!isObject(params)) return false;
  if (method === "resources/list" || method === "resources/templates/list")
    return isOwn(params["cursor"]) && collections.has(RESOURCES);
  if (method !== "tools/call") return false;
  const { name, arguments: args } = params;
  const query = typeof name === "string" ? tools.find(name)?.value.answer?.query : undefined;
  const cursor = query?.kind === "rows" ? query.cursor : undefined;
  if (!cursor || !("argument" in cursor) || !isObject(args)) return false;
  const given = argumentAt(cursor.argument, args);
  return typeof given === "object" && isOwn(given.value);
}

function isOwn(cursor: unknown): boolean {
  return typeof cursor === "string" && isOwnCursor(cursor);
}
