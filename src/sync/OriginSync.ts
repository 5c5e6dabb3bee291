import { DurableObject } from "cloudflare:workers";
import { listTag } from "../cache/implicitTags.ts";
import type { OwnTokenAuth } from "../config/originAuth.ts";
import { askToken } from "../origin/askToken.ts";
import { isOfTenant, ownId } from "../config/tenant.ts";
import { mirrorObject } from "../origin/mirrorObject.ts";
import type { Bindings } from "../origin/callOrigin.ts";
import { OwnToken, type TokenReply } from "../origin/OwnToken.ts";
import type { PoolReply, PoolRequest } from "../origin/PooledSession.ts";
import { endingOf } from "../origin/endingOf.ts";
import { originSync } from "../origin/originSync.ts";
import { probeOrigin } from "../origin/probeOrigin.ts";
import { operationTag } from "../outbox/operationId.ts";
import { openPool } from "../origin/SessionPool.ts";
import { consoleReporter } from "../telemetry/consoleReporter.ts";
import { reasonOf } from "../telemetry/events.ts";
import { newId } from "../telemetry/newId.ts";
import { Alarm, type Duty } from "./Alarm.ts";
import { Announcements } from "./Announcements.ts";
import { Deliveries, type Delivery, type DeliveryReply } from "./Deliveries.ts";
import { EndedSessions } from "./EndedSessions.ts";
import type { How, Since } from "./Feed.ts";
import type { Health } from "./Health.ts";
import { KeptFeed } from "./KeptFeed.ts";
import { KeptHealth } from "./KeptHealth.ts";
import { KeptTenants } from "./KeptTenants.ts";
import { KeptTellings } from "./KeptTellings.ts";
import { KeptTotals } from "./KeptTotals.ts";
import { Mirrors } from "./Mirrors.ts";
import type { MirrorNews, MirrorWord } from "./MirrorWord.ts";
import type { OriginTotals } from "./OriginTotals.ts";
import type { OutboxNews, OutboxWord } from "./OutboxWord.ts";
import { pause } from "./pause.ts";
import { PendingWrites } from "./PendingWrites.ts";
import type { AnnounceReply, Announcement, Conclusion, PulseReply, PulseRequest } from "./Pulse.ts";
import { Pokes } from "./Pokes.ts";
import type { Sighting, SightReply } from "./Sighting.ts";
import { PullPlaces } from "./PullPlaces.ts";
import { secretDrawer } from "./secretDrawer.ts";
import { Tellings } from "./Tellings.ts";
import { UpstreamListening } from "./UpstreamListening.ts";

/**
 * What all isolates have to agree on for one origin: what was invalidated, which writes are under way, what listeners
 * have been told, how the origin is, what was counted, the key that seals its session ids, which of its sessions have
 * ended, the sessions that the replica has opened for those who open none, and its own token. Each tenant's world has one
 * of its own, which the origin's own knows of. Holds the one stream on which the origin
 * tells of changes, and has the mirrors of the origin look when there is news for them.
 */
