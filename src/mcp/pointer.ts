/**
 * What a JSON Pointer (RFC 6901) leads to in a JSON value; `undefined` where it leads nowhere. What a value inherits from
 * JavaScript is not there.
 */
export function valueAt(value: unknown, pointer: string): unknown {
  if (pointer === "") return value;
  let at = value;
  for (const part of pointer.slice(1).split("/")) {
    if (at === null || typeof at !== "object") return undefined;
    if (Array.isArray(at)) {
      // RFC 6901, 4: no leading zeros, and `-` is what is not there yet.
      if (!/^(?:0|[1-9]\d*)$/.test(part)) return undefined;
      at = at[Number(part)];
    } else {
      const name = unescaped(part);
      if (!Object.hasOwn(at, name)) return undefined;
      at = (at as Record<string, unknown>)[name];
    }
  }
  return at;
}

/** A name as a part of a JSON Pointer (RFC 6901, 3). */
export function escaped(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** The name that a part of a JSON Pointer stands for (RFC 6901, 4). */
export function unescaped(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}
