import { escaped } from "../pointer.ts";
import { isObject } from "../isObject.ts";
import { isOf, typesOf, wordsFor } from "./types.ts";

/** A place in a value: what it is under, and its name or index there. */
export interface Place {
  under: Place | undefined;
  key: string | number;
}

/** Characters of a name, or of a value that a schema allows, that are repeated. */
const MAX_SHOWN = 48;
const MAX_POINTER = 160;
const MAX_CHOICES = 8;

/** What a value must be that fits none of several schemas, in words. */
export function formsOf(branches: readonly unknown[], value: unknown): string {
  const types = new Set<string>();
  for (const branch of branches) {
    const own = isObject(branch) && branch["type"] !== undefined ? typesOf(branch["type"]) : undefined;
    if (!own || own.some((type) => isOf(type, value))) return "must have one of the forms that the schema allows";
    for (const type of own) types.add(type);
  }
  return `must be ${wordsFor([...types])}`;
}

/** The JSON pointer of a place, shortened where it is long. */
export function pointerTo(place: Place): string {
  let pointer = "";
  for (let at = place; at.under; at = at.under) {
    const key = escaped(String(at.key).slice(0, MAX_SHOWN));
    pointer = `/${key}${pointer}`;
    if (pointer.length > MAX_POINTER) return `...${pointer.slice(-MAX_POINTER)}`;
  }
  return pointer;
}

/** The values that a schema allows, in JSON; the first of them, and shortened, where there is much. */
export function shownOf(choices: readonly unknown[]): string {
  const shown = choices.slice(0, MAX_CHOICES).map((choice) => {
    const text = JSON.stringify(choice);
    return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
  });
  return [...shown, ...(choices.length > MAX_CHOICES ? ["..."] : [])].join(", ");
}
