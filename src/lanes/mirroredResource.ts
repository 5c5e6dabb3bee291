import { digest } from "../cache/key.ts";
import type { Call } from "../mcp/recognise.ts";
import { withOperationTemplateIn } from "../mcp/withOperations.ts";
import { readCursor, writeCursor, type Cursor } from "../mirror/Cursor.ts";
import { readResource } from "../mirror/readResource.ts";
import { tagsOfCollection } from "../mirror/rowTags.ts";
import { askMirror, mayRead } from "./askMirror.ts";
import type { Exchange } from "./Exchange.ts";
import { judged } from "./judged.ts";
import { mirrorEntry, mirroredUntil } from "./mirrorEntry.ts";
import type { Aim, Found } from "./Mirrored.ts";
import { knownMirror, miss, wake } from "./wakeMirrors.ts";

/** What a mirrored resource says, or a page of a list of resources; `undefined` where the origin has to be asked. */
export async function mirroredResource(
  x: Exchange,
  call: Call,
  { collection, row }: Extract<Aim, { kind: "resource" }>,
): Promise<Found | undefined> {
  if (!mayRead(x, collection.readers)) return undefined;
  const known = await knownMirror(x, collection);
  // Another definition has versions of its own.
  const list = `${call.method} ${known.name.split("#").at(-1)}`;
  const cursor = row === "read" ? undefined : cursorIn(call, list);
  // One of the origin's pages goes on with the origin.
  if (cursor === "none") return undefined;
  wake(x, known);
  if (x.now() < known.absentUntil) return undefined;
  const page = cursor?.before ?? 0;
  const named = (nth: number) => (row === "read" ? `read:${call.target}` : `${row}:${nth}`);
  const keys = row === "read" ? [named(0)] : [named(page), named(page + 1)];
  const reply = await askMirror(x, [known], (db) => readResource(db, known.name, keys, cursor?.version));
  if (reply === "not-synced") miss(x, [known]);
  if (reply === undefined || typeof reply === "string") return undefined;
  const { facts, bodies } = reply;
  const kept = bodies.get(keys[0]!);
  if (kept === undefined) return undefined;
  // What callers bring back they may have changed.
  const asOf = Math.min(facts.asOf, cursor?.asOf ?? facts.asOf);
  const seq = Math.min(facts.seq, cursor?.seq ?? facts.seq);
  const version = cursor?.version ?? facts.version;
  const next: Cursor = { version, digest: list, before: page + 1, after: null, asOf, seq };
  const isLast = row === "read" || !bodies.has(keys[1]!);
  const isEdited = isLast && row === "templates" && x.origin.settings.tellsOperations;
  const body = isEdited ? withOperationTemplateIn(kept) : kept;
  const text = isLast ? body : `${body},"nextCursor":${JSON.stringify(writeCursor(next))}`;
  const entry = mirrorEntry(x, call, text, {
    asOf,
    seq,
    feedId: facts.feedId,
    ...mirroredUntil(collection, asOf),
    tags: tagsOfCollection(collection),
    isPublic: collection.readers === "public",
    // What callers may see of a list is remembered by it.
    hash: x.rights && row !== "read" ? await digest(text) : "",
    tell: false,
  });
  const verdict = judged(x, { method: call.method, target: call.target }, entry);
  return verdict && { entry: verdict };
}

/** Where the page begins that the caller asks for; `undefined` for the first, `"none"` where the cursor is not the mirror's, or of another list. */
function cursorIn({ variant }: Call, list: string): Cursor | undefined | "none" {
  if (variant === undefined) return undefined;
  const cursor = typeof variant === "string" ? readCursor(variant, 0) : undefined;
  return cursor?.digest === list ? cursor : "none";
}
