/** A URI template (RFC 6570, level 1) with its values; `undefined` where one is missing, or cannot be written in a URI. */
export function expandUri(template: string, valueOf: (name: string) => unknown): string | undefined {
  let isWhole = true;
  const uri = template.replace(/\{([^{}]+)\}/g, (_, name: string) => {
    const value = encoded(valueOf(name));
    isWhole &&= value !== undefined;
    return value ?? "";
  });
  return isWhole ? uri : undefined;
}

/** All but letters, digits and `-._~` percent-encoded. */
function encoded(value: unknown): string | undefined {
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") return undefined;
  const text = String(value);
  if (!text.isWellFormed()) return undefined;
  return encodeURIComponent(text).replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
}
