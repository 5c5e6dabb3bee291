import { listTag, resourceTag } from "../cache/implicitTags.ts";
import { isObject } from "../mcp/isObject.ts";
import { changeToldBy, methodsOf, type Change } from "../mcp/change.ts";
import { bump } from "./bump.ts";
import type { Exchange } from "./Exchange.ts";
import { forget } from "./keep.ts";
import { catalogueOf } from "./learn.ts";
import { suspect, suspectTarget } from "./suspect.ts";

/** Many streams may tell of one change at about the same time: their origin's Coalescers are told once, and once more for what came meanwhile. */
const FORGET_EVERY_MS = 100;

/** Draws the consequences of changes that the origin told of: what is kept of the things is not answered as fresh any more. */
function heedChanges(x: Exchange, changes: readonly Change[]): void {
  const doubted = new Set<string>();
  const tags: string[] = [];
  for (const change of changes) {
    tags.push(change.kind === "resource" ? resourceTag(change.uri) : listTag(change.list));
    for (const method of methodsOf(change)) {
      if (change.kind === "resource") suspectTarget(x, method, change.uri);
      else suspect(x, method);
      doubted.add(method);
    }
  }
  if (doubted.has("tools/list")) catalogueOf(x).readAt = 0;
  bump(x, tags);
  for (const method of doubted) forgetSoon(x, method);
}

/** Heeds a notification of the origin, where it tells of a change. */
export function heedNotification(x: Exchange, event: string): void {
  try {
    const message: unknown = JSON.parse(event);
    // The revision with batches has them in streams as well.
    const changes = (Array.isArray(message) ? message : [message]).flatMap((one: unknown) => {
      const method = isObject(one) ? one["method"] : undefined;
      return (typeof method === "string" && changeToldBy(method, (one as Record<string, unknown>)["params"])) || [];
    });
    if (changes.length > 0) heedChanges(x, changes);
  } catch {
    // What is no JSON tells of nothing.
  }
}

function forgetSoon(x: Exchange, method: string): void {
  const { forgottenAt } = x.isolate.listening;
  const { settings } = x.origin;
  const name = `${settings.id} ${method}`;
  const now = x.now();
  const at = forgottenAt.get(name) ?? 0;
  // Somebody is about to.
  if (at > now) return;
  const waitMs = Math.max(0, at + FORGET_EVERY_MS - now);
  forgottenAt.set(name, now + waitMs);
  x.waitUntil(waitMs === 0 ? forget(x, method) : scheduler.wait(waitMs).then(() => forget(x, method)));
}
