import { impersonal } from "../config/originAuth.ts";
import type { OriginSettings } from "../config/replica.ts";
import { newId } from "../telemetry/newId.ts";
import type { Bindings } from "./callOrigin.ts";
import { closeSession, postInSession } from "./inSession.ts";
import { openSession } from "./openSession.ts";
import type { PooledSession, PoolReply, PoolRequest } from "./PooledSession.ts";

/** A session is closed when no call has needed it for this long, and for as long as a call may keep silent. */
const IDLE_MS = 300_000;
/** What is written down of its use is as much too early at most. */
const WRITE_EVERY_MS = 30_000;
/** Closed in one go. */
const CLOSED_AT_ONCE = 32;

/** What the pool needs to know. */
export interface PoolTools {
  storage: DurableObjectStorage;
  /** Called when there is something to close. */
  arm: () => Promise<void>;
  bindings: Bindings;
  /** Epoch ms. */
  now: () => number;
}

interface Row extends Record<string, SqlStorageValue> {
  name: string;
  serial: string;
  id: string;
  version: string;
  closesAt: number;
  origin: string;
}

/**
 * The sessions that the replica has opened at one origin by itself: one for each principal, so that no two meet in one.
 * Of those who ask for one that is not there, one opens it and all wait.
 */
export class SessionPool {
  readonly #tools: PoolTools;
  readonly #opening = new Map<string, Promise<PoolReply>>();

  constructor(tools: PoolTools) {
    this.#tools = tools;
    tools.storage.sql.exec(
      `CREATE TABLE IF NOT EXISTS pooled_session
        (name TEXT PRIMARY KEY, serial TEXT NOT NULL, id TEXT NOT NULL, version TEXT NOT NULL, closes_at INTEGER NOT NULL, origin TEXT NOT NULL)
        STRICT`,
    );
    // When the next is to be closed is looked up often.
    tools.storage.sql.exec("CREATE INDEX IF NOT EXISTS pooled_session_closes_at ON pooled_session (closes_at)");
  }

  /** The session of the principal: the one that is open, unless that is the one that is over; else a new one. */
  async find(request: PoolRequest): Promise<PoolReply> {
    const { name, over, origin } = request;
    const row = this.#row(name);
    if (row && row.serial !== over?.serial) {
      this.#used(row, origin);
      return { session: sessionOf(row) };
    }
    let opening = this.#opening.get(name);
    if (!opening) {
      opening = this.#open(request, row).finally(() => this.#opening.delete(name));
      this.#opening.set(name, opening);
    }
    return opening;
  }

  /** When there is something to close, epoch ms; `undefined` where nothing is open. */
  dueAt(): number | undefined {
    const { at } = this.#tools.storage.sql
      .exec<{ at: number | null }>("SELECT min(closes_at) AS at FROM pooled_session")
      .one();
    return at ?? undefined;
  }

  /** Closes what nobody has used for long. */
  async run(): Promise<void> {
    const { storage, bindings, now } = this.#tools;
    const idle = storage.sql
      .exec<Row>(`${SELECT} WHERE closes_at <= ? ORDER BY closes_at LIMIT ?`, now(), CLOSED_AT_ONCE)
      .toArray();
    // First they are not there any more: nobody is given one that is being closed.
    for (const { name } of idle) storage.sql.exec("DELETE FROM pooled_session WHERE name = ?", name);
    await Promise.all(
      idle.map((row) => closeSession(JSON.parse(row.origin) as OriginSettings, bindings, sessionOf(row))),
    );
  }

  async #open({ name, over, origin }: PoolRequest, row: Row | undefined): Promise<PoolReply> {
    const { storage, bindings, now } = this.#tools;
    if (row && over?.isDoubtful && (await this.#goesOn(row, origin))) return { session: sessionOf(row) };
    const reply = await openSession(origin, bindings);
    storage.sql.exec("DELETE FROM pooled_session WHERE name = ?", name);
    if ("failure" in reply || reply.session.id === undefined) return reply;
    const { serial, id, version } = reply.session;
    const closesAt = now() + idleMs(origin);
    storage.sql.exec(
      "INSERT INTO pooled_session (name, serial, id, version, closes_at, origin) VALUES (?, ?, ?, ?, ?, ?)",
      name,
      serial,
      id,
      version,
      closesAt,
      JSON.stringify(impersonal(origin)),
    );
    await this.#tools.arm();
    return reply;
  }

  /** Whether a session is alive after all. Where the origin cannot say, nothing says that it is not. */
  async #goesOn(row: Row, origin: OriginSettings): Promise<boolean> {
    const ping = JSON.stringify({ jsonrpc: "2.0", id: `edge-replica-${newId()}`, method: "ping" });
    const called = await postInSession(origin, this.#tools.bindings, sessionOf(row), ping);
    if ("failure" in called) return true;
    await called.response.body?.cancel().catch(() => {});
    return called.response.status !== 404 && called.response.status !== 400;
  }

  #row(name: string): Row | undefined {
    return this.#tools.storage.sql.exec<Row>(`${SELECT} WHERE name = ?`, name).toArray()[0];
  }

  #used({ name, closesAt }: Row, origin: OriginSettings): void {
    const later = this.#tools.now() + idleMs(origin);
    if (later - closesAt < WRITE_EVERY_MS) return;
    this.#tools.storage.sql.exec("UPDATE pooled_session SET closes_at = ? WHERE name = ?", later, name);
  }
}

const SELECT = "SELECT name, serial, id, version, closes_at AS closesAt, origin FROM pooled_session";

function sessionOf({ serial, id, version }: Row): PooledSession {
  return { serial, id, version };
}

function idleMs({ firstByteMs, totalMs }: OriginSettings): number {
  return IDLE_MS + Math.max(firstByteMs, totalMs);
}

/** The pool of a Durable Object. */
export function openPool({ storage }: DurableObjectState, env: Cloudflare.Env, arm: () => Promise<void>): SessionPool {
  return new SessionPool({ storage, arm, bindings: env as unknown as Bindings, now: Date.now });
}
