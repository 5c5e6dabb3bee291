import { isObject } from "../mcp/isObject.ts";
import type { ListenFilter } from "../mcp/listenFilter.ts";
import { MODERN_VERSION } from "../mcp/versions.ts";
import { knownEras, lacks } from "./eras.ts";
import type { Exchange } from "./Exchange.ts";
import { operationOf } from "./operationOf.ts";
import { initializeAsDiscover, storedBootstrap } from "./surface.ts";

/**
 * The part of a filter of which something can come: what the origin has, as far as its stored answer to `server/discover`
 * says. That it sends no notifications is no hindrance: the replica sees changes when it asks again.
 */
export async function attainable(x: Exchange, filter: ListenFilter): Promise<ListenFilter> {
  const { lists, uris, more } = filter;
  const tasks = await ownTasks(x, filter.tasks);
  const entry = lacks(knownEras(x), "modern")
    ? await initializeAsDiscover(x)
    : await storedBootstrap(x, "server/discover", MODERN_VERSION);
  const capabilities = entry && (JSON.parse(`{${entry.body}}`) as Record<string, unknown>)["capabilities"];
  if (!isObject(capabilities)) return { lists, uris, tasks, more };
  const has = (name: string) => isObject(capabilities[name]);
  return { lists: new Set([...lists].filter(has)), uris: has("resources") ? uris : new Set(), tasks, more };
}

/** Those that are the caller's. */
async function ownTasks(x: Exchange, ids: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const found = await Promise.all(
    [...ids].map(async (id) => {
      const looked = await operationOf(x, id);
      return looked.kind === "found" ? [id] : [];
    }),
  );
  return new Set(found.flat());
}
