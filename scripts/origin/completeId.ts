import type { Catalog } from "./loadCatalog.ts";

/** The ids that begin with the given text, in either case, in order. The server sends the first hundred. */
export function completeId(catalog: Catalog, start: string): string[] {
  const wanted = start.toLowerCase();
  return catalog.features.filter((feature) => feature.searchable.startsWith(wanted)).map((feature) => feature.id);
}
