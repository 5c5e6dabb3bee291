import { MemoryStore } from "../../src/cache/MemoryStore.ts";
import type { Isolate } from "../../src/lanes/Exchange.ts";
import { Listening } from "../../src/sync/Listening.ts";

/** What an isolate remembers that has met nobody, as far as being in step with an origin goes. */
export function emptyIsolate(): Pick<Isolate, "memory" | "listening" | "catalogues" | "eras" | "suspectAt"> {
  return {
    memory: new MemoryStore(1_000_000),
    listening: new Listening(),
    catalogues: new Map(),
    eras: new Map(),
    suspectAt: new Map(),
  };
}
