import type { Drawer } from "../origin/OwnToken.ts";

/** A place for one secret in the storage of a Durable Object. */
export function secretDrawer(sql: SqlStorage, name: string): Drawer {
  sql.exec("CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT");
  return {
    read: () => sql.exec<{ value: string }>("SELECT value FROM secret WHERE name = ?", name).toArray()[0]?.value,
    write: (value) => void sql.exec("INSERT OR REPLACE INTO secret (name, value) VALUES (?, ?)", name, value),
  };
}
