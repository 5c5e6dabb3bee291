import { reasonOf, type Reporter } from "../telemetry/events.ts";
import type { Duty } from "../sync/Alarm.ts";
import type { MirrorNews, MirrorWord } from "../sync/MirrorWord.ts";
import { concernsOf, suspectsOf, type Suspect } from "./concerns.ts";
import { CountedSource } from "./CountedSource.ts";
import { KeptMirror, type Kept } from "./KeptMirror.ts";
import type { MirrorSetup } from "./MirrorSetup.ts";
import type { MirrorStatus } from "./MirrorStatus.ts";
import type { MirrorStore } from "./MirrorStore.ts";
import { Pull, STEP } from "./Pull.ts";
import { progressOf, type PullStep } from "./PullState.ts";
import { askAgain } from "./askAgain.ts";
import { Refreshes, type Refresh } from "./Refreshes.ts";
import { collectableAt, noteReplaced } from "./Replaced.ts";
import { Schedule } from "./Schedule.ts";
import { Seen } from "./Seen.ts";
import type { NoPage, Source } from "./Source.ts";
import { afterPull, noteStopped, NOTHING_VERIFIED, takeVerdicts, type Verdict } from "./Verified.ts";

/** What keeping a mirror needs. Clock and chance are passed in. */
export interface KeeperTools {
  storage: Pick<DurableObjectStorage, "sql" | "transactionSync">;
  storeOf: (name: string, setup: MirrorSetup) => MirrorStore;
  sourceOf: (setup: MirrorSetup) => Source;
  /** The input schemas of the tools that are answered from it: JSON by name, and a digest of that. */
  schemasOf: (setup: MirrorSetup) => Promise<{ json: string; hash: string } | NoPage>;
  /** The resources that some of its rows came from. */
  urisOf: (name: string, most: number) => Promise<string[]>;
  /** The resource that a row came from, by its key. */
  uriOf: (name: string, key: string) => Promise<string | undefined>;
  /** Says something to the origin's `OriginSync`. */
  tell: (word: MirrorWord) => Promise<MirrorNews>;
  /** Lets other definitions of the same collection go that nobody wants any more. */
  retireOthers: (name: string, setup: MirrorSetup) => Promise<void>;
  /** Called when a time has come nearer at which there is something to do. */
  arm: () => Promise<void>;
  /** Epoch ms. */
  now: () => number;
  /** 0 to 1. */
  random: () => number;
  report: Reporter;
}

const DAY_MS = 86_400_000;
/** Nobody has wanted it for so long: it is not pulled any more, and in the end it is not there any more. */
const SLEEP_MS = 7 * DAY_MS;
const DROP_MS = 30 * DAY_MS;
/** Another definition of the same collection counts as wanted for so long. */
const RETIRE_MS = 3_600_000;
/** That it is wanted is written down this often. */
const NOTE_WOKEN_MS = 60_000;
/** A pull that gets nowhere for so long is given up: what it has brought is too old. */
const STALLED_MS = 600_000;
/** How long to leave an origin alone that is down, or its `OriginSync`, which cannot be reached. */
const WAIT_MS = { least: 1_000, most: 30_000, object: 5_000 };
/** What a mirror is to be told of by the origin is said this often. */
const INTEREST_MS = 55_000;
const MAX_URIS = 500;
/** So many rows are asked for again at a time. */
const ROUND = 16;
const COLLECTING = { requests: 10, ms: 5_000 };
const AGAIN_MS = { least: 1_000, most: 60_000 };

/**
 * Keeps one mirror in step with its origin: pulls it on schedule and on news, asks for single rows again, has old rows
 * collected. Everything that is written of it is written here, one thing after the other. What there is to do is done in
 * `run`, a part at a time.
 */
export class Keeper implements Duty {
  readonly #tools: KeeperTools;
  readonly #kept: KeptMirror;
  readonly #refreshes: Refreshes;
  readonly #seen: Seen;
  readonly #schedule: Schedule;
  #sources: { setup: MirrorSetup; store: MirrorStore; source: CountedSource } | undefined;
  /** Whether something is being done, and who waits for its end. */
  #working: Promise<void> | undefined;
  /** Whether there may be news. */
  #hasNews = false;
  /** The origin, or its `OriginSync`, is left alone until then. */
  #blockedUntil = 0;
  #interestAt = 0;

