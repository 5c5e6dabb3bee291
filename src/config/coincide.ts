/** What can be said of the names that a template or a pattern stands for. */
export interface Span {
  /** What each of them begins with. */
  prefix: string;
  /** What each of them ends with. */
  suffix: string;
  /** It is one name, and no other. */
  isOne: boolean;
}

/**
 * What can be said of the tags that a template expands to (`product:{sku}`): those with all values there, and those that
 * end in `:-` because one is missing. Of values so long that a tag is cut nothing is said of its end: what has such a tag
 * in common with another shares its invalidations by accident only.
 */
export function spansOfTemplate(template: string): Span[] {
  const parts = template.split(/\{[^{}]+\}/);
  const [prefix, suffix] = [parts[0]!, parts.at(-1)!];
  if (parts.length === 1) return [oneName(template)];
  const missing =
    parts.length === 2
      ? oneName(`${withoutColons(template.replace(/\{[^{}]+\}/, ""))}:-`)
      : { prefix: withoutColons(prefix), suffix: ":-", isOne: false };
  return [{ prefix, suffix, isOne: false }, missing];
}

/** What can be said of the names that match a pattern, each behind `before`. */
export function spanOfPattern(before: string, pattern: string): Span {
  const parts = pattern.split("*");
  if (parts.length === 1) return oneName(before + pattern);
  return { prefix: before + parts[0]!, suffix: parts.at(-1)!, isOne: false };
}

function oneName(name: string): Span {
  return { prefix: name, suffix: name, isOne: true };
}

/** As tags are before the sign that a value is missing. */
function withoutColons(text: string): string {
  return text.replace(/:*$/, "");
}

/** Whether one name may be among both. Where that cannot be excluded, it may. */
export function mayCoincide(some: readonly Span[], others: readonly Span[]): boolean {
  return some.some((a) => others.some((b) => areCompatible(a, b)));
}

function areCompatible(a: Span, b: Span): boolean {
  if (a.isOne) return has(b, a.prefix);
  if (b.isOne) return has(a, b.prefix);
  const begins = a.prefix.startsWith(b.prefix) || b.prefix.startsWith(a.prefix);
  return begins && (a.suffix.endsWith(b.suffix) || b.suffix.endsWith(a.suffix));
}

function has({ prefix, suffix, isOne }: Span, name: string): boolean {
  if (isOne) return name === prefix;
  return name.length >= prefix.length + suffix.length && name.startsWith(prefix) && name.endsWith(suffix);
}
