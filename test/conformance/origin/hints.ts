/** Long enough for a run, for everybody: all that is read here is the same for all. */
const HINT = { ttlMs: 3_600_000, cacheScope: "public" } as const;

/** The hints for the six results that have any, so that a cache in front may answer the second run. */
export const CACHE_HINTS = {
  "server/discover": HINT,
  "tools/list": HINT,
  "prompts/list": HINT,
  "resources/list": HINT,
  "resources/templates/list": HINT,
  "resources/read": HINT,
} as const;
