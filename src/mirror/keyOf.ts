import type { Term } from "../config/mirror.ts";
import { givenFor, isPlain } from "./argumentAt.ts";
import { KEY_SEPARATOR } from "./rowOf.ts";

/** The key that a call asks for, as rows have it; `undefined` where it gives none. */
export function keyOf(terms: readonly Term[], args: Readonly<Record<string, unknown>>): string | undefined {
  const parts = terms.map((term) => {
    const given = givenFor(term, args);
    return typeof given === "string" ? undefined : partOf(given.value);
  });
  return parts.includes(undefined) ? undefined : parts.join(KEY_SEPARATOR);
}

/** Whatever its length: what no row can have is not found. */
function partOf(value: unknown): string | undefined {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && isPlain(value) ? value : undefined;
}
