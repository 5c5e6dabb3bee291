import { TO_MIGRATE } from "../mirror/toMigrate.ts";

/** What keeps the database from holding what is mirrored, and what to do; `undefined` where its tables are there. */
export async function unmigrated(db: D1Database): Promise<string | undefined> {
  try {
    await db.prepare("SELECT 1 FROM mirror LIMIT 1").first();
    return undefined;
  } catch (error) {
    return String(error).includes("no such table")
      ? `The database DB has not the replica's tables: nothing is mirrored. ${TO_MIGRATE}`
      : "The database DB does not answer: the origins are asked for what is mirrored.";
  }
}
