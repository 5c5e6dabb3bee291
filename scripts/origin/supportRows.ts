import * as z from "zod";
import { parseVersion } from "./compareVersions.ts";
import type { Catalog, Feature } from "./loadCatalog.ts";
import { isPlain, statementsOf, summariseSupport, Support, supportedAt } from "./summariseSupport.ts";

/** One feature in one browser in short. */
export const SupportRow = z.object({
  id: z.string(),
  browser: z.string(),
  added: z
    .string()
    .nullable()
    .describe("First version with it; null when not supported, or only with a flag or prefix"),
  removed: z.string().nullable(),
  partial: z.boolean(),
});

/** One feature in one browser in full. */
export const SupportAnswer = Support.extend({
  id: z.string(),
  browser: z.string(),
  supported: z.boolean().describe("The current version has it, be it in part, with no flag, prefix or other name"),
  current_version: z.string().describe("The newest released version of the browser"),
});

/** The versions of one browser that have one feature, be it in part, with no flag, prefix or other name. */
export const SupportRange = z.object({
  id: z.string(),
  browser: z.string(),
  added: z.string().describe("First version with it"),
  removed: z.string().nullable().describe("First version without it again, or null"),
  description: z.string().optional(),
});

/** A kind of rows about one feature in one browser: none where the data says nothing about the two. */
export type RowsOf<Row> = (catalog: Catalog, feature: Feature, browser: string) => readonly Row[];

/** One row for all that the data says about the two. */
export const inShort: RowsOf<z.infer<typeof SupportRow>> = (_catalog, feature, browser) => {
  const statements = statementsOf(feature, browser);
  if (!statements) return [];
  const { added, removed, partial } = summariseSupport(statements);
  const plain = statements.some(isPlain);
  return [{ id: feature.id, browser, added: plain ? added : null, removed: plain ? removed : null, partial }];
};

/** One row, as `check_support` answers. */
export const inFull: RowsOf<z.infer<typeof SupportAnswer>> = (catalog, feature, browser) => {
  const known = catalog.browsers.get(browser);
  const statements = known && statementsOf(feature, browser);
  if (!statements) return [];
  const supported = supportedAt(statements, known.current);
  return [{ id: feature.id, browser, supported, current_version: known.current, ...summariseSupport(statements) }];
};

/** A row for each statement that a version can be compared with: `list_supported` goes by the same. */
export const ranges: RowsOf<z.infer<typeof SupportRange>> = (_catalog, feature, browser) =>
  (statementsOf(feature, browser) ?? []).flatMap((statement) => {
    const { version_added: added, version_removed: removed = null } = statement;
    if (!isPlain(statement) || !added || !parseVersion(added)) return [];
    return [{ id: feature.id, browser, added, removed, description: feature.compat.description }];
  });

const counts = new WeakMap<Catalog, Map<RowsOf<unknown>, number>>();

/** How many rows of a kind the catalogue has in all. Counted once: some 100 ms. */
export function countRows(catalog: Catalog, rows: RowsOf<unknown>): number {
  const known = counts.get(catalog) ?? new Map<RowsOf<unknown>, number>();
  counts.set(catalog, known);
  let count = known.get(rows);
  if (count === undefined) {
    count = 0;
    for (const feature of catalog.features) {
      for (const browser of catalog.browsers.keys()) count += rows(catalog, feature, browser).length;
    }
    known.set(rows, count);
  }
  return count;
}
