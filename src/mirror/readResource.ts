import { RESOURCES } from "../config/mirror.ts";
import { isPlain } from "./argumentAt.ts";
import { askAt } from "./ask.ts";
import { factsOf, recordsOf } from "./factsOf.ts";
import { foundRows } from "./FoundRow.ts";
import type { MirrorFacts } from "./MirrorReply.ts";
import { isUnmade } from "./readMirror.ts";
import { MAX_RESOURCE_KEY } from "./rowOf.ts";
import { Statements } from "./Statements.ts";

/** What the resource methods said, as it was mirrored. */
export interface ResourceReply {
  facts: MirrorFacts;
  /** By key, of those that there are: the members of the results. */
  bodies: ReadonlyMap<string, string>;
}

/**
 * Reads from `RESOURCES`: `name` is that of its definition, `keys` are as in `MirroredResult`. Of a `version` that is not kept
 * any more nothing can be said: `"bad-cursor"`. Errors of D1 are thrown as they are, but for tables that have not been made yet.
 */
export async function readResource(
  db: D1Database,
  name: string,
  keys: readonly string[],
  version?: number,
): Promise<ResourceReply | "not-synced" | "bad-cursor"> {
  try {
    const statements = new Statements(name, { search: undefined });
    const said = await askAt(
      db,
      keys.map((key) => ({ record: statements.byKey(isKey(key) ? key : "", version) })),
      version,
    );
    const records = recordsOf([RESOURCES, said[0]!], [], []);
    if (!records) return "not-synced";
    const [[, record]] = records as [(typeof records)[0]];
    if (version !== undefined && !(version >= record.oldest && version <= record.version)) return "bad-cursor";
    const rows = said.flatMap(({ rows }) => foundRows(rows) ?? []);
    const facts = factsOf({ records, keys: rows.map(({ key }) => key) });
    return { facts, bodies: new Map(rows.map(({ key, body }) => [key, body])) };
  } catch (error) {
    if (isUnmade(error)) return "not-synced";
    throw error;
  }
}

/** Whether some row may have a key; none has an empty one. URIs come from callers, and the database takes no megabytes. */
function isKey(key: string): boolean {
  return key.length <= MAX_RESOURCE_KEY && isPlain(key);
}
