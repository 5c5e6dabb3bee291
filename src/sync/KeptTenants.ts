/** So many worlds of tenants an origin has at most: what concerns all is told to each. */
const MAX_TENANTS = 1_000;

/** Noted in place of those for whom there was no room. No world is called so. */
const OTHERS = "";

/**
 * The worlds of an origin's tenants, in the storage of its own `OriginSync`, by the ids that the origin has there. In
 * that of a tenant it is its own id alone: that the other knows of it.
 */
export class KeptTenants {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec("CREATE TABLE IF NOT EXISTS tenant (id TEXT PRIMARY KEY) STRICT");
  }

  /** In no order. */
  get ids(): string[] {
    return this.#sql
      .exec<{ id: string }>("SELECT id FROM tenant WHERE id <> ?", OTHERS)
      .toArray()
      .map(({ id }) => id);
  }

  /** Whether there was room for all. */
  get areAll(): boolean {
    return !this.has(OTHERS);
  }

  has(id: string): boolean {
    return this.#sql.exec("SELECT 1 FROM tenant WHERE id = ?", id).toArray().length > 0;
  }

  /** Notes one. False where there are too many. */
  note(id: string): boolean {
    if (this.has(id)) return true;
    const isFull = this.ids.length >= MAX_TENANTS;
    this.#sql.exec("INSERT OR IGNORE INTO tenant (id) VALUES (?)", isFull ? OTHERS : id);
    return !isFull;
  }
}
