import { isObject } from "../mcp/isObject.ts";

/** The input schemas that were stored with what is mirrored. */
export interface StoredSchemas {
  /** Changes with them. */
  hash: string;
  /** By tool. */
  of: ReadonlyMap<string, unknown>;
}

/** Reads the input schemas of the tools that a mirror answers; `"none"` where it has never been pulled. */
export async function readSchemas(db: D1Database, name: string): Promise<StoredSchemas | "none"> {
  const row = await db
    .withSession("first-unconstrained")
    .prepare("SELECT schemas, schemas_hash AS hash FROM mirror WHERE name = ?1 AND version > 0")
    .bind(name)
    .first<{ schemas: string; hash: string }>();
  if (!row) return "none";
  const schemas: unknown = JSON.parse(row.schemas);
  return { hash: row.hash, of: new Map(isObject(schemas) ? Object.entries(schemas) : []) };
}
