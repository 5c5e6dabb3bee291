import { pointerTo } from "./member.ts";
import type { Collection, Condition, Order, OrderPart, Test } from "./mirror.ts";
import type { AnswerConfig, ConditionConfig } from "./mirrorTypes.ts";
import { below, type Report } from "./report.ts";
import type { Terms } from "./Terms.ts";

const COMPARISONS = ["eq", "gt", "gte", "lt", "lte", "prefix"] as const;

/** Which rows are meant, by their columns. One of the indexes must begin with a column that is asked for. */
export function conditionsOf(
  where: Record<string, ConditionConfig>,
  collection: Collection,
  terms: Terms,
  report: Report,
): Condition[] {
  const conditions = Object.entries(where).flatMap(([name, config]) => {
    const at = below(report, name);
    const column = placeOf(name, collection, at);
    const tests = testsOf(typeof config === "object" ? config : { eq: config }, terms, at);
    const orNull = typeof config === "object" && config.orNull === true;
    if (tests.length === 0)
      at([], orNull ? "orNull alone" : "nothing", "at least one of eq, in, gt, gte, lt, lte, prefix, null");
    return column === undefined ? [] : [{ column, tests, orNull }];
  });
  const equal = conditions.filter(isEqual);
  const leading = new Set((equal.length > 0 ? equal : conditions).map(({ column }) => column));
  if (leading.size > 0 && !collection.indexes.some(([first]) => leading.has(first!))) {
    const names = [...new Set([...leading, ...conditions.map(({ column }) => column)])];
    const wanted = JSON.stringify(names.map((place) => collection.columns[place]!.name));
    report(
      [],
      "no index for it",
      `an index that begins with one of these columns: add ${wanted} to the index of ${collection.name}`,
    );
  }
  return conditions;
}

/** In which order the rows come. One of the indexes must have them in it, behind columns that are equal. */
export function orderOf(
  orderBy: AnswerConfig["orderBy"],
  conditions: readonly Condition[],
  collection: Collection,
  terms: Terms,
  report: Report,
): Order {
  if (orderBy === undefined) return undefined;
  const equal = new Set(conditions.filter(isEqual).map(({ column }) => column));
  const partsOf = (names: string | string[], at: Report) => orderParts(names, equal, collection, at);
  if (typeof orderBy === "string" || Array.isArray(orderBy)) return partsOf(orderBy, report);
  const when = Object.entries(orderBy.when).map(
    ([value, names]) => [value, partsOf(names, below(report, "when", value))] as const,
  );
  return { argument: terms.argument(orderBy.argument, below(report, "argument")), when: new Map(when) };
}

function orderParts(
  names: string | string[],
  equal: ReadonlySet<number>,
  collection: Collection,
  report: Report,
): OrderPart[] {
  const parts = [names].flat().flatMap((name): OrderPart[] => {
    const falls = name.startsWith("-");
    const said = falls ? name.slice(1) : name;
    if (said === "key") return [{ by: "key", falls }];
    const by = placeOf(said, collection, report);
    return by === undefined ? [] : [{ by, falls }];
  });
  const first = parts[0]?.by;
  if (typeof first !== "number" || equal.has(first)) return parts;
  const isInOrder = (index: readonly number[]) => index.find((place) => !equal.has(place)) === first;
  if (!collection.indexes.some(isInOrder)) {
    const wanted = JSON.stringify([...equal, first].map((place) => collection.columns[place]!.name));
    report(
      [],
      "no index for it",
      `an index that has the rows in this order: add ${wanted} to the index of ${collection.name}`,
    );
  }
  return parts;
}

function placeOf(name: string, { name: collection, columns }: Collection, report: Report): number | undefined {
  const place = columns.findIndex(({ at }) => at === pointerTo(name));
  if (place >= 0) return place;
  const known = columns.map((column) => JSON.stringify(column.name)).join(", ") || "none";
  report([], JSON.stringify(name), `a column of the index of ${collection}, which are: ${known}`);
  return undefined;
}

function testsOf(config: Exclude<ConditionConfig, string | number | boolean>, terms: Terms, report: Report): Test[] {
  const tests: Test[] = COMPARISONS.flatMap((op) => {
    const value = config[op];
    return value === undefined ? [] : [{ op, term: terms.read(value, below(report, op)) }];
  });
  const { in: among, null: isNull } = config;
  if (typeof among === "string") {
    tests.push({ op: "in", terms: { argument: terms.argument(among, below(report, "in")) } });
  } else if (among) {
    tests.push({ op: "in", terms: among });
  }
  if (typeof isNull === "boolean") tests.push({ op: "null", is: isNull });
  else if (isNull !== undefined)
    tests.push({ op: "null", is: { argument: terms.argument(isNull, below(report, "null")) } });
  return tests;
}

function isEqual({ tests }: Condition): boolean {
  return tests.some(({ op }) => op === "eq" || op === "in");
}
