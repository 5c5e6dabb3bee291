import type { SimpleSupportStatement, SupportStatement } from "@mdn/browser-compat-data/types";
import * as z from "zod";
import { compareVersions, parseVersion } from "./compareVersions.ts";
import type { Catalog, Feature } from "./loadCatalog.ts";

const Flag = z.object({ type: z.string(), name: z.string(), value_to_set: z.string().optional() });

/** What one browser makes of one feature. */
export const Support = z.object({
  added: z.string().nullable().describe('First version with it; "≤12" means 12 or earlier; null when not supported'),
  removed: z.string().nullable().describe("First version without it again, or null"),
  partial: z.boolean().describe("Supported only in part"),
  flags: z.array(Flag).describe("Flags that must be set for it to work"),
  prefix: z.string().optional().describe("Supported only under its name with this prefix"),
  alternative_name: z.string().optional().describe("Supported only under this other name"),
});

/** The statements of a feature for a browser, the most relevant first; `undefined` where the data has none. */
export function statementsOf(feature: Feature, browser: string): readonly SimpleSupportStatement[] | undefined {
  const support = feature.compat.support as Record<string, SupportStatement | undefined>;
  const statement = Object.hasOwn(support, browser) ? support[browser] : undefined;
  if (statement === undefined) return undefined;
  return Array.isArray(statement) ? statement : [statement];
}

/** The summary of those statements: the first that needs no flag or other name, otherwise the first. */
export function summariseSupport(statements: readonly SimpleSupportStatement[]): z.infer<typeof Support> {
  const chosen = statements.find(isPlain) ?? statements[0];
  return {
    added: chosen?.version_added || null,
    removed: chosen?.version_removed ?? null,
    partial: chosen?.partial_implementation ?? false,
    flags: chosen?.flags?.map(({ type, name, value_to_set }) => ({ type, name, value_to_set })) ?? [],
    prefix: chosen?.prefix,
    alternative_name: chosen?.alternative_name,
  };
}

/** True where a browser of that version has the feature under its own name and without a flag, be it in part. */
export function supportedAt(statements: readonly SimpleSupportStatement[], version: string): boolean {
  return statements.some((statement) => {
    const { version_added: added, version_removed: removed } = statement;
    // A preview has no number, so no released version has what only a preview has.
    if (!isPlain(statement) || !added || !parseVersion(added)) return false;
    if (compareVersions(added, version) > 0) return false;
    // Nor has one lost yet what only a preview has lost.
    return removed === undefined || !parseVersion(removed) || compareVersions(version, removed) < 0;
  });
}

/** The summaries of a feature for every browser that the data speaks of. */
export function supportByBrowser(catalog: Catalog, feature: Feature): Record<string, z.infer<typeof Support>> {
  const summaries: Record<string, z.infer<typeof Support>> = {};
  for (const browser of catalog.browsers.keys()) {
    const statements = statementsOf(feature, browser);
    if (statements) summaries[browser] = summariseSupport(statements);
  }
  return summaries;
}

/** True for a statement about the feature under its own name, with no flag to set. */
export function isPlain(statement: SimpleSupportStatement): boolean {
  return !statement.flags && !statement.prefix && !statement.alternative_name;
}
