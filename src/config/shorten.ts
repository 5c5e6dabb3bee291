/** What was found, for a message. Objects, and text where somebody may have put a credential, are not repeated. */
export function shorten(value: unknown, secretive = false): string {
  if (Array.isArray(value)) return "an array";
  if (value !== null && typeof value === "object") return "an object";
  if (typeof value === "string" && secretive) return "a string";
  const text = value === undefined ? "nothing" : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
