import type { Entry } from "../cache/entry.ts";
import type { Address } from "../cache/key.ts";
import type { Exchange } from "./Exchange.ts";

/** Notes that what is kept of a method may no longer be true. KV, and calls under way, may yet bring more of it. */
export function suspect(x: Exchange, method: string): void {
  x.isolate.suspectAt.set(nameOf(x.origin.settings.id, method), x.now());
}

/** Whether an entry was asked for before its method came under suspicion: it may stand in for an origin that fails, and no more. */
export function isSuspect(x: Exchange, { originId, method }: Address, entry: Entry): boolean {
  const { suspectAt } = x.isolate;
  // On the hot path there is hardly ever anything to look up.
  if (suspectAt.size === 0) return false;
  const at = suspectAt.get(nameOf(originId, method));
  return at !== undefined && entry.storedAt <= at;
}

function nameOf(originId: string, method: string): string {
  return `${originId} ${method}`;
}
