import canonicalize from "canonicalize";
import { digest } from "../cache/key.ts";
import type { AnswerQuery, Term } from "../config/mirror.ts";
import { isObject } from "../mcp/isObject.ts";
import { askAt, type ReadRow } from "./ask.ts";
import type { Asked } from "./Asked.ts";
import { writeCursor } from "./Cursor.ts";
import { factsOf, recordsOf } from "./factsOf.ts";
import { foundRows } from "./FoundRow.ts";
import { lookedUp, lookupQuestions } from "./lookups.ts";
import { nothing, type MirrorReply } from "./MirrorReply.ts";
import { rowsQuestion } from "./rowsQuestion.ts";
import { isNamed } from "./Shape.ts";
import { refuse, shapeAnswer } from "./shapeAnswer.ts";
import { Statements } from "./Statements.ts";
import { MAX_RANKED, wantedRows, type WantedRows } from "./wantedRows.ts";

const BAD_CURSOR: MirrorReply = { kind: "bad-cursor" };

/** Answers from the rows that the call's conditions and text leave: a page of them, in their order. */
export async function answerRows(asked: Asked, query: Extract<AnswerQuery, { kind: "rows" }>): Promise<MirrorReply> {
  const { collections, rule, args } = asked;
  const { from, lookups, shape } = rule;
  const { mirrorName, collection } = collections.get(from)!;
  const wanted = wantedRows(collection, query, args);
  if (typeof wanted === "string") return wanted === "bad-cursor" ? BAD_CURSOR : nothing(wanted);
  const pages = query.cursor !== undefined && isNamed(shape, "next");
  const counts = isNamed(shape, "total");
  const question = rowsQuestion(new Statements(mirrorName, collection), wanted, { pages, counts });
  const beside = lookupQuestions(lookups, collections, args);
  const call = query.cursor && digestible(asked, mirrorName, query.cursor);
  if (!question || !beside || call === "not-covered") return nothing("not-covered");

  const { cursor, limit, order } = wanted;
  const said = await askAt(asked.db, [question, ...beside], cursor?.version);
  const [own, ...others] = said;
  const records = recordsOf([from, own!], lookups, others);
  if (!records) return nothing("not-synced");
  const [[, record]] = records as [(typeof records)[0]];
  const digestOf = async () => digest(`${record.feedId}\n${call}`);
  if (cursor) {
    const isKept = cursor.version >= record.oldest && cursor.version <= record.version;
    if (!isKept || cursor.digest !== (await digestOf())) return BAD_CURSOR;
  }

  const looked = lookedUp(lookups, others);
  const read = own!.rows.slice(0, limit);
  const rows = foundRows(read);
  if (looked === "too-large" || !rows) return nothing("not-covered");
  const facts = factsOf({ records, keys: rows.map(({ key }) => key), cursor });
  const findings = { args, lookups: looked.found, rows, ...(counts && { total: record.total! }) };
  if (looked.refusal) return { kind: "refusal", result: refuse(looked.refusal, findings), facts };
  const before = (cursor?.before ?? 0) + read.length;
  const isMore = own!.rows.length > read.length && !(order === "rank" && before >= MAX_RANKED);
  const next =
    isMore && pages
      ? writeCursor({
          version: facts.version,
          digest: await digestOf(),
          before,
          after: placeOf(order, read.at(-1)!),
          asOf: facts.asOf,
          seq: facts.seq,
        })
      : undefined;
  const result = shapeAnswer(shape, next === undefined ? findings : { ...findings, next });
  return result ? { kind: "answer", result, facts } : nothing("not-covered");
}

/** What ties a cursor to the call. */
function digestible({ tool, args }: Asked, mirrorName: string, cursor: Term): string {
  const rest = "argument" in cursor ? without(args, cursor.argument) : args;
  try {
    return canonicalize([mirrorName, tool, rest])!;
  } catch {
    // Halves of characters.
    return "not-covered";
  }
}

function without(args: Readonly<Record<string, unknown>>, [name, ...below]: readonly string[]): object {
  const { [name!]: held, ...others } = args;
  return below.length > 0 && isObject(held) ? { ...others, [name!]: without(held, below) } : others;
}

/** What a row is ordered by. */
function placeOf(order: WantedRows["order"], row: ReadRow): (string | number | null)[] | null {
  return order === "rank" ? null : order.map((_, nth) => row[`o${nth}`]!);
}
