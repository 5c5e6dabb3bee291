import type { Collection } from "../config/mirror.ts";
import { RESOURCES } from "../config/mirror.ts";
import type { OriginFailure } from "../origin/failure.ts";
import type { MirrorStore } from "./MirrorStore.ts";
import type { Refresh } from "./Refreshes.ts";
import { KEY_SEPARATOR, rowOf, type MirrorRow } from "./rowOf.ts";
import type { Source } from "./Source.ts";

/** What asking for rows again needs. */
export interface Asking {
  store: Pick<MirrorStore, "cameFrom">;
  source: Source;
  collection: Collection;
  /** The resource that a row came from, by its key. */
  uriOf: (key: string) => Promise<string | undefined>;
}

/** What came of asking for a row. */
export type Answer =
  /** It is known how the row is now; or it is none of the collection. */
  | "clear"
  /** What the origin said does not say how the row is: the whole has to be pulled. */
  | "unclear"
  /** The origin could not be asked. */
  | "failed";

/** What came of asking for rows. */
export interface AskedAgain {
  changes: (MirrorRow | { gone: string })[];
  /** One for each, in their order. */
  answers: Answer[];
  /** In a word, why some could not be asked for. */
  failure: string | undefined;
}

/** So many are asked for at once. */
const AT_ONCE = 4;

/** Asks the origin how rows are now. Throws what D1 throws. */
export async function askAgain(asking: Asking, refreshes: readonly Refresh[]): Promise<AskedAgain> {
  const changes = new Map<string, MirrorRow | { gone: string }>();
  const answers: Answer[] = [];
  let failure: string | undefined;
  for (let from = 0; from < refreshes.length; from += AT_ONCE) {
    const asked = await Promise.all(refreshes.slice(from, from + AT_ONCE).map((one) => ask(asking, one)));
    for (const one of asked) {
      if ("failure" in one) failure = one.failure.kind;
      else if ("change" in one && one.change)
        changes.set("gone" in one.change ? one.change.gone : one.change.key, one.change);
      answers.push("failure" in one ? "failed" : "isUnclear" in one ? "unclear" : "clear");
    }
    // Where it cannot be asked, it is left alone.
    if (failure !== undefined) break;
  }
  while (answers.length < refreshes.length) answers.push("failed");
  return { changes: [...changes.values()], answers, failure };
}

type Asked = { change: MirrorRow | { gone: string } | undefined } | { isUnclear: true } | { failure: OriginFailure };

async function ask({ store, source, collection, uriOf }: Asking, refresh: Refresh): Promise<Asked> {
  const isNamed = "key" in refresh;
  const { key, hasBelow } = isNamed
    ? { key: refresh.key.join(KEY_SEPARATOR), hasBelow: false }
    : await store.cameFrom(refresh.uri);
  // What lies below it may have changed as well.
  if (hasBelow) return { isUnclear: true };
  if (key === undefined) return askNew({ source, collection }, (refresh as { uri: string }).uri);
  const isOfResource = collection.from.kind !== "tool";
  const uri = isNamed ? (isOfResource ? await uriOf(key) : undefined) : refresh.uri;
  if (isNamed && isOfResource && uri === undefined) return { isUnclear: true };
  const parts = collection.name === RESOURCES ? [key] : key.split(KEY_SEPARATOR);
  const one = await source.one(parts, uri);
  if ("failure" in one) return one;
  if ("bad" in one) return { isUnclear: true };
  if ("gone" in one) return { change: { gone: key } };
  // As a pull has it, or it would be another row.
  const row = await rowOf(collection, one.row, isOfResource ? uri : undefined);
  return "problem" in row || row.key !== key ? { isUnclear: true } : { change: row };
}

/** Of a resource that no row came from. */
async function askNew({ source, collection }: Pick<Asking, "source" | "collection">, uri: string): Promise<Asked> {
  // The origin is asked for it by whoever wants it; which there are, the lists say.
  if (collection.name === RESOURCES) return { change: undefined };
  if (collection.row) return { isUnclear: true };
  const one = await source.one([], uri);
  if ("failure" in one) return one;
  if ("bad" in one) return { isUnclear: true };
  // Where it is a row by now, a pull finds out whether it is one of the collection.
  return "gone" in one || "problem" in (await rowOf(collection, one.row, uri))
    ? { change: undefined }
    : { isUnclear: true };
}
