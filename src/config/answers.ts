import { conditionsOf, orderOf } from "./conditions.ts";
import { pointerTo } from "./member.ts";
import type { AnswerQuery, AnswerRule, AnswerShape, Collection, Lookup, Refusal, Term } from "./mirror.ts";
import type { AnswerConfig, LookupConfig, RefusalConfig, ShapeConfig } from "./mirrorTypes.ts";
import { mayAllRead } from "./readers.ts";
import { checkText, checkValue, TAKEN, type Known } from "./references.ts";
import { below, type Report } from "./report.ts";
import { Terms } from "./Terms.ts";

const MAX_LIMIT = 1_000;

type Collections = ReadonlyMap<string, Collection>;

/** How a tool is answered, with every default filled in; `undefined` where it is from nothing that there is. What is wrong is reported. */
export function answerOf(
  answer: AnswerConfig,
  shape: ShapeConfig = {},
  collections: Collections,
  report: Report,
): Omit<AnswerRule, "strict"> | undefined {
  const at = below(report, "answer");
  const collection = known(answer.from, collections, at);
  if (!collection) return undefined;
  const terms = new Terms();
  const lookups: Lookup[] = [];
  const looked = new Map<string, "row" | "every">();
  for (const [name, config] of Object.entries(answer.with ?? {})) {
    const lookup = lookupOf(name, config, looked, collection, collections, terms, below(at, "with", name));
    if (lookup) lookups.push(lookup);
    looked.set(name, "every" in config ? "every" : "row");
  }
  const isByKey = answer.key !== undefined;
  const query = isByKey ? byKey(answer, looked, collection, terms, at) : byRows(answer, collection, terms, at);
  const names: Known = { lookups: looked, row: isByKey, list: !isByKey, next: answer.cursor !== undefined };
  const { args, ...worded } = shapeOf(shape, names, below(report, "shape"));
  for (const name of answer.ignore ?? [])
    if (/[{}]/.test(name)) at(["ignore"], JSON.stringify(name), "an argument by its name alone");
  return {
    from: answer.from,
    query,
    lookups,
    shape: worded,
    covers: new Set([...terms.covers, ...args, ...(answer.ignore ?? [])]),
  };
}

function byKey(
  answer: AnswerConfig,
  lookups: Known["lookups"],
  collection: Collection,
  terms: Terms,
  report: Report,
): AnswerQuery {
  for (const name of ["where", "search", "orderBy", "limit", "cursor"] as const)
    if (answer[name] !== undefined) report([name], name, "no key with it: a key is one row's");
  const { key, notFound } = answer;
  return {
    kind: "key",
    key: keyOf(key!, collection, terms, below(report, "key")),
    notFound: notFound && refusalOf(notFound, { lookups }, below(report, "notFound")),
  };
}

function byRows(answer: AnswerConfig, collection: Collection, terms: Terms, report: Report): AnswerQuery {
  const { where = {}, search, orderBy, limit, cursor, notFound } = answer;
  if (notFound) report(["notFound"], "an object", "key with it: where rows are looked for, to find none is an answer");
  const conditions = conditionsOf(where, collection, terms, below(report, "where"));
  const at = (name: string) => below(report, name);
  return {
    kind: "rows",
    where: conditions,
    search: search === undefined ? undefined : searchOf(search, collection, terms, at("search")),
    order: orderOf(orderBy, conditions, collection, terms, at("orderBy")),
    limit: limit === undefined ? undefined : limitOf(limit, terms, at("limit")),
    cursor: cursor === undefined ? undefined : { argument: terms.argument(cursor, at("cursor")) },
  };
}

function searchOf(search: NonNullable<AnswerConfig["search"]>, collection: Collection, terms: Terms, report: Report) {
  const { text, prefix = false } = typeof search === "string" ? { text: search } : search;
  if (!collection.search)
    report([], "nothing to search in", `search in ${collection.name} with it: the members that have the text`);
  else if (prefix && collection.search.match === "contains")
    report(["prefix"], "true", `match: "words" in ${collection.name} with it: parts of words are found there anyway`);
  return { text: terms.read(text, report), prefix };
}

function limitOf(limit: number | string, terms: Terms, report: Report): Term {
  if (typeof limit === "string") return { argument: terms.argument(limit, report) };
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    report([], String(limit), `a whole number of 1 to ${MAX_LIMIT}, or an argument such as "{limit}"`);
  return { value: limit };
}

function lookupOf(
  name: string,
  config: LookupConfig,
  before: Known["lookups"],
  { readers }: Collection,
  collections: Collections,
  terms: Terms,
  report: Report,
): Lookup | undefined {
  if (TAKEN.has(name)) report([], name, `another name than ${[...TAKEN].join(", ")}`);
  const collection = known(config.from, collections, report);
  if (!collection) return undefined;
  if (!mayAllRead(readers, collection.readers)) {
    const expected = "a collection that all may be answered from who may be answered from the tool's";
    report(["from"], JSON.stringify(config.from), expected);
  }
  const { from } = config;
  if ("every" in config) return { name, from, find: { every: pointerTo(config.every) } };
  const { key, otherwise } = config;
  const find = {
    key: keyOf(key, collection, terms, below(report, "key")),
    otherwise: otherwise && refusalOf(otherwise, { lookups: new Map(before) }, below(report, "otherwise")),
  };
  return { name, from, find };
}

function keyOf(key: string | string[], { name, keyNames }: Collection, terms: Terms, report: Report): Term[] {
  const parts = [key].flat();
  if (parts.length !== keyNames.length) {
    const expected = `${keyNames.length}, as the key of ${name} has: ${keyNames.join(", ")}`;
    report([], `${parts.length} values`, expected);
  }
  return parts.map((part) => terms.read(part, report));
}

function refusalOf({ text, isError = true }: RefusalConfig, names: Known, report: Report): Refusal {
  // Arguments that only a refusal names are not covered: they may change what is found.
  checkText(text, names, below(report, "text"));
  return { text, isError };
}

/** Also the arguments that it names. */
function shapeOf(shape: ShapeConfig, names: Known, report: Report): AnswerShape & { args: readonly string[] } {
  const { value = names.row ? "{row}" : undefined, structured = true, text = "json" } = shape;
  if (value === undefined) {
    const expected = 'how the rows are worded, such as { items: { each: "{row}" }, total: "{total}" }';
    report(["value"], "nothing", expected);
  }
  if (!structured && text === "none") report(["text"], '"none"', "text, or structured: true: else nothing is said");
  const args = checkValue(value, names, below(report, "value"));
  if (typeof text === "object") args.push(...checkText(text.template, names, below(report, "text", "template")));
  return { value, isStructured: structured, text, args };
}

function known(name: string, collections: Collections, report: Report): Collection | undefined {
  const collection = collections.get(name);
  if (!collection) report(["from"], JSON.stringify(name), "the name of one of the origin's collections");
  return collection;
}
