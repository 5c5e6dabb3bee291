import { type Catalog, type Feature, searchableOf } from "./loadCatalog.ts";

/** A catalogue that can be edited, in memory: all that it was loaded from stays as it is. */
export interface EditableCatalog {
  /** As it is now. Each edit makes another one, of another version, so that cursors of the one before are refused. */
  readonly current: Catalog;
  /** Gives a feature another description. `false` where no feature has the id. */
  describe(id: string, description: string): boolean;
  /** Takes a feature away. `false` where no feature has the id. */
  remove(id: string): boolean;
}

/** The catalogue, to be edited. Nobody is told of an edit. */
export function editCatalog(loaded: Catalog): EditableCatalog {
  let current = loaded;
  let edits = 0;

  function edit(id: string, change: (feature: Feature) => Feature | undefined): boolean {
    const before = current.byId.get(id);
    if (!before) return false;
    const after = change(before);
    const features = current.features.flatMap((each) => (each !== before ? [each] : after ? [after] : []));
    const byId = new Map(features.map((each) => [each.id, each]));
    current = { ...current, features, byId, version: `${loaded.version}+${++edits}` };
    return true;
  }

  return {
    get current() {
      return current;
    },
    describe: (id, description) =>
      edit(id, ({ compat }) => ({ id, compat: { ...compat, description }, searchable: searchableOf(id, description) })),
    remove: (id) => edit(id, () => undefined),
  };
}

/** A part of the catalogue: the features whose ids begin so, and all browsers. */
export function sliceOf(catalog: Catalog, start: string): Catalog {
  const features = catalog.features.filter(({ id }) => id.startsWith(start));
  return { ...catalog, features, byId: new Map(features.map((each) => [each.id, each])) };
}
