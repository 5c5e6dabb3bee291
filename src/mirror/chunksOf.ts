import { bytesIn } from "./rowOf.ts";

/** A parameter of D1 has 2 MB at most. */
export const MAX_CHUNK_BYTES = 900_000;

/** JSON arrays of elements, each as long as a parameter may be, and from where on. */
export function* chunksOf(elements: readonly string[]): Generator<{ from: number; json: string }> {
  let from = 0;
  let bytes = 0;
  for (const [at, element] of elements.entries()) {
    const size = bytesIn(element) + 1;
    if (bytes + size > MAX_CHUNK_BYTES) {
      yield { from, json: `[${elements.slice(from, at).join(",")}]` };
      from = at;
      bytes = 0;
    }
    bytes += size;
  }
  if (from < elements.length) yield { from, json: `[${elements.slice(from).join(",")}]` };
}
