import type { Term } from "./mirror.ts";
import type { Report } from "./report.ts";
import { parseTemplate } from "./template.ts";

const ARGUMENT = 'an argument of the call, such as "{sku}" or "{filter.category}"';

/** Reads what stands for values in an answer, and knows which arguments of the call do. */
export class Terms {
  /** The first names of those arguments. */
  readonly covers = new Set<string>();

  /** A value, or an argument. Text in which both stand is neither, and reported. */
  read(value: string | number | boolean, report: Report): Term {
    if (typeof value !== "string") return { value };
    const template = parseTemplate(value);
    const [first = ""] = template ?? [];
    if (template && template.length < 2) {
      if (typeof first === "string") return { value: first };
      if (first.as === undefined) {
        this.covers.add(first.path[0]!);
        return { argument: first.path };
      }
    }
    report([], JSON.stringify(value), `${ARGUMENT}, alone; or a value, with {{ and }} for braces`);
    return { value };
  }

  /** An argument, by its path. */
  argument(value: string, report: Report): readonly string[] {
    const term = this.read(value, report);
    if ("argument" in term) return term.argument;
    report([], JSON.stringify(value), ARGUMENT);
    return [];
  }
}
