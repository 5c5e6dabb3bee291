/** A request's body as text, or why there is none. */
export type Body = { text: string } | { trouble: { kind: "too-large"; maxBytes: number } | { kind: "not-json" } };

/** Reads a body of at most `maxBytes`; `stated` is its `Content-Length`, `null` where it comes without and has to be counted. */
export function readBody(request: Request, stated: number | null, maxBytes: number): Promise<Body> {
  if (stated === null) return readUnstated(request, maxBytes);
  // The runtime holds the client to the length it states.
  return request.text().then((text) => (isFaithful(text, stated) ? { text } : { trouble: { kind: "not-json" } }));
}

async function readUnstated(request: Request, maxBytes: number): Promise<Body> {
  const bytes = await readBytes(request, maxBytes);
  return bytes ? textOf(bytes) : { trouble: { kind: "too-large", maxBytes } };
}

/** The bytes of a body as text. */
export function textOf(bytes: ArrayBuffer): Body {
  try {
    return { text: decoder.decode(bytes) };
  } catch {
    return { trouble: { kind: "not-json" } };
  }
}

/** JSON is UTF-8 (RFC 8259, 8.1); anything else would be read differently by different readers. */
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Whether a text is what the bytes say. `Request.text()` is the cheapest way to read, but it drops a byte order mark and
 * replaces what is not UTF-8; the length tells. What it does not tell are mistakes that make up for each other's length:
 * they are read as U+FFFD here, and it is that text which goes on, so that nobody reads them differently.
 */
function isFaithful(text: string, bytes: number): boolean {
  // As many characters as bytes: each is ASCII, or stands for a broken byte.
  if (text.length === bytes) return !text.includes("\uFFFD");
  return encoder.encode(text).length === bytes;
}

/** The bytes of a body; `undefined` where there are more than `maxBytes`. */
export async function readBytes(request: Request, maxBytes: number): Promise<ArrayBuffer | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    // Leaving the loop cancels the rest.
    if (length > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return new Blob(chunks as Uint8Array<ArrayBuffer>[]).arrayBuffer();
}
