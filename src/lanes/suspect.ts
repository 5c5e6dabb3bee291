import type { Entry } from "../cache/entry.ts";
import type { Address } from "../cache/key.ts";
import type { Exchange, Suspicion } from "./Exchange.ts";

/** The most targets of a method that are suspected by name. Each read of an answer looks at them all. */
const MAX_TARGETS = 256;
/** The longest that is remembered by name: origins make up names as they like. */
const MAX_LENGTH = 2_048;

/** Notes that what is kept of a method may no longer be true. KV, and calls under way, may yet bring more of it. */
export function suspect(x: Exchange, method: string): void {
  const suspicion = suspicionOf(x, method);
  suspicion.at = x.now();
  suspicion.targets.clear();
  suspicion.turned.clear();
}

/** As `suspect`, for one target of a method and all that lies below it: the targets that begin with it. */
export function suspectTarget(x: Exchange, method: string, target: string): void {
  const suspicion = suspicionOf(x, method);
  put(suspicion, suspicion.targets, target, x.now());
}

/** Notes that a target has turned private: public answers to it, as they were asked for before, are nobody's any more. */
export function suspectPublic(x: Exchange, method: string, target: string): void {
  const suspicion = suspicionOf(x, method);
  put(suspicion, suspicion.turned, target, x.now());
}

/** Whether an entry was asked for before its method came under suspicion: it may stand in for an origin that fails, and no more. */
export function isSuspect(x: Exchange, { originId, method, target, partition }: Address, entry: Entry): boolean {
  const { suspectAt } = x.isolate;
  // On the hot path there is hardly ever anything to look up.
  if (suspectAt.size === 0) return false;
  const suspicion = suspectAt.get(nameOf(originId, method));
  if (!suspicion) return false;
  if (entry.storedAt <= suspicion.at) return true;
  if (target === null) return false;
  if (partition.scope === "public" && entry.storedAt <= (suspicion.turned.get(target) ?? 0)) return true;
  for (const [from, at] of suspicion.targets) if (entry.storedAt <= at && target.startsWith(from)) return true;
  return false;
}

function put(suspicion: Suspicion, targets: Map<string, number>, target: string, now: number): void {
  if (target.length > MAX_LENGTH) {
    suspicion.at = now;
    return;
  }
  // The newest stand last.
  targets.delete(target);
  targets.set(target, now);
  if (targets.size <= MAX_TARGETS) return;
  // What is no longer known by name is suspected with everything else of its time.
  const [oldest, at] = targets.entries().next().value!;
  targets.delete(oldest);
  suspicion.at = Math.max(suspicion.at, at);
}

function suspicionOf(x: Exchange, method: string): Suspicion {
  const { suspectAt } = x.isolate;
  const name = nameOf(x.origin.settings.id, method);
  let suspicion = suspectAt.get(name);
  if (!suspicion)
    suspectAt.set(name, (suspicion = { at: Number.NEGATIVE_INFINITY, targets: new Map(), turned: new Map() }));
  return suspicion;
}

function nameOf(originId: string, method: string): string {
  return `${originId} ${method}`;
}
