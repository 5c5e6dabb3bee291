import type { Duty } from "../sync/Alarm.ts";
import { reasonOf } from "../telemetry/events.ts";
import { isAskable, type Suspect } from "./concerns.ts";
import { Held, type KeeperTools } from "./Held.ts";
import type { Kept } from "./KeptMirror.ts";
import type { MirrorSetup } from "./MirrorSetup.ts";
import type { MirrorStatus } from "./MirrorStatus.ts";
import { lookAround } from "./lookAround.ts";
import { progressOf } from "./PullState.ts";
import { refreshRows } from "./refreshRows.ts";
import { collectableAt, KEPT_MS } from "./Replaced.ts";
import { KEY_SEPARATOR } from "./rowOf.ts";
import { stall, stepPull } from "./stepPull.ts";
import { suspect } from "./suspect.ts";
import { noteStopped, NOTHING_VERIFIED, takeVerdicts, type Verdict } from "./Verified.ts";

const DAY_MS = 86_400_000;
/** Nobody has wanted it for so long: it is not pulled any more, and in the end it is not there any more. */
const SLEEP_MS = 7 * DAY_MS;
const DROP_MS = 30 * DAY_MS;
/** Another definition of the same collection counts as wanted for so long. */
const RETIRE_MS = 3_600_000;
/** The earliest time for which an alarm may be set. */
const AT_ONCE = 1;
/** That it is wanted is written down this often. */
const NOTE_WOKEN_MS = 60_000;
/** Clocks differ by no more. */
const MAX_SKEW_MS = 60_000;
/** What the origin is to tell of is said this often. */
const INTEREST_MS = 55_000;
/** While others pull from the origin, it is asked after this, and up to as much again, whether there is room. */
const TURN_MS = 1_000;
const COLLECTING = { requests: 10, ms: 5_000 };
/** After a failure rows are collected that much later. */
const COLLECT_AGAIN_MS = 60_000;

/** What is known of a mirror that nobody has woken before. */
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

/**
 * Keeps one mirror in step with its origin: pulls it on schedule and on news, asks for single rows again, has old rows
 * collected. All that is written of it is written here, one thing after the other. What there is to do is done in `run`, a
 * part at a time.
 */
export class Keeper implements Duty {
  readonly #held: Held;
  /** Resolves when what is being done is done. */
  #working: Promise<void> | undefined;
  /** Whether there may be news. */
  #hasNews = false;
  #hasLooked = false;
  /** The origin, or its `OriginSync`, is left alone until then. */
  #blockedUntil = 0;
  /** Others pull from the origin: until then it is left to them. */
  #turnAt = 0;
  /** When it is to be said again what the origin is to tell of, and what was said last. */
  #interestAt = 0;
  #saidUris: readonly string[] | undefined;

  constructor(tools: KeeperTools) {
    this.#held = new Held(tools);
  }

  /** Somebody wants the mirror, and may have found nothing of it in D1. `name` is what `mirrorName` names it. */
  async wake(name: string, setup: MirrorSetup, isMissed = false): Promise<void> {
    const { kept, schedule, tools } = this.#held;
    const now = tools.now();
    const before = kept.now;
    if (before) {
      const { everyMs } = setup.collection;
      const isOther = JSON.stringify(before.setup) !== JSON.stringify(setup);
      // It may be due earlier, or later, than was planned.
      const { failures, isWanted } = schedule.state;
      if (everyMs !== before.setup.collection.everyMs && failures === 0 && !isWanted) schedule.stop();
      // What was planned by a clock that was ahead would be planned for long.
      const isAhead = Math.max(before.wokenAt, before.asOf ?? 0) - now > MAX_SKEW_MS;
      if (isAhead) schedule.wantNow(now);
      const isPlanned = schedule.nextAt !== null;
      schedule.start(Math.max(now, (before.asOf ?? 0) + everyMs));
      const isNews = isOther || !isPlanned || isAhead || now - before.wokenAt > NOTE_WOKEN_MS;
      if (isNews) this.#held.put({ wokenAt: now, ...(isOther && { setup }) });
      if (isMissed && before.version > 0 && !before.begun) await this.#seek();
    } else {
      schedule.start(now);
      this.#held.put({ ...NEW, name, setup, wokenAt: now });
    }
    await tools.arm();
  }

