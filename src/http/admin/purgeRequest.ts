import * as z from "zod";
import { ORIGIN_TAG } from "../../cache/implicitTags.ts";
import { name, namedTags } from "./namedTags.ts";
import { parseShaped } from "./parseShaped.ts";

/** What an operator wants to be forgotten. */
export interface Purge {
  /** Absent where it goes without saying. */
  origin: string | undefined;
  tags: string[];
  hard: boolean;
}

const shape = z.strictObject({
  origin: name.optional(),
  tags: z.array(name).max(100, "at most 100 tags").optional(),
  tool: name.optional(),
  resource: name.optional(),
  hard: z.boolean().optional(),
});

/** Reads the body of a purge; what is wrong with it is said as a text. An origin without anything of it is all of it. */
export function parsePurge(body: string): Purge | { detail: string } {
  const parsed = parseShaped(shape, body);
  if ("detail" in parsed) return parsed;
  const { origin, tags, tool, resource, hard = false } = parsed.data;
  const one = (given: string | undefined) => (given === undefined ? [] : [given]);
  const named = namedTags({ tags, tools: one(tool), resources: one(resource) });
  if (named.length > 0) return { origin, tags: named, hard };
  if (origin === undefined || tags) return { detail: "it names no tag, tool, resource or origin" };
  return { origin, tags: [ORIGIN_TAG], hard };
}
