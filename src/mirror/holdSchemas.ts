import type { Held } from "./Held.ts";

/**
 * Holds the schemas of the tools that are answered from a mirror; those that cannot be had now stay as they are. How many
 * requests that took, and in a word why they could not be had. Throws what D1 throws.
 */
export async function holdSchemas(held: Held): Promise<{ requests: number; failure?: string }> {
  const { setup } = held.kept.now!;
  const { tools } = setup.collection;
  if (tools.length === 0) return { requests: 0 };
  const found = await held.tools.schemasOf(setup);
  if (!("json" in found)) return { requests: 1, failure: "failure" in found ? found.failure.kind : found.bad };
  await held.sources.store.keepSchemas(found.json, found.hash);
  held.put({ schemasOf: tools });
  return { requests: found.requests + 1 };
}
