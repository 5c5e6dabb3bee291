import type { Variant } from "../inside.ts";
import { middleMean } from "../stats.ts";
import { credentialsOf } from "./credentials.ts";
import { hit, requestOf } from "./hit.ts";
import { profile } from "./profile.ts";
import { filledReplica, type Filled } from "./replicas.ts";

const BATCH = 1_000;

// Measures within workerd, where nothing but the replica's own code runs.
export default {
  async fetch(request: Request, { KV }: { KV: KVNamespace }): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/profile") {
      const { rounds } = (await request.json()) as { rounds: number };
      return Response.json(await profile(rounds));
    }
    const { variants, rounds } = (await request.json()) as { variants: Variant[]; rounds: number };
    return Response.json(await compare(variants, rounds, KV));
  },
};

/** The ns of a hit for each variant: in turns, the entries in a scattered order. */
async function compare(variants: readonly Variant[], rounds: number, kv: KVNamespace): Promise<number[]> {
  const filled: Filled[] = [];
  for (const variant of variants)
    filled.push(await filledReplica(variant, false, await credentialsOf(variant.asker ?? "anybody", kv, BATCH)));
  const measured = variants.map(() => [] as number[]);
  for (let round = 0; round < rounds; round++) {
    for (const [index, one] of filled.entries()) measured[index]!.push(await hits(one, round));
  }
  return measured.map(middleMean);
}

async function hits(filled: Filled, round: number): Promise<number> {
  // A step that shares no factor with the counts, so that every entry has its turn.
  const numbers = Array.from({ length: BATCH }, (_, index) => ((round * BATCH + index) * 7_919) % filled.entries);
  const requests = numbers.map((index) => requestOf(filled, index));
  if (filled.headers.length > 1) filled.forget();
  const begun = performance.now();
  for (const request of requests) {
    if (filled.hearsAlways) filled.feed.version++;
    const response = await hit(filled, request);
    if (!response.headers.get("cache-status")?.includes("hit")) throw new Error("Not a hit.");
  }
  return ((performance.now() - begun) * 1e6) / BATCH;
}
