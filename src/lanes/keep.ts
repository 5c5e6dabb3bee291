import type { Entry } from "../cache/entry.ts";
import { needsSaving } from "../cache/save.ts";
import { coalescerNames } from "../origin/Coalescer.ts";
import { reasonOf } from "../telemetry/events.ts";
import type { Candidates } from "./candidates.ts";
import type { Exchange } from "./Exchange.ts";
import { listingOf } from "./listing.ts";

/** Puts an entry where its scope says, in memory, and takes away what it replaces there. */
export function remember(x: Exchange, candidates: Candidates, entry: Entry): void {
  const { memory } = x.isolate;
  const address = candidates[entry.scope];
  if (!address) return;
  void memory.put(address, entry);
  const other = candidates[entry.scope === "public" ? "private" : "public"];
  if (other) void memory.delete(other);
}

/** As `remember`, and in KV where that is worth a write. For what did not come through the Coalescer, which writes itself. */
export function keep(x: Exchange, candidates: Candidates, entry: Entry, previous: Entry | undefined): void {
  const address = candidates[entry.scope];
  if (!address) return;
  const save = needsSaving(entry, previous);
  remember(x, candidates, save ? entry : { ...entry, savedAt: previous!.savedAt });
  if (save) inBackground(x, "put", x.kv.put(address, entry));
}

/** Drops all pages of a list, for everyone. What is asked for after this is new. */
export async function purgeListing(x: Exchange, method: string): Promise<void> {
  const { id } = x.origin.settings;
  void x.isolate.memory.purge(id, method);
  x.isolate.purgedAt.set(listingOf(id, method), x.now());
  inBackground(x, "purge", x.kv.purge(id, method));
  try {
    await Promise.all(coalescerNames(id).map((name) => coalescer(x, name).forget(method)));
  } catch (error) {
    x.report({ type: "coalescer-failed", origin: id, reason: reasonOf(error) });
  }
}

/** The Coalescer object of that name, where the operator wants it to live. */
export function coalescer(x: Exchange, name: string) {
  const { region } = x.origin.settings;
  const options = region === undefined ? {} : { locationHint: region };
  return x.env.COALESCER.get(
    x.env.COALESCER.idFromName(name),
    options as DurableObjectNamespaceGetDurableObjectOptions,
  );
}

function inBackground(x: Exchange, operation: "put" | "purge", work: Promise<void>): void {
  x.waitUntil(work.catch((error) => x.report({ type: "store-failed", operation, reason: reasonOf(error) })));
}
