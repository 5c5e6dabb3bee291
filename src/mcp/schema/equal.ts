type Members = Readonly<Record<string, unknown>>;

/** Whether two JSON values are the same: the members of objects in any order. `spend` says whether there is room for so many more looks. */
export function equal(a: unknown, b: unknown, spend: (steps: number) => boolean): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (!spend(keys.length) || keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && equal((a as Members)[key], (b as Members)[key], spend));
}