  /** An operator wants it pulled now: it has begun when this resolves, unless the origin cannot be asked. */
  async pullNow(): Promise<void> {
    const { kept, schedule, tools } = this.#held;
    if (!kept.now) return;
    schedule.wantNow(tools.now());
    this.#held.put({});
    this.#blockedUntil = this.#turnAt = 0;
    // What is being done may take its time; then it comes next.
    if (!this.#working) await this.#alone(() => this.#look());
    await tools.arm();
  }

  /** The alarm has gone off. It may have been set for news, by an object that is no more. */
  alarmed(): void {
    this.#hasNews ||= !this.#hasLooked;
  }

  /** The feed may have news. */
  async changed(): Promise<void> {
    this.#hasNews = true;
    await this.#held.tools.arm();
  }

  /** Takes in how answers compare with the origin's. Throws what D1 throws where a tool is to be stopped: that is tried again with the next. */
  async verified(verdicts: readonly Verdict[]): Promise<void> {
    const { kept, schedule, tools } = this.#held;
    if (!kept.now) return;
    const { tools: answered, everyMs } = kept.now.setup.collection;
    const own = verdicts.filter(({ tool }) => answered.includes(tool));
    const { state, stop } = takeVerdicts(kept.now.verified, own);
    this.#held.put({ verified: state });
    // Where rows cannot be asked for one by one they wait for the next pull: what is always wrong is no reason to pull always.
    if (isAskable(kept.now.setup.collection)) {
      for (const { mismatches, keys = [] } of own) if (mismatches > 0) suspect(this.#held, keys.map(guessed));
    }
    await tools.arm();
    for (const tool of stop) {
      const at = tools.now();
      await this.#held.sources.store.stop(tool, at);
      // Nobody may want it any more.
      if (!kept.now) return;
      schedule.wantSoon(everyMs, at);
      this.#held.put({ verified: noteStopped(kept.now.verified, tool, at) });
      tools.report({ type: "mirror-stopped", ...this.#held.names, tool });
    }
    await tools.arm();
  }

  /** Another definition of the collection has taken its place: where nobody wants this one any more, nothing of it is left. */
  async retire(): Promise<void> {
    await this.#alone(async () => {
      const { kept, tools } = this.#held;
      if (kept.now && tools.now() - kept.now.wokenAt >= RETIRE_MS) await this.#drop();
    });
  }

  /** How it stands; `undefined` where nobody has woken it. */
  status(): MirrorStatus | undefined {
    const { kept, schedule, refreshes } = this.#held;
    if (!kept.now) return undefined;
    const { version, rows, asOf, pulled, failed, pulls, verified, begun } = kept.now;
    const { pull } = kept;
    return {
      ...this.#held.names,
      version,
      rows,
      asOf,
      pulling: this.#isPulling ? (pull ? progressOf(pull) : { startedAt: begun!.at, rows: 0, pages: 0 }) : null,
      pulled,
      failed,
      pulls,
      nextAt: schedule.nextAt,
      suspect: refreshes.size,
      verified: verified.all,
      stopped: verified.stopped,
    };
  }

  dueAt(): number | undefined {
    const { kept, schedule, refreshes } = this.#held;
    if (!kept.now) return undefined;
    const { begun, replaced, wokenAt, refreshAt, isBehind, version } = kept.now;
    const { nextAt } = schedule;
    // What nobody wants any more is not asked for.
    if (nextAt === null) return least([collectableAt(replaced), wokenAt + DROP_MS]);
    const isRefreshed = version > 0 && !begun && (isBehind || refreshes.size > 0 || this.#held.lacksSchemas);
    const work = least([
      this.#hasNews ? AT_ONCE : undefined,
      Math.max(this.#isPulling ? AT_ONCE : nextAt, this.#turnAt),
      isRefreshed ? Math.max(AT_ONCE, refreshAt) : undefined,
      this.#held.wantsInterest ? Math.max(AT_ONCE, this.#sayAt) : undefined,
    ]);
    const collecting = begun ? undefined : collectableAt(replaced);
    return least([Math.max(work, this.#blockedUntil), collecting, wokenAt + SLEEP_MS]);
  }

  async run(): Promise<void> {
    await this.#alone(() => this.#work());
  }

  /** When it is to be said what the origin is to tell of: at once, where that is something else. */
  get #sayAt(): number {
    return this.#saidUris === this.#held.kept.now!.uris ? this.#interestAt : 0;
  }

  /** Whether a pull is under way that does not wait after a failure. */
  get #isPulling(): boolean {
    const begun = this.#held.kept.now?.begun;
    return begun !== undefined && !begun.isWaiting;
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
    const { kept, tools } = this.#held;
    if (!kept.now) return;
    const now = tools.now();
    const idleMs = now - kept.now.wokenAt;
    if (idleMs >= DROP_MS) return this.#drop();
    if (idleMs >= SLEEP_MS) this.#sleep();
    else if (this.#blockedUntil <= now && (await this.#look())) {
      // One thing at a time: each has nearly all the requests that an invocation may make.
      if (this.#isPulling) return this.#turnAt > 0 ? undefined : this.#step();
      if (!kept.now.begun && (await refreshRows(this.#held))) return;
    }
    await this.#collect();
  }

  /** A part of a pull. What others wait for, when it is over, is said at once. */
  async #step(): Promise<void> {
    await stepPull(this.#held);
    if (!this.#isPulling) this.#hasNews = true;
  }

  /** Hears the news, and begins a pull that is due. Whether the origin may be asked. */
  async #look(): Promise<boolean> {
    const held = this.#held;
    const { kept, schedule, refreshes, tools } = held;
    this.#hasNews = false;
    this.#hasLooked = true;
    const says = held.wantsInterest && this.#sayAt <= tools.now();
    const { uris } = kept.now!;
    const wantsPlace = this.#isPulling || (schedule.nextAt !== null && schedule.nextAt <= tools.now());
    const looked = await lookAround(held, { saysInterest: says, wantsPlace });
    this.#hasNews ||= looked.isMissed;
    if (says && !looked.isMissed) {
      this.#interestAt = tools.now() + INTEREST_MS;
      this.#saidUris = uris;
    }
    if (looked.waitMs > 0) {
      this.#blockedUntil = tools.now() + looked.waitMs;
      stall(held);
      return false;
    }
    this.#turnAt = !wantsPlace || looked.hasPlace ? 0 : tools.now() + TURN_MS * (1 + tools.random());
    if (this.#isPulling || !looked.hasPlace) return true;
    const { begun } = kept.now!;
    if (!begun) schedule.began();
    held.put({ begun: { at: tools.now(), upTo: refreshes.last, ...begun, isWaiting: false } });
    return true;
  }

  /** Sees whether D1 still has what it had; else it is pulled at once. */
  async #seek(): Promise<void> {
    const { kept, schedule, tools, sources } = this.#held;
    // Where it cannot be asked, nothing can be pulled either.
    const found = await sources.store.state().catch(() => "unknown" as const);
    if (found === "unknown" || (found && found.version > 0) || !kept.now || kept.now.begun) return;
    if (schedule.state.failures > 0) return;
    schedule.wantNow(tools.now());
    this.#held.put({ version: 0, rows: 0, asOf: null });
  }

  /** Removes rows that no reader can see any more, a part at a time. */
  async #collect(): Promise<void> {
    const { kept, tools, sources } = this.#held;
    const { replaced = [], begun } = kept.now ?? {};
    const [oldest, ...others] = replaced;
    if (!oldest || begun || collectableAt(replaced)! > tools.now()) return;
    try {
      const isDone = await sources.store.collect(oldest.by, COLLECTING);
      if (isDone) this.#held.put({ replaced: others });
    } catch (error) {
      this.#held.put({ replaced: [{ ...oldest, at: tools.now() - KEPT_MS + COLLECT_AGAIN_MS }, ...others] });
      tools.report({ type: "duty-failed", reason: reasonOf(error) });
    }
  }

  /** Nobody has wanted it for long. */
  #sleep(): void {
    const { kept, schedule, refreshes, seen } = this.#held;
    schedule.stop();
    refreshes.clear();
    kept.keepPull(undefined);
    seen.forget();
    // What happens from now on, nobody hears.
    this.#held.put({ begun: undefined, isBehind: false, heard: undefined });
  }

  async #drop(): Promise<void> {
    await this.#held.sources.store.drop();
    this.#held.clear();
  }
}

/** The row of an answer that was wrong, from its key as it stands in D1. */
function guessed(key: string): Suspect {
  return { key: key.split(KEY_SEPARATOR), isGuess: true };
}

function least(times: readonly (number | undefined)[]): number {
  return Math.min(...times.filter((at) => at !== undefined));
}
