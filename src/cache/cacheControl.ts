/** HTTP `Cache-Control` directives (RFC 9111, 5.2) as a map: lower-case names, values without quotes. */
export type Directives = ReadonlyMap<string, string>;

/** Reads the directives of a header value; malformed ones are passed over. */
export function parseCacheControl(text: string | null | undefined): Directives {
  const directives = new Map<string, string>();
  // A comma within quotes does not end a directive: `private="a, b"` is one.
  for (const [part] of (text ?? "").slice(0, 1_000).matchAll(/(?:"[^"]*"|[^,])+/g)) {
    const match = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:=(?:"([^"]*)"|([^\s",]*)))?\s*$/.exec(part);
    if (match) directives.set(match[1]!.toLowerCase(), match[2] ?? match[3] ?? "");
  }
  return directives;
}

/** The ms of a directive in seconds; `undefined` where it is absent, 0 where it is not a number (RFC 9111, 4.2.1). */
export function directiveMs(directives: Directives, name: string): number | undefined {
  const value = directives.get(name);
  if (value === undefined) return undefined;
  return /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : 0;
}