  constructor(tools: KeeperTools) {
    this.#tools = tools;
    const { sql } = tools.storage;
    this.#kept = new KeptMirror(sql);
    this.#refreshes = new Refreshes(sql);
    this.#seen = new Seen(sql);
    this.#schedule = new Schedule(this.#kept.now?.schedule);
    // What was told while there was no object, nobody has heard.
    this.#hasNews = this.#kept.now !== undefined;
  }

  /** Somebody wants the mirror. `name` is what `mirrorName` names it. */
  async wake(name: string, setup: MirrorSetup): Promise<void> {
    const now = this.#tools.now();
    const kept = this.#kept.now;
    const isSame = kept !== undefined && JSON.stringify(kept.setup) === JSON.stringify(setup);
    if (!kept) {
      this.#schedule.start(now);
      this.#kept.put({ ...NEW, name, setup, wokenAt: now, schedule: this.#schedule.state });
    } else {
      const { everyMs, tools } = setup.collection;
      const lacksSchemas = kept.version > 0 && tools.some((tool) => !kept.schemasOf.includes(tool));
      if (everyMs !== kept.setup.collection.everyMs && this.#schedule.state.failures === 0) this.#schedule.stop();
      this.#schedule.start(Math.max(now, (kept.asOf ?? 0) + everyMs));
      if (lacksSchemas) this.#schedule.wantSoon(everyMs, now);
      if (!isSame || now - kept.wokenAt > NOTE_WOKEN_MS)
        this.#kept.put({ setup, wokenAt: now, schedule: this.#schedule.state });
    }
    await this.#tools.arm();
  }

  /** An operator wants it pulled now: it has begun when this resolves, unless the origin cannot be asked. */
  async pullNow(): Promise<void> {
    if (!this.#kept.now) return;
    this.#schedule.wantNow(this.#tools.now());
    this.#kept.put({ schedule: this.#schedule.state });
    this.#blockedUntil = 0;
    // What is being done may take its time; then it comes next.
    if (!this.#working) await this.#alone(() => this.#look());
    await this.#tools.arm();
  }

  /** The feed may have news. */
  async changed(): Promise<void> {
    this.#hasNews = true;
    await this.#tools.arm();
  }

  /** Takes in how answers compare with the origin's. */
  async verified(verdicts: readonly Verdict[]): Promise<void> {
    const kept = this.#kept.now;
    if (!kept) return;
    const { tools, everyMs } = kept.setup.collection;
    const taken = takeVerdicts(
      kept.verified,
      verdicts.filter(({ tool }) => tools.includes(tool)),
    );
    this.#kept.put({ verified: taken.state });
    const parts = verdicts.flatMap(({ keys = [] }) => keys).map((key) => ({ key: key.split(PART_END) }));
    if (verdicts.some(({ mismatches }) => mismatches > 0)) this.#suspect(parts.length > 0 ? parts : ["all"]);
    for (const tool of taken.stop) {
      const at = this.#tools.now();
      await this.#sourcesOf(kept).store.stop(tool, at);
      this.#kept.put({ verified: noteStopped(this.#kept.now!.verified, tool, at) });
      this.#schedule.wantSoon(everyMs, at);
      this.#kept.put({ schedule: this.#schedule.state });
      const { origin, collection } = kept.setup;
      this.#tools.report({ type: "mirror-stopped", origin: origin.id, collection: collection.name, tool });
    }
    await this.#tools.arm();
  }

  /** Another definition of the collection has taken its place: where nobody wants this one any more, nothing of it is left. */
  async retire(): Promise<void> {
    const kept = this.#kept.now;
    if (kept && this.#tools.now() - kept.wokenAt >= RETIRE_MS) await this.#alone(() => this.#drop());
  }

  /** How it stands; `undefined` where nobody has woken it. */
  status(): MirrorStatus | undefined {
    const kept = this.#kept.now;
    if (!kept) return undefined;
    const { setup, version, rows, asOf, pulled, failed, pulls, begun, verified } = kept;
    const { pull } = this.#kept;
    const isUnderWay = begun !== undefined && !begun.isWaiting;
    return {
      origin: setup.origin.id,
      collection: setup.collection.name,
      version,
      rows,
      asOf,
      pulling: !isUnderWay ? null : pull ? progressOf(pull) : { startedAt: this.#tools.now(), rows: 0, pages: 0 },
      pulled,
      failed,
      pulls,
      nextAt: this.#schedule.nextAt,
      suspect: this.#refreshes.size,
      verified: verified.all,
      stopped: verified.stopped,
    };
  }

  dueAt(): number | undefined {
    const kept = this.#kept.now;
    if (!kept) return undefined;
    const { begun, replaced, wokenAt, refreshAt, isBehind } = kept;
    const { nextAt } = this.#schedule;
    const isUnderWay = begun !== undefined && !begun.isWaiting;
    const times = [
      isUnderWay ? 0 : nextAt,
      !begun && (isBehind || this.#refreshes.size > 0) ? refreshAt : null,
      this.#hasNews ? 0 : null,
      this.#wantsInterest(kept) && nextAt !== null ? this.#interestAt : null,
    ].filter((at) => at !== null);
    const work = times.length === 0 ? undefined : Math.max(this.#blockedUntil, Math.min(...times));
    const sleep = wokenAt + (nextAt === null ? DROP_MS : SLEEP_MS);
    return Math.min(...[work, begun ? undefined : collectableAt(replaced), sleep].filter((at) => at !== undefined));
  }

  async run(): Promise<void> {
    await this.#alone(() => this.#work());
  }

  /** Does one thing at a time. */
  async #alone(work: () => Promise<unknown>): Promise<void> {
    while (this.#working) await this.#working;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#working = promise;
    try {
      await work();
    } finally {
      this.#working = undefined;
      resolve();
    }
  }

  async #work(): Promise<void> {
    const kept = this.#kept.now;
    if (!kept) return;
    const now = this.#tools.now();
    if (now - kept.wokenAt >= DROP_MS) return this.#drop();
    if (now - kept.wokenAt >= SLEEP_MS) {
      this.#schedule.stop();
      this.#refreshes.clear();
      this.#hasNews = false;
      this.#kept.keepPull(undefined);
      this.#kept.put({ schedule: this.#schedule.state, begun: undefined, isBehind: false });
    } else if (this.#blockedUntil <= now && (await this.#look())) {
      if (this.#kept.now!.begun) await this.#step();
      else await this.#refresh();
    }
    await this.#collect();
  }

  /** Hears the news, and begins a pull that is due. Whether the origin may be asked. */
  async #look(): Promise<boolean> {
    const { now, tell, report, random } = this.#tools;
    const kept = this.#kept.now!;
    const { setup, name, heard } = kept;
    const { origin, collection, eras, listens } = setup;
    const outcomes = this.#sourcesOf(kept).source.take();
    const isInterestDue = this.#wantsInterest(kept) && this.#interestAt <= now();
    const { modern, legacy } = eras;
    const interest = {
      wantsListen: listens,
      ...(modern !== undefined && { modern }),
      ...(legacy !== undefined && { legacy }),
      lists: ["resources" as const],
      uris: [...kept.uris],
    };
    this.#hasNews = false;
    let news: MirrorNews;
    try {
      news = await tell({
        place: { name, ...(origin.region !== undefined && { region: origin.region }) },
        origin,
        concerns: concernsOf(collection),
        seq: heard?.seq ?? 0,
        feedId: heard?.feedId ?? undefined,
        ...(outcomes && { outcomes }),
        ...(isInterestDue && { interest }),
      });
    } catch (error) {
      this.#sourcesOf(kept).source.giveBack(outcomes);
      this.#hasNews = true;
      this.#blockedUntil = now() + WAIT_MS.object * (0.5 + random());
      report({ type: "sync-failed", operation: "mirror", origin: origin.id, reason: reasonOf(error) });
      return false;
    }
    if (isInterestDue) this.#interestAt = now() + INTEREST_MS;
    this.#tools.storage.transactionSync(() => this.#heed(news));
    const { health } = news;
    if (health.state === "down") {
      const waitMs = Math.min(WAIT_MS.most, Math.max(WAIT_MS.least, (health.retryAt ?? 0) - now()));
      this.#blockedUntil = now() + waitMs * (1 + 0.1 * random());
      this.#stall();
      return false;
    }
    const { begun } = this.#kept.now!;
    const { nextAt } = this.#schedule;
    if (nextAt !== null && nextAt <= now() && (!begun || begun.isWaiting)) {
      if (!begun) this.#schedule.began();
      const upTo = begun?.upTo ?? this.#refreshes.last;
      this.#kept.put({ begun: { ...begun, upTo, isWaiting: false }, schedule: this.#schedule.state });
    }
    return true;
  }

  /** Notes what the feed has told of. */
  #heed({ feedId, seq, floor, changes }: MirrorNews): void {
    const { heard, setup } = this.#kept.now!;
    const hasMissed = heard !== undefined && (heard.feedId !== feedId || heard.seq < floor);
    // What there was before the first look, the first pull brings.
    const news = heard === undefined || hasMissed ? [] : changes.filter((change) => change.seq > heard.seq);
    const suspects = news.flatMap(({ tag }) => suspectsOf(setup.collection, tag));
    this.#suspect(hasMissed ? ["all"] : suspects);
    this.#kept.put({ heard: { feedId, seq } });
  }

  /** Has what may have changed asked for again. */
  #suspect(suspects: readonly Suspect[]): void {
    const { setup, version, begun } = this.#kept.now!;
    // The first pull is yet to begin.
    if (suspects.length === 0 || (version === 0 && !begun)) return;
    const rows = suspects.filter((one) => one !== "all") as Refresh[];
    const isAll = rows.length < suspects.length;
    // Of so many that they are not noted, a pull brings all.
    if (isAll || !this.#refreshes.note(rows)) this.#schedule.wantSoon(setup.collection.everyMs, this.#tools.now());
    this.#kept.put({ isBehind: true, schedule: this.#schedule.state });
  }

  /** A part of a pull. */
  async #step(): Promise<void> {
    const kept = this.#kept.now!;
    const { setup } = kept;
    const { now } = this.#tools;
    const { store, source } = this.#sourcesOf(kept);
    let { requests } = STEP;
    try {
      if (!this.#kept.pull) {
        await store.prepare(setup.origin.id, setup.collection.name);
        requests -= await this.#holdSchemas(store, kept);
      }
    } catch (error) {
      this.#fail({ kind: "failed", problem: storeProblem(error) });
      return;
    }
    const { collection } = setup;
    const pull = new Pull({ store, source, collection, seen: this.#seen, now, position: kept.heard! });
    const step = await pull.step(this.#kept.pull, { ...STEP, requests });
    switch (step.kind) {
      case "goes-on":
      case "start-over":
        return this.#tools.storage.transactionSync(() => {
          this.#kept.keepPull(step.state);
          this.#seen.save();
          const { upTo, isWaiting } = this.#kept.now!.begun!;
          this.#kept.put({ begun: { upTo, isWaiting } });
        });
      case "done":
        return this.#end(step);
      case "failed":
        return this.#fail(step);
    }
  }

  /** A pull has come to its end. */
  async #end({ report, version, before }: Extract<PullStep, { kind: "done" }>): Promise<void> {
    const { now, random, storage, retireOthers, urisOf } = this.#tools;
    const kept = this.#kept.now!;
    const { setup, name } = kept;
    const { everyMs } = setup.collection;
    const { store } = this.#sourcesOf(kept);
    const asOf = this.#kept.pull?.asOf ?? report.startedAt;
    storage.transactionSync(() => {
      this.#kept.keepPull(undefined);
      this.#seen.forget();
      this.#refreshes.doneTo(kept.begun!.upTo);
      this.#schedule.succeeded({ everyMs, startedAt: report.startedAt, now: now(), random: random() });
      const { replaced, pulls, verified } = this.#kept.now!;
      this.#kept.put({
        begun: undefined,
        schedule: this.#schedule.state,
        isBehind: this.#refreshes.size > 0,
        version,
        rows: report.rows,
        asOf,
        pulled: report,
        failed: null,
        pulls: { ...pulls, done: pulls.done + 1 },
        replaced: version > before && before > 0 ? noteReplaced(replaced, version, now()) : replaced,
        verified: afterPull(verified, report.startedAt),
      });
    });
    const { added, changed, removed, rows, written, startedAt, endedAt } = report;
    // That all is as it was is no event, unless there was trouble before.
    if (version > before || kept.failed) {
      const names = { origin: setup.origin.id, collection: setup.collection.name };
      const counts = { rows, added, changed, removed, written, durationMs: endedAt - startedAt };
      this.#tools.report({ type: "mirror-pulled", ...names, ...counts });
    }
    // None of what follows undoes what was pulled: what fails of it the next pull does.
    try {
      const record = await store.state();
      const { stopped } = this.#kept.now!.verified;
      if (record && Object.keys(record.stopped).some((tool) => !Object.hasOwn(stopped, tool))) {
        await store.resume();
        for (const [tool, at] of Object.entries(stopped)) await store.stop(tool, at);
      }
      if (record) this.#kept.put({ rows: record.size, asOf: record.asOf });
      if (this.#wantsInterest(kept)) this.#kept.put({ uris: await urisOf(name, MAX_URIS) });
      await retireOthers(name, setup);
    } catch (error) {
      this.#tools.report({ type: "duty-failed", reason: reasonOf(error) });
    }
  }

  /** A pull has failed. With a state it may go on from there, unless it gets nowhere for too long. */
  #fail({ problem, state, failure }: Extract<PullStep, { kind: "failed" }>): void {
    const { now, random, storage, report } = this.#tools;
    storage.transactionSync(() => {
      this.#kept.keepPull(state);
      if (state) this.#seen.save();
      else this.#seen.forget();
      const { setup, begun, failed, pulls } = this.#kept.now!;
      const retryAfterMs = failure && "retryAfterMs" in failure ? failure.retryAfterMs : undefined;
      const tookMs = state ? 0 : Math.max(0, now() - (this.#kept.pull?.startedAt ?? now()));
      this.#schedule.failed({
        everyMs: setup.collection.everyMs,
        tookMs,
        now: now(),
        random: random(),
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      });
      this.#kept.put({
        begun: state && begun ? { ...begun, isWaiting: true } : undefined,
        schedule: this.#schedule.state,
        failed: { ...problem, at: now(), times: (failed?.times ?? 0) + 1 },
        pulls: { ...pulls, failed: pulls.failed + 1 },
      });
      this.#stall();
      const { origin, collection } = setup;
      const { code, message: reason, count } = problem;
      report({ type: "mirror-failed", origin: origin.id, collection: collection.name, code, reason, count });
    });
  }

