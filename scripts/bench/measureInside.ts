import { LIMITER, type Asker, type Profile, type Variant } from "./inside.ts";
import { startWorker } from "./startWorker.ts";

/** What was measured within one workerd process. */
export interface Inside {
  /** Hits in a memory of that size, in ns. */
  byEntries: (Variant & { ns: number })[];
  /** Hits with that many tools in policy and catalogue. */
  byTools: (Variant & { ns: number })[];
  /** Hits of an isolate that is not in step; in step; with much in its feed; and judged anew each time. */
  byFeed: (Variant & { ns: number })[];
  /** Hits by who asks; the first of them is anybody. */
  byAsker: (Variant & { ns: number })[];
  profile: Profile;
}

const BY_ENTRIES = [10, 1_000, 10_000, 100_000].map((entries) => ({ entries, tools: 1 }));
const BY_TOOLS = [1, 100, 1_000].map((tools) => ({ entries: 1_000, tools }));
const BY_FEED: Variant[] = [
  {},
  { invalidations: 0 },
  { invalidations: 10_000 },
  { invalidations: 10_000, hearsAlways: true },
].map((feed) => ({ entries: 1_000, tools: 1, ...feed }));
const ASKERS: readonly Asker[] = ["anybody", "key", "token", "counted token", "locally counted token", "new token"];
const BY_ASKER = ASKERS.map((asker) => ({ entries: 1_000, tools: 1, asker }));

/** Has a Worker of its own measure hits from within. */
export async function measureInside(rounds: number): Promise<Inside> {
  const worker = await startWorker("inside", {}, [LIMITER]);
  const ask = async <T>(path: string, body: object): Promise<T> => {
    const response = await fetch(worker.url + path, { method: "POST", body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: HTTP ${response.status}, ${await response.text()}`);
    return (await response.json()) as T;
  };
  const compare = async (variants: readonly Variant[]) => {
    const ns = await ask<number[]>("/compare", { variants, rounds });
    return variants.map((variant, index) => ({ ...variant, ns: ns[index]! }));
  };
  try {
    // Not counted: code gets compiled.
    await ask("/profile", { rounds: 2 });
    const profile = await ask<Profile>("/profile", { rounds });
    return {
      profile,
      byEntries: await compare(BY_ENTRIES),
      byTools: await compare(BY_TOOLS),
      byFeed: await compare(BY_FEED),
      byAsker: await compare(BY_ASKER),
    };
  } finally {
    await worker.close();
  }
}
