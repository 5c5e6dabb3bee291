import type { Lookup, Refusal } from "../config/mirror.ts";
import { valueAt } from "../mcp/pointer.ts";
import type { Question, Said } from "./ask.ts";
import { foundRows, type FoundRow } from "./FoundRow.ts";
import { keyOf } from "./keyOf.ts";
import type { Mirrored } from "./MirrorReply.ts";
import type { Findings } from "./shapeAnswer.ts";
import { Parameters } from "./Sql.ts";
import { Statements } from "./Statements.ts";

/** Of how many rows a member is looked up at most. */
const MAX_EVERY = 1_000;

/** What is asked for lookups; `undefined` where the call does not give a key. */
export function lookupQuestions(
  lookups: readonly Lookup[],
  collections: ReadonlyMap<string, Mirrored>,
  args: Readonly<Record<string, unknown>>,
): Question[] | undefined {
  const questions: Question[] = [];
  for (const lookup of lookups) {
    const question = questionOf(lookup, collections, args);
    if (!question) return undefined;
    questions.push(question);
  }
  return questions;
}

function questionOf(
  { from, find }: Lookup,
  collections: ReadonlyMap<string, Mirrored>,
  args: Readonly<Record<string, unknown>>,
): Question | undefined {
  const { mirrorName, collection } = collections.get(from)!;
  const statements = new Statements(mirrorName, collection);
  if ("every" in find) {
    const page = { limit: MAX_EVERY };
    const rows = statements.rows(new Parameters(), { where: [] }, [{ by: "key", falls: false }], page);
    return { record: statements.record(), rows };
  }
  const key = keyOf(find.key, args);
  return key === undefined ? undefined : { record: statements.byKey(key) };
}

/** What was looked up, by name; the first word that is there for what was not found; or `too-large`. */
export function lookedUp(
  lookups: readonly Lookup[],
  said: readonly Said[],
): { found: Findings["lookups"]; refusal?: Refusal } | "too-large" {
  const found = new Map<string, FoundRow | readonly unknown[]>();
  let refusal: Refusal | undefined;
  for (const [nth, { name, find }] of lookups.entries()) {
    const rows = foundRows(said[nth]!.rows);
    if (!rows) return "too-large";
    if ("every" in find) {
      found.set(
        name,
        rows.map(({ value }) => valueAt(value, find.every)).filter((value) => value !== undefined),
      );
    } else if (rows[0]) found.set(name, rows[0]);
    else refusal ??= find.otherwise;
  }
  return { found, ...(refusal && { refusal }) };
}
