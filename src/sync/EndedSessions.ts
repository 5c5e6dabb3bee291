/** The sessions that have ended, in the storage of a Durable Object, as long as their ids would be valid. Times are epoch ms. */
export class EndedSessions {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec("CREATE TABLE IF NOT EXISTS ended_session (name TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT");
    // Each end looks for those that need not be remembered any more: not among all that are.
    sql.exec("CREATE INDEX IF NOT EXISTS ended_session_until ON ended_session (until)");
  }

  /** Notes that one has ended, and forgets those whose ids are not valid any more. */
  add(name: string, until: number, now: number): void {
    this.#sql.exec("DELETE FROM ended_session WHERE until < ?", now);
    this.#sql.exec("INSERT OR REPLACE INTO ended_session (name, until) VALUES (?, ?)", name, until);
  }

  /** Whether one has ended. */
  has(name: string): boolean {
    return this.#sql.exec("SELECT 1 FROM ended_session WHERE name = ?", name).toArray().length > 0;
  }
}
