import { isObject } from "../isObject.ts";

/** Which rules of the drafts differ: how arrays are described, and whether `$ref` hides what stands beside it. */
export type Dialect = "2020-12" | "2019-09" | "draft-07";

/** The dialects that are read, by what `$schema` says of them. */
const DIALECTS: ReadonlyMap<string, Dialect> = new Map([
  ["json-schema.org/draft/2020-12/schema", "2020-12"],
  ["json-schema.org/draft/2019-09/schema", "2019-09"],
  ["json-schema.org/draft-07/schema", "draft-07"],
]);

/** The dialect of a schema: 2020-12 where it names none (server/tools); `undefined` where nobody here reads it. */
export function dialectOf(schema: unknown): Dialect | undefined {
  const named = isObject(schema) ? schema["$schema"] : undefined;
  if (named === undefined) return "2020-12";
  return typeof named === "string" ? DIALECTS.get(named.replace(/^https?:\/\//, "").replace(/#$/, "")) : undefined;
}
