import type { ToolCacheConfig } from "../../src/config/types.ts";

/** What `tools/list` says of a tool, as far as a proposal goes by it. */
export interface ListedTool {
  name: string;
  annotations?: { readOnlyHint?: boolean | undefined; destructiveHint?: boolean | undefined } | undefined;
}

/** A policy for one tool, or none, and why. */
export interface Proposal {
  tool: string;
  cache: ToolCacheConfig | undefined;
  reason: string;
}

/** Verbs that read. What is not here counts as unknown, and gets no policy: caching a write is worse than not caching a read. */
const READS: ReadonlySet<string> = new Set(
  `browse calculate check compare convert count describe detect diff download echo estimate explain export fetch filter find
   get grep has head inspect is list load lookup match measure peek ping preview query read render resolve retrieve scan
   search select show stat status summarize tail translate tree validate verify view whoami`.split(/\s+/),
);

/** Verbs that write. */
const WRITES: ReadonlySet<string> = new Set(
  `add append apply approve archive assign book buy cancel charge clear click close commit copy create deactivate delete deploy
   destroy disable drop edit enable execute fill fork grant import insert install invite invoke kill launch lock mark merge
   modify move navigate open order patch pay pin post press publish purchase push put rebase register reject remove rename
   replace reply reset restart restore revert revoke run save schedule send set sign start stop store submit subscribe sync
   terminate trigger type unlock unsubscribe update upload upsert write`.split(/\s+/),
);

/** Cautious: a minute fresh, and a day to fall back on. Whoever knows the data can say more. */
const CACHE: ToolCacheConfig = { ttl: "1m", staleWhileRevalidate: "5m", staleIfError: "1d" };

/** Proposes a policy for a tool: by its annotations, else by the verb in its name. */
export function propose({ name, annotations }: ListedTool): Proposal {
  const none = (reason: string): Proposal => ({ tool: name, cache: undefined, reason });
  if (annotations?.readOnlyHint === true)
    return { tool: name, cache: CACHE, reason: "the origin marks it readOnlyHint: true" };
  if (annotations?.readOnlyHint === false) return none("the origin marks it readOnlyHint: false");
  if (annotations?.destructiveHint === true) return none("the origin marks it destructiveHint: true");
  const words = wordsOf(name);
  const write = words.find((word) => WRITES.has(word));
  if (write !== undefined) return none(`no annotation; "${write}" writes`);
  const read = words.find((word) => READS.has(word));
  // The verb comes first, or after a prefix that names the service.
  if (read !== undefined && words.indexOf(read) <= 1) {
    return { tool: name, cache: CACHE, reason: `no annotation; "${read}" reads. Make sure that it does` };
  }
  return none("no annotation, and its name does not say whether it reads");
}

/** The words of a name, in lower case: `getUserById`, `get_user`, `user.get`, `get-user`. */
function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter(Boolean);
}
