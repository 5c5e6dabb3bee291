import { isObject } from "./isObject.ts";

/** The keys by which it is decided what a message asks for. */
const DECISIVE: ReadonlySet<string> = new Set([
  "jsonrpc",
  "id",
  "method",
  "params",
  "name",
  "uri",
  "ref",
  "type",
  "notifications",
  "resourceSubscriptions",
]);
const FOLDED: ReadonlySet<string> = new Set([...DECISIVE].map(folded));

/**
 * Whether a message has a key that is one of those that decide what it asks for but for its case: some readers take it for
 * that one (Go's `encoding/json` does), and read another message.
 */
export function isEquivocal(message: unknown): boolean {
  if (!isObject(message)) return false;
  const params = message["params"];
  if (hasOther(message) || hasOther(params)) return true;
  return isObject(params) && (hasOther(params["ref"]) || hasOther(params["notifications"]));
}

function hasOther(value: unknown): boolean {
  if (!isObject(value)) return false;
  for (const key in value) if (!DECISIVE.has(key) && FOLDED.has(folded(key))) return true;
  return false;
}

/** A key without its case. Some signs beyond ASCII are letters in another case, too: ſ is an s. */
function folded(key: string): string {
  return key.toUpperCase().toLowerCase();
}
