import type { AnswerRule, Term, Test } from "../config/mirror.ts";
import { isObject } from "../mcp/isObject.ts";
import { shapeOf, templateOf } from "./Shape.ts";

/** The arguments that a rule goes by, by their names and those of their members; an empty one: all that it holds. */
type Names = Map<string, Names>;

const known = new WeakMap<AnswerRule, Names>();

/** Whether the answer goes by all that the call gives, down to the members of objects, or it changes nothing in it. */
export function isCovered(rule: AnswerRule, args: Readonly<Record<string, unknown>>): boolean {
  let names = known.get(rule);
  if (!names) known.set(rule, (names = namesOf(rule)));
  for (const name of Object.keys(args)) {
    if (!rule.covers.has(name)) return false;
    const below = names.get(name);
    if (below && !isWithin(below, args[name])) return false;
  }
  return true;
}

function isWithin(names: Names, value: unknown): boolean {
  if (names.size === 0 || !isObject(value)) return true;
  return Object.keys(value).every((name) => {
    const below = names.get(name);
    return below !== undefined && isWithin(below, value[name]);
  });
}

function namesOf({ query, lookups, shape }: AnswerRule): Names {
  const names: Names = new Map();
  const add = (path: readonly string[]) => {
    let at = names;
    for (const [nth, name] of path.entries()) {
      const below = at.get(name);
      // Something goes by all of it.
      if (below?.size === 0) return;
      const next: Names = nth === path.length - 1 ? new Map() : (below ?? new Map<string, Names>());
      at.set(name, next);
      at = next;
    }
  };
  const addTerm = (term: Term | undefined) => term && "argument" in term && add(term.argument);
  const addText = (text: string) => {
    for (const piece of templateOf(text)) if (typeof piece !== "string") addReference(piece.path);
  };
  const addReference = ([name, ...path]: readonly string[]) => name === "args" && add(path);

  if (query.kind === "key") {
    query.key.forEach(addTerm);
    if (query.notFound) addText(query.notFound.text);
  } else {
    for (const { tests } of query.where) for (const test of tests) addTerm(termOf(test));
    if (query.order && "argument" in query.order) add(query.order.argument);
    for (const term of [query.search?.text, query.limit, query.cursor]) addTerm(term);
  }
  for (const { find } of lookups) {
    if ("every" in find) continue;
    find.key.forEach(addTerm);
    if (find.otherwise) addText(find.otherwise.text);
  }
  shapeOf(shape).references.forEach(addReference);
  return names;
}

function termOf(test: Test): Term | undefined {
  if (test.op === "null") return typeof test.is === "boolean" ? undefined : test.is;
  if (test.op !== "in") return test.term;
  return Array.isArray(test.terms) ? undefined : (test.terms as Term);
}
