import { DurableObject } from "cloudflare:workers";
import type { PoolReply, PoolRequest } from "../origin/PooledSession.ts";
import { openPool } from "../origin/SessionPool.ts";

/**
 * What all isolates have to agree on for one origin: the key that seals its session ids, which of its sessions have
 * ended, and the sessions that the replica has opened for those who open none.
 */
export class OriginSync extends DurableObject<Cloudflare.Env> {
  readonly #pool = openPool(this.ctx, this.env);

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    const { sql } = ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT");
    sql.exec("CREATE TABLE IF NOT EXISTS ended_session (name TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT");
    // Each end looks for those that need not be remembered any more: not among all that are.
    sql.exec("CREATE INDEX IF NOT EXISTS ended_session_until ON ended_session (until)");
  }

  /** The key that seals session ids: 32 bytes in base64, made at the first asking. */
  async sealKey(): Promise<string> {
    const { sql } = this.ctx.storage;
    const made = crypto.getRandomValues(new Uint8Array(32)).toBase64();
    sql.exec("INSERT OR IGNORE INTO secret (name, value) VALUES ('seal', ?)", made);
    return sql.exec<{ value: string }>("SELECT value FROM secret WHERE name = 'seal'").one().value;
  }

  /** Notes that a session has ended, until its id would not be valid any more. Times are epoch ms. */
  async endSession(name: string, until: number, now: number): Promise<void> {
    const { sql } = this.ctx.storage;
    sql.exec("DELETE FROM ended_session WHERE until < ?", now);
    sql.exec("INSERT OR REPLACE INTO ended_session (name, until) VALUES (?, ?)", name, until);
  }

  /** Whether a session has ended. */
  async hasEnded(name: string): Promise<boolean> {
    const { sql } = this.ctx.storage;
    return sql.exec("SELECT 1 FROM ended_session WHERE name = ?", name).toArray().length > 0;
  }

  /** The session in which a principal's modern calls are made, opened where there is none. */
  async pooledSession(request: PoolRequest): Promise<PoolReply> {
    return this.#pool.find(request);
  }

  /** Closes the sessions that nobody uses any more. */
  override async alarm(): Promise<void> {
    const next = await this.#pool.closeIdle();
    if (next !== undefined) await this.ctx.storage.setAlarm(next);
  }
}
