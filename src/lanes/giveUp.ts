import { cancellation } from "../mcp/cancellation.ts";
import type { Bindings } from "../origin/callOrigin.ts";
import { tellInSession } from "../origin/inSession.ts";
import type { Exchange } from "./Exchange.ts";

/** What ends a call: whichever of these is aborted first. */
export function abandonedBy(signals: AbortSignal[]): { abandoned?: AbortSignal } {
  if (signals.length === 0) return {};
  return { abandoned: signals.length === 1 ? signals[0]! : AbortSignal.any(signals) };
}

/** Tells the origin, in the caller's session, that nobody waits for the answer: there, to leave says nothing. */
export function giveUp({ session, origin, body, waitUntil }: Exchange, bindings: Bindings): void {
  const { id } = body as { id: string | number };
  if (session?.originId === undefined) return;
  const ids = { id: session.originId, version: session.version };
  waitUntil(tellInSession(origin.settings, bindings, ids, cancellation(id)));
}
