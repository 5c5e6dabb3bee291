import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../migrations", import.meta.url));

/** What scripts and tests use of a local D1. */
export interface LocalD1 {
  prepare(sql: string): LocalStatement;
  batch(statements: LocalStatement[]): Promise<unknown>;
}

/** A statement of it. */
export interface LocalStatement {
  bind(...values: unknown[]): LocalStatement;
  all(): Promise<{ results: Record<string, unknown>[]; meta: { rows_read: number; rows_written: number } }>;
  run(): Promise<unknown>;
}

/** The migrations in their order: each file's name, and its statements. */
export function readMigrations(): { name: string; queries: string[] }[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith(".sql"))
    .sort()
    .map((name) => {
      const text = readFileSync(path.join(FOLDER, name), "utf8").replace(/^\s*--.*$/gm, "");
      const queries = text.split(/;\s*$/m).map((query) => query.trim());
      return { name, queries: queries.filter((query) => query !== "") };
    });
}

/** Applies what was not applied yet, and notes it where wrangler does. */
export async function applyMigrations(db: LocalD1): Promise<void> {
  await db
    .prepare(
      "CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
    )
    .run();
  const { results } = await db.prepare("SELECT name FROM d1_migrations").all();
  const applied = new Set(results.map(({ name }) => name));
  for (const { name, queries } of readMigrations()) {
    if (applied.has(name)) continue;
    const noted = db.prepare("INSERT INTO d1_migrations (name) VALUES (?1)").bind(name);
    await db.batch([...queries.map((query) => db.prepare(query)), noted]);
  }
}
