import type { Variant } from "../inside.ts";
import { middleMean } from "../stats.ts";
import { credentialsOf, type Bindings } from "./credentials.ts";
import { hit, requestOf } from "./hit.ts";
import { profile } from "./profile.ts";
import { filledReplica, type Filled } from "./replicas.ts";

const BATCH = 1_000;
/** Of what is a hundred times slower: the local limiter is asked over HTTP. */
const SLOW_BATCH = 50;

// Measures within workerd, where nothing but the replica's own code runs.
export default {
  async fetch(request: Request, bindings: Bindings): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/profile") {
      const { rounds } = (await request.json()) as { rounds: number };
      return Response.json(await profile(rounds));
    }
    const { variants, rounds } = (await request.json()) as { variants: Variant[]; rounds: number };
    return Response.json(await compare(variants, rounds, bindings));
  },
};

/** The ns of a hit for each variant: in turns, the entries in a scattered order. */
async function compare(variants: readonly Variant[], rounds: number, bindings: Bindings): Promise<number[]> {
  const filled: Filled[] = [];
  for (const variant of variants)
    filled.push(await filledReplica(variant, false, await credentialsOf(variant.asker ?? "anybody", bindings, BATCH)));
  const measured = variants.map(() => [] as number[]);
  for (let round = 0; round < rounds; round++) {
    for (const [index, one] of filled.entries()) {
      const batch = variants[index]!.asker === "locally counted token" ? SLOW_BATCH : BATCH;
      measured[index]!.push(await hits(one, round, batch));
    }
  }
  return measured.map(middleMean);
}

async function hits(filled: Filled, round: number, batch: number): Promise<number> {
  // A step that shares no factor with the counts, so that every entry has its turn.
  const numbers = Array.from({ length: batch }, (_, index) => ((round * batch + index) * 7_919) % filled.entries);
  const requests = numbers.map((index) => requestOf(filled, index));
  if (filled.credentials.headers.length > 1) filled.forget();
  const begun = performance.now();
  for (const request of requests) {
    if (filled.hearsAlways) filled.feed.version++;
    const response = await hit(filled, request);
    if (!response.headers.get("cache-status")?.includes("hit")) throw new Error("Not a hit.");
  }
  return ((performance.now() - begun) * 1e6) / batch;
}
