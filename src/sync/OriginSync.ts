import { DurableObject } from "cloudflare:workers";
import type { Bindings } from "../origin/callOrigin.ts";
import type { PoolReply, PoolRequest } from "../origin/PooledSession.ts";
import { endingOf } from "../origin/endingOf.ts";
import { probeOrigin } from "../origin/probeOrigin.ts";
import { openPool } from "../origin/SessionPool.ts";
import { consoleReporter } from "../telemetry/consoleReporter.ts";
import { reasonOf } from "../telemetry/events.ts";
import { Alarm, type Duty } from "./Alarm.ts";
import { Announcements } from "./Announcements.ts";
import { Deliveries, type Delivery, type DeliveryReply } from "./Deliveries.ts";
import type { How, Since } from "./Feed.ts";
import { KeptFeed } from "./KeptFeed.ts";
import { KeptHealth } from "./KeptHealth.ts";
import { KeptTotals } from "./KeptTotals.ts";
import type { OriginTotals } from "./OriginTotals.ts";
import type { AnnounceReply, Announcement, Conclusion, PulseReply, PulseRequest } from "./Pulse.ts";

/**
 * What all isolates have to agree on for one origin: what was invalidated, which writes are under way, how it is, what
 * they have counted, the key that seals its session ids, which of its sessions have ended, and the sessions that the replica has opened for those
 * who open none.
 */
export class OriginSync extends DurableObject<Cloudflare.Env> {
  readonly #pool = openPool(this.ctx, this.env, () => this.#alarm.arm());
  readonly #feed = new KeptFeed(this.ctx.storage.sql, () => crypto.randomUUID());
  readonly #health = new KeptHealth({
    sql: this.ctx.storage.sql,
    now: Date.now,
    random: Math.random,
    probe: async (origin, isLegacy) =>
      endingOf(await probeOrigin(origin, this.env as unknown as Bindings, { isLegacy })),
  });
  readonly #totals = new KeptTotals(this.ctx.storage.sql, Date.now());
  readonly #deliveries = new Deliveries(this.ctx.storage.sql);
  readonly #writes = new Announcements(this.ctx.storage.sql);
  readonly #lapses: Duty = { dueAt: () => this.#writes.dueAt(), run: async () => this.#lapse() };
  readonly #duties = [this.#pool, this.#lapses, this.#health, this.#totals];
  readonly #alarm = new Alarm(this.ctx.storage, this.#duties, Date.now, (error) =>
    consoleReporter(this.env.REPLICA_LOG)({ type: "duty-failed", reason: reasonOf(error) }),
  );

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    const { sql } = ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS secret (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT");
    sql.exec("CREATE TABLE IF NOT EXISTS ended_session (name TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT");
    // Each end looks for those that need not be remembered any more: not among all that are.
    sql.exec("CREATE INDEX IF NOT EXISTS ended_session_until ON ended_session (until)");
    // Whatever ended the object before, what is due is done.
    void ctx.blockConcurrencyWhile(() => this.#alarm.arm());
  }

  /** Invalidates tags. What has changed since what the caller knows of the feed, with that. */
  async invalidate(tags: readonly string[], how: How, since: Since): Promise<PulseReply> {
    this.#feed.invalidate(tags, how, Date.now());
    return this.#reply(since);
  }

  /** Heeds a delivery of the origin's webhook, once: what has changed since what the caller knows of the feed, with that. */
  async deliver(delivery: Delivery, since: Since): Promise<DeliveryReply> {
    const now = Date.now();
    const { tags, hard } = delivery;
    // One that could not be heeded may come again.
    const taken = this.ctx.storage.transactionSync(() => {
      const done = this.#deliveries.take(delivery, now);
      if (done.taken === "new") this.#feed.invalidate(tags, { hard }, now);
      return done;
    });
    return { ...this.#reply(since), delivery: taken };
  }

  /** Takes in what an isolate has to say, and tells it what has changed since what it knows of the feed. */
  async pulse(request: PulseRequest): Promise<PulseReply> {
    this.#health.pulsed(request);
    this.#totals.pulse(request, Date.now());
    await this.#alarm.arm();
    return this.#reply(request);
  }

  /** What is known of the origin, with what the asking isolate has counted and not told yet. */
  async totals(asking: Pick<PulseRequest, "isolate" | "tally">): Promise<OriginTotals> {
    return {
      ...this.#totals.show(asking, Date.now()),
      feed: this.#feed.position,
      health: this.#health.health(),
    };
  }

  /** Notes that a write is about to be sent, or goes on. */
  async announce({ id, tags, lapseMs }: Announcement, since: Since): Promise<AnnounceReply> {
    const isAnnounced = this.#writes.announce(id, tags, Date.now() + lapseMs);
    await this.#alarm.arm();
    return { ...this.#reply(since), isAnnounced };
  }

  /** Notes that a write has ended, and invalidates what it has changed: at once, so that nobody sees one without the other. */
  async conclude({ id, tags, isApplied }: Conclusion, since: Since): Promise<PulseReply> {
    // Also where the announcement has lapsed before: since then somebody may have kept what was true before the write.
    if (isApplied) this.#feed.invalidate(tags, {}, Date.now());
    this.#writes.conclude(id);
    return this.#reply(since);
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

  /** Does what is due. */
  override async alarm(): Promise<void> {
    await this.#alarm.goOff();
  }

  #lapse(): void {
    this.#feed.invalidate(this.#writes.lapse(Date.now()), {}, Date.now());
  }

  #reply(since: Since): PulseReply {
    // An alarm may come late.
    this.#lapse();
    return { ...this.#feed.since(since), announced: this.#writes.tags, health: this.#health.published() };
  }
}
