import type { Term } from "../config/mirror.ts";
import { givenFor, isPlain } from "./argumentAt.ts";
import { KEY_SEPARATOR, MAX_KEY_PART } from "./rowOf.ts";

/** The key that a call asks for, as rows have it; `undefined` where it gives none. */
export function keyOf(terms: readonly Term[], args: Readonly<Record<string, unknown>>): string | undefined {
  const parts = terms.map((term) => {
    const given = givenFor(term, args);
    return typeof given === "string" ? undefined : partOf(given.value);
  });
  return parts.includes(undefined) ? undefined : parts.join(KEY_SEPARATOR);
}

/** Whatever its length: what no row can have is not found. Of what is longer the database, which takes no megabytes, need not be asked more. */
function partOf(value: unknown): string | undefined {
  if (typeof value === "number") return String(value);
  if (typeof value !== "string" || !isPlain(value)) return undefined;
  return value.slice(0, MAX_KEY_PART + 1).toWellFormed();
}
