/** Whether a name matches a pattern in which `*` stands for any run of characters. Linear in the name for each star. */
export function matches(pattern: string, name: string): boolean {
  const parts = pattern.split("*");
  if (parts.length === 1) return pattern === name;
  const [first, last] = [parts[0]!, parts.at(-1)!];
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let from = first.length;
  const end = name.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, from);
    if (found < 0 || found + part.length > end) return false;
    from = found + part.length;
  }
  return true;
}

/** What stands for a name. */
interface Found<T> {
  /** The name itself, or the pattern that it matches. */
  key: string;
  value: T;
  exact: boolean;
}

/** A lookup by name: exact beats pattern, the longer pattern beats the shorter. */
export interface PatternTable<T> {
  find(name: string): Found<T> | undefined;
}

/** Builds the lookup. Cost: one map access for an exact name; patterns are tried longest first. */
export function patternTable<T>(entries: Readonly<Record<string, T>>): PatternTable<T> {
  const exact = new Map<string, Found<T>>();
  const patterns: Found<T>[] = [];
  for (const [key, value] of Object.entries(entries)) {
    if (key.includes("*")) patterns.push({ key, value, exact: false });
    else exact.set(key, { key, value, exact: true });
  }
  patterns.sort((a, b) => b.key.length - a.key.length || (a.key < b.key ? -1 : 1));
  return {
    find: (name) => exact.get(name) ?? patterns.find(({ key }) => matches(key, name)),
  };
}
