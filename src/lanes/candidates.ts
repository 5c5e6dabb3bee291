import type { Entry } from "../cache/entry.ts";
import { isOfFuture } from "../cache/freshness.ts";
import { addressOf, capabilityClass, PUBLIC, type Address, type Subject } from "../cache/key.ts";
import type { CacheRule } from "../config/replica.ts";
import type { Call } from "../mcp/recognise.ts";
import type { Exchange } from "./Exchange.ts";
import { judged } from "./judged.ts";
import { noteChange } from "./noteChange.ts";

/** Where an answer may be kept for this caller, by scope, and where callers of the same answer meet. */
export interface Candidates {
  public?: Address;
  private?: Address;
  /** The address under which flights are shared: as narrow as the answer may turn out to be. */
  flight: Address;
}

/** The candidates of a call; `undefined` where its arguments have no canonical form. */
export function candidatesOf(x: Exchange, call: Call, rule: CacheRule): Candidates | undefined {
  const subject: Subject = {
    originId: x.origin.settings.id,
    identity: x.origin.settings.identity,
    method: call.method,
    target: call.target,
    variant: call.variant,
    capabilities: classOf(x, call),
  };
  if (rule.scope === "public") {
    const address = addressOf(subject, PUBLIC);
    return address && { public: address, flight: address };
  }
  const { principal, session } = x;
  const own = addressOf(subject, { scope: "private", principal, ...(session && { session: session.name }) });
  if (!own) return undefined;
  return rule.scope === "private"
    ? { private: own, flight: own }
    : { public: addressOf(subject, PUBLIC)!, private: own, flight: own };
}

/** The class of the caller's capabilities. What stands for them is no JSON, so that nobody can declare it. */
function classOf({ session }: Exchange, { shape, capabilities }: Call): string {
  const own = capabilityClass(shape, capabilities);
  return session?.isAbridged && own !== "{}" ? `#${own}` : own;
}

/** The newer of two entries. */
export function newer(a: Entry | undefined, b: Entry | undefined): Entry | undefined {
  if (!a || !b) return a ?? b;
  return a.storedAt >= b.storedAt ? a : b;
}

/** What memory has, for callers of the era, as far as the feed has nothing against it. */
export function inMemory(x: Exchange, candidates: Candidates, era: Call["era"]): Entry | undefined {
  const { memory } = x.isolate;
  const own = candidates.private && memory.peek(candidates.private);
  const shared = candidates.public && memory.peek(candidates.public);
  const entry = fit(newer(own, shared), era);
  return entry === undefined || entry.soundAt === x.feed.version ? entry : judged(x, candidates.flight, entry);
}

/** What KV has, put into memory on the way. A KV that does not work has nothing. */
export async function inKv(x: Exchange, candidates: Candidates, era: Call["era"]): Promise<Entry | undefined> {
  const read = async (address: Address | undefined) => {
    if (!address) return undefined;
    try {
      const entry = await x.kv.get(address);
      if (entry && isOfFuture(entry, x.now())) return undefined;
      const known = x.isolate.memory.peek(address);
      if (entry && (!known || known.storedAt < entry.storedAt)) {
        noteChange(x, address, known, entry);
        await x.isolate.memory.put(address, entry);
      }
      return entry;
    } catch (error) {
      x.report({ type: "store-failed", operation: "get", reason: String(error).slice(0, 200) });
      return undefined;
    }
  };
  const [own, shared] = await Promise.all([read(candidates.private), read(candidates.public)]);
  const entry = fit(newer(own, shared), era);
  return entry && judged(x, candidates.flight, entry);
}

/** An entry whose form belongs to the other era is not there. */
function fit(entry: Entry | undefined, era: Call["era"]): Entry | undefined {
  return entry?.only === undefined || entry.only === era ? entry : undefined;
}
