import type { Check } from "./checks.ts";

/** The checks of a scenario by what `nameOf` calls them; the second and later ones of a name by `name #2` and so on. */
export function labelled(checks: readonly Check[], nameOf: (check: Check) => string): Map<string, Check> {
  const byName = new Map<string, Check>();
  const seen = new Map<string, number>();
  for (const check of checks) {
    const name = nameOf(check);
    const nth = (seen.get(name) ?? 0) + 1;
    seen.set(name, nth);
    byName.set(nth === 1 ? name : `${name} #${nth}`, check);
  }
  return byName;
}
