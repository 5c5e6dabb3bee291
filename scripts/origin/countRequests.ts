/** What has reached the origin since the start or the last reset. */
export interface Counts {
  /** Messages with a method, notifications included. */
  total: number;
  byMethod: Record<string, number>;
  /** By method and tool name, prompt name or resource URI: `"tools/call get_feature"`. */
  byName: Record<string, number>;
  /** HTTP requests that were failed on purpose. Their messages are in `total` as well. */
  failed: number;
}

/** Counts the messages that reach the origin. */
export interface Counter {
  /** Counts the messages of one POST body: one message or, in the legacy era, a batch. */
  add(body: unknown): void;
  addFailure(): void;
  read(): Counts;
  reset(): void;
}

/** A counter at zero. */
export function countRequests(): Counter {
  let total = 0;
  let failed = 0;
  const byMethod = new Map<string, number>();
  const byName = new Map<string, number>();

  function addMessage(message: unknown): void {
    const { method, params } = (message ?? {}) as { method?: unknown; params?: { name?: unknown; uri?: unknown } };
    if (typeof method !== "string") return;
    total++;
    increment(byMethod, method);
    const name = nameOf(method, params ?? {});
    if (typeof name === "string") increment(byName, `${method} ${name}`);
  }

  return {
    add: (body) => (Array.isArray(body) ? body : [body]).forEach(addMessage),
    addFailure: () => void failed++,
    read: () => ({ total, byMethod: Object.fromEntries(byMethod), byName: Object.fromEntries(byName), failed }),
    reset() {
      total = failed = 0;
      byMethod.clear();
      byName.clear();
    },
  };
}

function nameOf(method: string, params: { name?: unknown; uri?: unknown }): unknown {
  if (method === "tools/call" || method === "prompts/get") return params.name;
  return method === "resources/read" ? params.uri : undefined;
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