export class OriginSync extends DurableObject<Cloudflare.Env> {
  readonly #failed = (error: unknown) =>
    consoleReporter(this.env.REPLICA_LOG)({ type: "duty-failed", reason: reasonOf(error) });
  readonly #pool = openPool(this.ctx, this.env, () => this.#alarm.arm());
  readonly #mirrors = new Mirrors(this.ctx.storage.sql);
  readonly #pokes = new Pokes({
    mirrors: this.#mirrors,
    look: ({ name, region }) => mirrorObject(this.env, name, region).changed(),
    waitUntil: (work) => this.ctx.waitUntil(work),
    failed: this.#failed,
  });
  readonly #places = new PullPlaces();
  readonly #feed = new KeptFeed(
    this.ctx.storage.sql,
    () => crypto.randomUUID(),
    (tags) => this.#pokes.poke(tags),
  );
  readonly #writes = new Announcements(this.ctx.storage.sql);
  readonly #pending = new PendingWrites(this.ctx.storage.sql);
  readonly #ended = new EndedSessions(this.ctx.storage.sql);
  readonly #lapses: Duty = { dueAt: () => this.#writes.dueAt(), run: async () => this.#lapse() };
  readonly #health = new KeptHealth({
    sql: this.ctx.storage.sql,
    now: Date.now,
    random: Math.random,
    probe: async (origin, isLegacy) =>
      endingOf(await probeOrigin(origin, this.env as unknown as Bindings, { isLegacy })),
  });
  readonly #token = new OwnToken({
    drawer: secretDrawer(this.ctx.storage.sql, "token"),
    bindings: this.env as unknown as Bindings,
    ask: askToken,
    now: Date.now,
    random: Math.random,
    waitUntil: (work) => this.ctx.waitUntil(work),
    failed: (reason) =>
      consoleReporter(this.env.REPLICA_LOG)({ type: "token-failed", origin: this.ctx.id.name ?? "-", reason }),
  });
  readonly #totals = new KeptTotals(this.ctx.storage.sql, Date.now());
  readonly #deliveries = new Deliveries(this.ctx.storage.sql);
  readonly #kept = new KeptTellings(this.ctx.storage.sql);
  readonly #tellings = new Tellings(this.#feed, this.#kept);
  readonly #listening = new UpstreamListening({
    sql: this.ctx.storage.sql,
    bindings: this.env as unknown as Bindings,
    pool: (request) => this.#pool.find(request),
    invalidate: (tags, how) => this.#feed.invalidate(tags, how, Date.now()),
    arm: () => void this.#alarm.arm().catch(this.#failed),
    failed: this.#failed,
    newId,
    now: Date.now,
    random: Math.random,
    pause,
  });
  readonly #tenants = new KeptTenants(this.ctx.storage.sql);
  /** The name of a tenant's object that the origin's own does not know of yet. */
  #unknownAs: string | undefined;
  readonly #alarm = new Alarm(
    this.ctx.storage,
    [this.#pool, this.#lapses, this.#health, this.#totals, this.#listening],
    Date.now,
    this.#failed,
  );

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    // Whom an alarm wakes may not be told its name; it was armed after this.
    const { name } = ctx.id;
    if (name !== undefined && isOfTenant(name) && !this.#tenants.has(name)) this.#unknownAs = name;
    // Whatever ended the object before, what is due is done.
    void ctx.blockConcurrencyWhile(() => this.#alarm.arm());
  }

  /** Notes a tenant's world of this origin, by the id that it has there: what concerns all tenants is told there, too. False where there are too many. */
  async register(id: string): Promise<boolean> {
    return this.#tenants.note(id);
  }

  /** The tenants' worlds of this origin, and whether these are all that there have been. */
  async tenants(): Promise<{ ids: string[]; areAll: boolean }> {
    const { ids, areAll } = this.#tenants;
    return { ids, areAll };
  }

  /** Invalidates tags. What has changed since what the caller knows of the feed, with that. */
  async invalidate(tags: readonly string[], how: How, since: Since): Promise<PulseReply> {
    if (this.#unknownAs) await this.#register(this.#unknownAs);
    this.#feed.invalidate(tags, how, Date.now());
    return this.#reply(since);
  }

  /** Heeds a delivery of the origin's webhook, once: what has changed since what the caller knows of the feed, with that. */
  async deliver(delivery: Delivery, since: Since): Promise<DeliveryReply> {
    if (this.#unknownAs) await this.#register(this.#unknownAs);
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
    if (this.#unknownAs) await this.#register(this.#unknownAs);
    // What is counted, and how calls end, is told in the origin's own world.
    if (!isOfTenant(request.origin.id)) {
      this.#health.pulsed(request);
      this.#totals.pulse(request, Date.now());
    }
    this.#listening.pulsed(request);
    await this.#alarm.arm();
    const { uris = [], isAwaited = false } = request.interest ?? {};
    if (isAwaited) await this.#listening.settled(uris);
    const coveredSince = this.#listening.coveredSince(uris);
    return { ...this.#reply(request), ...(coveredSince !== undefined && { coveredSince }) };
  }

  /** Takes in what an isolate saw change, so that listeners everywhere are told of it, once. */
  async sight(sightings: readonly Sighting[], since: Since): Promise<SightReply> {
    if (this.#unknownAs) await this.#register(this.#unknownAs);
    const now = Date.now();
    const toldAt = sightings.map((sighting) => {
      const { tag, principal, isListened, tools } = sighting;
      // Of everybody's lists all are told; of the rest only what somebody listens to: it may change with each look.
      const isList = tag.startsWith(listTag(""));
      if (!isListened && !this.#listening.interests.has(tag) && !(isList && principal === undefined)) {
        if (tools) this.#kept.noteTools(tools, now);
        return 0;
      }
      const taken = this.#tellings.take(sighting, now);
      if (tools && taken.isNews) this.#kept.noteTools(tools, now);
      return taken.toldAt;
    });
    return { ...this.#reply(since), toldAt };
  }

  /** Notes that a write is about to be sent, or goes on. */
  async announce({ id, tags, lapseMs }: Announcement, since: Since): Promise<AnnounceReply> {
    if (this.#unknownAs) await this.#register(this.#unknownAs);
    const isAnnounced = this.#writes.announce(id, tags, Date.now() + lapseMs);
    await this.#alarm.arm();
    return { ...this.#reply(since), isAnnounced };
  }

  /** Notes that a write has ended, and invalidates what it has changed: at once, so that nobody sees one without the other. */
  async conclude({ id, tags, isApplied }: Conclusion, since: Since): Promise<PulseReply> {
    if (this.#unknownAs) await this.#register(this.#unknownAs);
    // Also where the announcement has lapsed before: since then somebody may have kept what was true before the write.
    if (isApplied) this.#feed.invalidate(tags, {}, Date.now());
    this.#writes.conclude(id);
    return this.#reply(since);
  }

  /**
   * Takes in what the outbox has to say, all at once, so that nobody sees one without the other: which writes are about to
   * be sent, which are over, and which wait. Those who listen to an operation are told of it.
   */
  async outbox({ origin, announce, conclude, pending, changed, outcomes, ...since }: OutboxWord): Promise<OutboxNews> {
    if (this.#unknownAs) await this.#register(this.#unknownAs);
    const now = Date.now();
    // Of one that is sent again the end of the last time comes first.
    const applied = conclude.filter(({ isApplied }) => isApplied).flatMap(({ tags }) => tags);
    this.#feed.invalidate(applied, {}, now);
    for (const { id } of conclude) this.#writes.conclude(id);
    this.#feed.invalidate(changed.map(operationTag), { told: true }, now);
    if (pending) this.#pending.replace(pending);
    const announced = announce.filter(({ id, tags, lapseMs }) => this.#writes.announce(id, tags, now + lapseMs));
    const health = await this.#healthAfter({ origin, ...(outcomes && { outcomes }) });
    await this.#alarm.arm();
    // Which writes wait, it has said itself.
    const { health: _, pending: __, ...reply } = this.#reply(since);
    return { ...reply, ...(health && { health }), isAnnounced: announced.map(({ id }) => id) };
  }

  /** Takes in how calls that were made in a tenant's world have ended; how the origin is. */
  async healthAfter(word: Pick<OutboxWord, "origin" | "outcomes">): Promise<Health> {
    this.#health.pulsed(word);
    await this.#alarm.arm();
    return this.#health.published();
  }

  /** Takes in what a mirror has to say, and tells it what has changed since what it knows of the feed, and how the origin is. */
  async mirror({
    place,
    concerns,
    origin,
    outcomes,
    interest: wanted,
    wantsPlace,
    ...since
  }: MirrorWord): Promise<MirrorNews> {
    const now = Date.now();
    this.#mirrors.note(place, concerns, now);
    const hasPlace = wantsPlace && this.#places.take(place.name, origin.concurrency, now);
    if (!wantsPlace) this.#places.leave(place.name);
    // A mirror has its eras from isolates, some time ago: what they have said since stands.
    const interest = wanted && { ...wanted, ...this.#listening.interests.eras };
    this.#health.pulsed({ origin, ...(interest && { interest }), ...(outcomes && { outcomes }) });
    if (interest) this.#listening.pulsed({ ...since, isolate: `mirror ${place.name}`, origin, interest });
    await this.#alarm.arm();
    // An alarm may come late.
    this.#lapse();
    return { ...this.#feed.since(since), health: this.#health.published(), hasPlace };
  }

  /** What is known of the origin, with what the asking isolate has counted and not told yet. */
  async totals(asking: Pick<PulseRequest, "isolate" | "tally">): Promise<OriginTotals> {
    return {
      ...this.#totals.show(asking, Date.now()),
      feed: this.#feed.position,
      health: this.#health.health(),
      listen: this.#listening.status(),
      toolChanges: this.#kept.toolChanges(),
    };
  }

  /** The key that seals session ids: 32 bytes in base64, made at the first asking. */
  async sealKey(): Promise<string> {
    const drawer = secretDrawer(this.ctx.storage.sql, "seal");
    const known = drawer.read();
    if (known !== undefined) return known;
    const made = crypto.getRandomValues(new Uint8Array(32)).toBase64();
    drawer.write(made);
    return made;
  }

  /** Notes that a session has ended, until its id would not be valid any more. Times are epoch ms. */
  async endSession(name: string, until: number, now: number): Promise<void> {
    this.#ended.add(name, until, now);
  }

  /** Whether a session has ended. */
  async hasEnded(name: string): Promise<boolean> {
    return this.#ended.has(name);
  }

  /** The session in which a principal's modern calls are made, opened where there is none. */
  async pooledSession(request: PoolRequest): Promise<PoolReply> {
    return this.#pool.find(request);
  }

  /** The replica's own token at the origin; `refused` is one that the origin has refused. */
  async ownToken(auth: OwnTokenAuth, refused?: string): Promise<TokenReply> {
    return this.#token.find(auth, refused);
  }

  /** Does what is due. */
  override async alarm(): Promise<void> {
    await this.#alarm.goOff();
  }

  /** Makes this object, which is a tenant's, known to the origin's own: before it says anything to anybody. */
  async #register(id: string): Promise<void> {
    const isNoted = await originSync(this.env, { id: ownId(id), region: undefined }).register(id);
    if (!isNoted) throw new Error("the origin has as many tenants as it can have");
    this.#tenants.note(id);
    this.#unknownAs = undefined;
  }

  /** The same, wherever the calls were made: how the origin is, is the matter of its own world. `undefined` where that cannot be asked. */
  async #healthAfter(word: Pick<OutboxWord, "origin" | "outcomes">): Promise<Health | undefined> {
    const { origin } = word;
    if (!isOfTenant(origin.id)) return this.healthAfter(word);
    const own = { ...word, origin: { ...origin, id: ownId(origin.id) } };
    try {
      return await originSync(this.env, own.origin).healthAfter(own);
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  #lapse(): void {
    this.#feed.invalidate(this.#writes.lapse(Date.now()), {}, Date.now());
  }

  #reply(since: Since): PulseReply {
    // An alarm may come late.
    this.#lapse();
    const { listened } = this.#listening.interests;
    const { counts: pending } = this.#pending;
    return {
      ...this.#feed.since(since),
      announced: this.#writes.tags,
      health: this.#health.published(),
      ...(listened && { listened }),
      ...(pending && { pending }),
    };
  }
}
