import type { Lookup } from "../config/mirror.ts";
import type { ReadRecord, Said } from "./ask.ts";
import type { Cursor } from "./Cursor.ts";
import type { FoundRow } from "./FoundRow.ts";
import type { MirrorFacts } from "./MirrorReply.ts";

/** What an answer was made from: the records of collections by their names, that of the tool's own first. */
export interface Evidence {
  records: readonly (readonly [string, ReadRecord])[];
  keys: readonly string[];
  /** Of an answer by key. */
  row?: FoundRow | undefined;
  /** Of a page: what was true of its version, which may not be the latest. */
  cursor?: Cursor | undefined;
}

/** The records of what was asked; `undefined` where one of them has not been pulled yet. */
export function recordsOf(
  [from, own]: readonly [string, Said],
  lookups: readonly Lookup[],
  others: readonly Said[],
): Evidence["records"] | undefined {
  const records: (readonly [string, ReadRecord])[] = [];
  const all: (readonly [string, Said])[] = [
    [from, own],
    ...lookups.map(({ from }, nth) => [from, others[nth]!] as const),
  ];
  for (const [name, { record }] of all) {
    if (!record || record.version === 0) return undefined;
    records.push([name, record]);
  }
  return records;
}

/** What is known of all of it. */
export function factsOf({ records, keys, row, cursor }: Evidence): MirrorFacts {
  const all = records.map(([, record]) => record);
  const { version, stopped, schemasHash, feedId } = all[0]!;
  // Of the version itself, the cursor need not know all: it was given out before the last pull that changed nothing.
  const page = cursor && cursor.version < version ? [cursor] : [];
  return {
    version: cursor?.version ?? version,
    asOf: Math.min(...[...all, ...page].map(({ asOf }) => asOf)),
    asOfs: records.map(([name, { asOf }], nth) => [
      name,
      nth > 0 ? asOf : Math.min(asOf, ...page.map(({ asOf }) => asOf)),
    ]),
    feedId: all.every((record) => record.feedId === feedId) ? feedId : null,
    seq: Math.min(...[...all, ...page].map(({ seq }) => seq)),
    stopped: JSON.parse(stopped) as Record<string, number>,
    schemasHash,
    from: [...new Set(records.map(([name]) => name))],
    keys,
    ...(row && { row: row.body }),
    ...(row && row.uri !== null && { uri: row.uri }),
  };
}
