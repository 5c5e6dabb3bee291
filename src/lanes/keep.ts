import type { Entry } from "../cache/entry.ts";
import { needsSaving } from "../cache/save.ts";
import { reasonOf } from "../telemetry/events.ts";
import type { Candidates } from "./candidates.ts";
import type { Exchange } from "./Exchange.ts";

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

/** Drops all pages of a list, for everyone. */
export function purgeListing(x: Exchange, method: string): void {
  void x.isolate.memory.purge(x.origin.settings.id, method);
  inBackground(x, "purge", x.kv.purge(x.origin.settings.id, method));
}

function inBackground(x: Exchange, operation: "put" | "purge", work: Promise<void>): void {
  x.waitUntil(work.catch((error) => x.report({ type: "store-failed", operation, reason: reasonOf(error) })));
}
