import type { AnswerQuery } from "../config/mirror.ts";
import { ask } from "./ask.ts";
import type { Asked } from "./Asked.ts";
import { factsOf, recordsOf } from "./factsOf.ts";
import { foundRows } from "./FoundRow.ts";
import { keyOf } from "./keyOf.ts";
import { lookedUp, lookupQuestions } from "./lookups.ts";
import { nothing, type MirrorReply } from "./MirrorReply.ts";
import { isNamed } from "./Shape.ts";
import { refuse, shapeAnswer } from "./shapeAnswer.ts";
import { Statements } from "./Statements.ts";

/**
 * Answers from the row with the key that the call gives. What the rule looks up beside is asked for at once where the shape
 * names it, else only where there is no such row: then words for that may be made of it.
 */
export async function answerByKey(
  { db, collections, rule, args }: Asked,
  { key: terms, notFound }: Extract<AnswerQuery, { kind: "key" }>,
): Promise<MirrorReply> {
  const { from, lookups, shape } = rule;
  const key = keyOf(terms, args);
  const isNamedBeside = lookups.some(({ name }) => isNamed(shape, name));
  const beside = isNamedBeside ? lookupQuestions(lookups, collections, args) : [];
  if (key === undefined || !beside) return nothing("not-covered");
  const session = db.withSession("first-unconstrained");
  const { mirrorName, collection } = collections.get(from)!;
  const question = { record: new Statements(mirrorName, collection).byKey(key) };
  const [own, ...others] = await ask(session, [question, ...beside]);
  const [row] = foundRows(own!.rows) ?? [];
  const mayRefuse = notFound !== undefined || lookups.some(({ find }) => "key" in find && find.otherwise);
  if (!row && mayRefuse && !isNamedBeside && lookups.length > 0 && own!.record?.version) {
    const later = lookupQuestions(lookups, collections, args);
    if (!later) return nothing("not-covered");
    others.push(...(await ask(session, later)));
  }
  const used = others.length > 0 ? lookups : [];
  const records = recordsOf([from, own!], used, others);
  if (!records) return nothing("not-synced");
  const looked = lookedUp(used, others);
  if (looked === "too-large") return nothing("not-covered");
  const findings = { args, lookups: looked.found, rows: row ? [row] : [], ...(row && { row }) };
  const facts = factsOf({ records, keys: [key], row });
  const refusal = looked.refusal ?? (row ? undefined : notFound);
  if (refusal) return { kind: "refusal", result: refuse(refusal, findings), facts };
  if (!row) return nothing("not-found");
  const result = shapeAnswer(shape, findings);
  return result ? { kind: "answer", result, facts } : nothing("not-covered");
}
