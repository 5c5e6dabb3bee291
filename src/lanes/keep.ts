import type { Entry } from "../cache/entry.ts";
import { methodTag } from "../cache/implicitTags.ts";
import { needsSaving } from "../cache/save.ts";
import { coalescerNames } from "../origin/shards.ts";
import { isList } from "../mcp/methods.ts";
import type { Call } from "../mcp/recognise.ts";
import { reasonOf } from "../telemetry/events.ts";
import { bump } from "./bump.ts";
import type { Candidates } from "./candidates.ts";
import type { Exchange } from "./Exchange.ts";
import { noteChange } from "./noteChange.ts";
import { isSuspect, suspect, suspectPublic } from "./suspect.ts";

/**
 * Puts an entry where its scope says, in memory, and takes away what it replaces there. A late one replaces nothing: an
 * answer that was asked for earlier than the one at hand, or before its listing was dropped, is not news. Whether it was.
 */
export function remember(x: Exchange, candidates: Candidates, entry: Entry): boolean {
  const { memory } = x.isolate;
  x.tally.refreshed(entry.storedAt);
  const address = candidates[entry.scope];
  if (!address || isSuspect(x, address, entry)) return false;
  const known = memory.peek(address);
  if (known && known.storedAt > entry.storedAt) return false;
  const other = candidates[entry.scope === "public" ? "private" : "public"];
  noteChange(x, address, known ?? (other && memory.peek(other)), entry);
  void memory.put(address, entry);
  // A legacy result has no hints, so that it is private says nothing of the public one beside it.
  if (other && (entry.scope === "public" || entry.era === "modern")) void memory.delete(other);
  return true;
}

/** As `remember`, and in KV where that is worth a write. For what did not come through the Coalescer, which writes itself. */
export function keep(x: Exchange, candidates: Candidates, entry: Entry, previous: Entry | undefined): void {
  const save = needsSaving(entry, previous);
  const isNews = remember(x, candidates, save ? entry : { ...entry, savedAt: previous!.savedAt });
  if (isNews && save) inBackground(x, "put", x.kv.put(candidates[entry.scope]!, entry));
}

/** Lets a list be asked for anew. What is kept of it goes on standing in for an origin that fails. */
export async function doubtListing(x: Exchange, method: string): Promise<void> {
  suspect(x, method);
  bump(x, [methodTag(method)]);
  await forget(x, method);
}

/** Drops all pages of a list, for everyone. */
export async function purgeListing(x: Exchange, method: string): Promise<void> {
  const { id } = x.origin.settings;
  void x.isolate.memory.purge(id, method);
  inBackground(x, "purge", x.kv.purge(id, method));
  bump(x, [methodTag(method)], true);
  await doubtListing(x, method);
}

/**
 * What was public has turned private: no public answer to the question is given any more, nor to any page of the list,
 * by this isolate or by flights. KV is the Coalescer's.
 */
export async function demote(x: Exchange, { method, target }: Pick<Call, "method" | "target">): Promise<void> {
  if (target !== null) suspectPublic(x, method, target);
  if (isList(method)) {
    void x.isolate.memory.purge(x.origin.settings.id, method, "public");
    suspect(x, method);
  }
  await forget(x, method);
}

/** As `demote`, and in KV. For what did not come through the Coalescer. */
export async function demoteKept(x: Exchange, call: Pick<Call, "method" | "target">, candidates: Candidates) {
  const { id } = x.origin.settings;
  if (isList(call.method)) inBackground(x, "purge", x.kv.purge(id, call.method, "public"));
  else if (candidates.public) inBackground(x, "delete", x.kv.delete(candidates.public));
  await demote(x, call);
}

/**
 * Drops what is kept of one answer, after a newer one that may not be kept has come past; `askedAt` is when that was
 * asked for (epoch ms), where it may have been overtaken.
 */
export async function supersede(
  x: Exchange,
  method: string,
  candidates: Candidates,
  askedAt = Number.POSITIVE_INFINITY,
): Promise<void> {
  const { memory } = x.isolate;
  const isLate = [candidates.public, candidates.private].some(
    (address) => address && (memory.peek(address)?.storedAt ?? 0) > askedAt,
  );
  if (isLate) return;
  drop(x, candidates);
  await forget(x, method);
}

function drop(x: Exchange, candidates: Candidates): void {
  for (const address of [candidates.public, candidates.private]) {
    if (!address) continue;
    void x.isolate.memory.delete(address);
    inBackground(x, "delete", x.kv.delete(address));
  }
}

/** Lets nobody have what flights have brought of a method, or are about to bring. */
export async function forget(x: Exchange, method: string): Promise<void> {
  const { settings } = x.origin;
  try {
    await Promise.all(coalescerNames(settings).map((name) => coalescer(x, name).forget(method)));
  } catch (error) {
    x.report({ type: "coalescer-failed", origin: settings.id, reason: reasonOf(error) });
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

function inBackground(x: Exchange, operation: "put" | "delete" | "purge", work: Promise<void>): void {
  x.waitUntil(work.catch((error) => x.report({ type: "store-failed", operation, reason: reasonOf(error) })));
}
