import type { OriginFailure } from "./failure.ts";

/** The beginning of a body: all of it, or so much that the rest has to be passed on as it comes. */
export type Some =
  | { whole: Uint8Array[] }
  | { begun: Uint8Array[]; rest: ReadableStreamDefaultReader<Uint8Array> }
  | { failure: OriginFailure };

/** Reads a body up to `maxBytes`, for up to `totalMs`. */
export async function readSome(response: Response, maxBytes: number, totalMs: number): Promise<Some> {
  const reader = response.body?.getReader();
  if (!reader) return { whole: [] };
  let timer: ReturnType<typeof setTimeout> | null = null;
  const late = new Promise<Some>((resolve) => {
    timer = setTimeout(() => resolve({ failure: { kind: "timeout", afterMs: totalMs } }), totalMs);
  });
  try {
    const some = await Promise.race([read(reader, maxBytes), late]);
    if ("failure" in some) reader.cancel().catch(() => {});
    return some;
  } catch {
    return { failure: { kind: "unreachable" } };
  } finally {
    clearTimeout(timer);
  }
}

async function read(rest: ReadableStreamDefaultReader<Uint8Array>, maxBytes: number): Promise<Some> {
  const chunks: Uint8Array[] = [];
  for (let bytes = 0; bytes <= maxBytes;) {
    const { done, value } = await rest.read();
    if (done) return { whole: chunks };
    chunks.push(value);
    bytes += value.length;
  }
  return { begun: chunks, rest };
}
