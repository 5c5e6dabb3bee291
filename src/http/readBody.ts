/** A request's body as text, or why there is none. */
export type Body = { text: string } | { trouble: { kind: "too-large"; maxBytes: number } | { kind: "not-json" } };

/** Reads a body of at most `maxBytes`, counting as it comes: the length that a client states is only a first word. */
export async function readBody(request: Request, maxBytes: number): Promise<Body> {
  const trouble = { kind: "too-large", maxBytes } as const;
  const stated = request.headers.get("content-length");
  if (stated !== null && Number(stated) > maxBytes) return { trouble };
  // With a stated length the runtime holds the client to it.
  const bytes = stated === null ? await readCounted(request, maxBytes) : await request.arrayBuffer();
  if (!bytes || bytes.byteLength > maxBytes) return { trouble };
  try {
    return { text: decoder.decode(bytes) };
  } catch {
    return { trouble: { kind: "not-json" } };
  }
}

/** JSON is UTF-8 (RFC 8259, 8.1); anything else would be read differently by different readers. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

async function readCounted(request: Request, maxBytes: number): Promise<ArrayBuffer | undefined> {
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
