import type { Report } from "./report.ts";
import { eachOf, parseTemplate, type Reference } from "./template.ts";

/** What the templates of an answer may name. */
export interface Known {
  /** What was looked up: one row, or a member of every. */
  lookups: ReadonlyMap<string, "row" | "every">;
  /** The row that there is. */
  row?: boolean;
  /** How many were found. */
  list?: boolean;
  /** The cursor of the next page. */
  next?: boolean;
}

const BRACES = "references in braces, such as {row.name} or {row.name|json}; {{ and }} for braces as text";

/** Reports what a text names that is not known. The first names of the arguments that it names. */
export function checkText(text: string, known: Known, report: Report): string[] {
  const template = parseTemplate(text);
  if (!template) report([], JSON.stringify(text.slice(0, 57)), BRACES);
  const args: string[] = [];
  for (const piece of template ?? []) {
    if (typeof piece === "string") continue;
    const [name = "", member] = piece.path;
    if (!isKnown(piece, known)) report([], `{${piece.path.join(".")}}`, `one of ${namesOf(known).join(", ")}`);
    else if (name === "args") args.push(member!);
  }
  return args;
}

/** The same of a shape's value, all of its texts. */
export function checkValue(value: unknown, known: Known, report: Report): string[] {
  if (typeof value === "string") return checkText(value, known, report);
  if (value === null || typeof value !== "object") return [];
  const each = eachOf(value);
  if (!each) return Object.values(value).flatMap((one) => checkValue(one, known, report));
  if (!known.list || known.row) report([], "each", "it once, in the shape of an answer that may have several rows");
  return checkValue(each.each, { ...known, row: true }, report);
}

function isKnown({ path: [name = "", ...rest] }: Reference, { lookups, row, list, next }: Known): boolean {
  const isWhole = rest.length === 0;
  switch (name) {
    case "args":
      return !isWhole;
    case "row":
      return row ?? false;
    case "total":
    case "count":
      return isWhole && (list ?? false);
    case "next":
      return isWhole && (next ?? false);
    default:
      return lookups.get(name) === "row" || (isWhole && lookups.has(name));
  }
}

function namesOf({ lookups, row, list, next }: Known): string[] {
  const names = ["{args.name}"];
  if (row) names.push("{row}", "{row.name}");
  if (list) names.push("{total}", "{count}");
  if (next) names.push("{next}");
  for (const [name, what] of lookups) names.push(what === "row" ? `{${name}.member}` : `{${name}}`);
  return names;
}

/** Names that lookups may not have: they stand for something else. */
export const TAKEN: ReadonlySet<string> = new Set(["args", "row", "total", "count", "next"]);