  /** A pull that is under way gets nowhere: after a while it is given up. */
  #stall(): void {
    const { begun } = this.#kept.now!;
    if (!begun || !this.#kept.pull) return;
    const now = this.#tools.now();
    const stalledAt = begun.stalledAt ?? now;
    if (now - stalledAt < STALLED_MS) {
      this.#kept.put({ begun: { ...begun, stalledAt } });
      return;
    }
    this.#kept.keepPull(undefined);
    this.#seen.forget();
    this.#kept.put({ begun: undefined });
  }

  /** Asks for rows again. */
  async #refresh(): Promise<void> {
    const { now, random, storage, report, uriOf } = this.#tools;
    const kept = this.#kept.now!;
    const { setup, name, heard } = kept;
    if (kept.version === 0 || kept.refreshAt > now() || (this.#refreshes.size === 0 && !kept.isBehind)) return;
    const { store, source } = this.#sourcesOf(kept);
    const noted = this.#refreshes.first(ROUND);
    let failure: string | undefined;
    try {
      const { collection } = setup;
      const uri = (key: string) => uriOf(name, key);
      const asked = await askAgain(
        { store, source, collection, uriOf: uri },
        noted.map(({ what }) => what),
      );
      const done = noted.filter((_, at) => asked.answers[at] !== "failed").map(({ nth }) => nth);
      if (asked.answers.includes("unclear")) this.#schedule.wantSoon(collection.everyMs, now());
      const isAll = done.length === this.#refreshes.size && !this.#schedule.state.isWanted;
      const changes = asked.changes;
      const refreshed =
        changes.length > 0 || isAll ? await store.refresh(changes, isAll ? heard : undefined) : undefined;
      failure = asked.failure;
      storage.transactionSync(() => {
        this.#refreshes.done(done);
        const { rows, replaced } = this.#kept.now!;
        this.#kept.put({
          schedule: this.#schedule.state,
          isBehind: this.#refreshes.size > 0,
          ...(refreshed && {
            version: refreshed.version,
            rows: rows + refreshed.added - refreshed.removed,
            ...(refreshed.version > refreshed.before && {
              replaced: noteReplaced(replaced, refreshed.version, now()),
            }),
          }),
        });
      });
    } catch (error) {
      failure = reasonOf(error);
    }
    const failures = failure === undefined ? 0 : kept.refreshFailures + 1;
    const most = Math.min(AGAIN_MS.most, AGAIN_MS.least * 2 ** Math.min(failures, 10));
    const waitMs = failures === 0 ? 0 : AGAIN_MS.least + random() * (most - AGAIN_MS.least);
    if (failures > 0 || kept.refreshFailures > 0)
      this.#kept.put({ refreshFailures: failures, refreshAt: now() + waitMs });
    if (failure === undefined) return;
    const names = { origin: setup.origin.id, collection: setup.collection.name };
    report({ type: "mirror-failed", ...names, code: "refresh-failed", reason: failure, count: noted.length });
  }

  /** Removes rows that no reader can see any more, a part at a time. */
  async #collect(): Promise<void> {
    const { now, random, report } = this.#tools;
    const kept = this.#kept.now;
    const [oldest, ...others] = kept?.replaced ?? [];
    if (!kept || !oldest || kept.begun || collectableAt(kept.replaced)! > now()) return;
    try {
      const isDone = await this.#sourcesOf(kept).store.collect(oldest.by - 1, COLLECTING);
      if (isDone) this.#kept.put({ replaced: others });
    } catch (error) {
      this.#kept.put({ replaced: [{ ...oldest, at: oldest.at + AGAIN_MS.most * (0.5 + random()) }, ...others] });
      report({ type: "duty-failed", reason: reasonOf(error) });
    }
  }

  /** Holds the schemas of the tools that are answered from it; those that cannot be had now stay as they are. How many requests that took. */
  async #holdSchemas(store: MirrorStore, { setup }: Kept): Promise<number> {
    const { tools } = setup.collection;
    if (tools.length === 0) return 0;
    const found = await this.#tools.schemasOf(setup);
    if (!("json" in found)) return 1;
    await store.keepSchemas(found.json, found.hash);
    this.#kept.put({ schemasOf: tools });
    return 2;
  }

  async #drop(): Promise<void> {
    const kept = this.#kept.now!;
    await this.#sourcesOf(kept).store.drop();
    this.#tools.storage.transactionSync(() => {
      this.#kept.clear();
      this.#refreshes.clear();
      this.#seen.clear();
      this.#seen.save();
      this.#schedule.stop();
    });
    this.#sources = undefined;
  }

  #sourcesOf({ name, setup }: Kept) {
    if (this.#sources?.setup === setup) return this.#sources;
    const { storeOf, sourceOf, now } = this.#tools;
    const source = new CountedSource(sourceOf(setup), now);
    return (this.#sources = { setup, store: storeOf(name, setup), source });
  }

  /** Whether the origin is to tell of what it is made of. */
  #wantsInterest({ setup }: Kept): boolean {
    return setup.listens && setup.collection.from.kind !== "tool";
  }
}

/** Between the parts of a key. */
const PART_END = "\u001F";

/** What is known of one that nobody has woken before. */
const NEW: Omit<Kept, "name" | "setup" | "wokenAt" | "schedule"> = {
  heard: undefined,
  isBehind: false,
  begun: undefined,
  refreshAt: 0,
  refreshFailures: 0,
  version: 0,
  rows: 0,
  asOf: null,
  replaced: [],
  pulled: null,
  failed: null,
  pulls: { done: 0, failed: 0 },
  verified: NOTHING_VERIFIED,
  schemasOf: [],
  uris: [],
};

function storeProblem(error: unknown) {
  const message = `D1 did not do what was asked of it: ${reasonOf(error)}. Are the migrations applied (wrangler d1 migrations apply DB --remote)?`;
  return { code: "store-failed" as const, message, count: 1 };
}
