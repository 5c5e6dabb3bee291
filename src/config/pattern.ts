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

/** A lookup by name: exact beats pattern, the longer pattern beats the shorter. */
export interface PatternTable<T> {
  find(name: string): { value: T; exact: boolean } | undefined;
}

/** Builds the lookup. Cost: one map access for an exact name; patterns are tried longest first. */
export function patternTable<T>(entries: Readonly<Record<string, T>>): PatternTable<T> {
  const exact = new Map<string, { value: T; exact: boolean }>();
  const patterns: { pattern: string; answer: { value: T; exact: boolean } }[] = [];
  for (const [name, value] of Object.entries(entries)) {
    if (name.includes("*")) patterns.push({ pattern: name, answer: { value, exact: false } });
    else exact.set(name, { value, exact: true });
  }
  patterns.sort((a, b) => b.pattern.length - a.pattern.length || (a.pattern < b.pattern ? -1 : 1));
  return {
    find: (name) => exact.get(name) ?? patterns.find(({ pattern }) => matches(pattern, name))?.answer,
  };
}
