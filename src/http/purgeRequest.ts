import * as z from "zod";
import { cut, ORIGIN_TAG, resourceTag, toolTag } from "../cache/implicitTags.ts";

/** What an operator wants to be forgotten. */
export interface Purge {
  /** Absent where it goes without saying. */
  origin: string | undefined;
  tags: string[];
  hard: boolean;
}

const name = z.string().min(1, "a name").max(8_192, "a name of at most 8192 characters");
const shape = z.strictObject({
  origin: name.optional(),
  tags: z.array(name).max(100, "at most 100 tags").optional(),
  tool: name.optional(),
  resource: name.optional(),
  hard: z.boolean().optional(),
});

/** Reads the body of a purge; what is wrong with it is said as a text. An origin without anything of it is all of it. */
export function parsePurge(body: string): Purge | { detail: string } {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { detail: "the body is not JSON" };
  }
  const parsed = shape.safeParse(value);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    return { detail: `${path.join(".") || "the body"}: ${message}` };
  }
  const { origin, tags = [], tool, resource, hard = false } = parsed.data;
  const named = [
    ...tags.map(cut),
    ...(tool === undefined ? [] : [toolTag(tool)]),
    ...(resource === undefined ? [] : [resourceTag(resource)]),
  ];
  if (named.length > 0) return { origin, tags: named, hard };
  if (origin === undefined || parsed.data.tags) return { detail: "it names no tag, tool, resource or origin" };
  return { origin, tags: [ORIGIN_TAG], hard };
}
