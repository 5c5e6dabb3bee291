import { listTag, resourceTag } from "../cache/implicitTags.ts";
import { changeToldBy } from "../mcp/change.ts";
import type { OriginSettings } from "../config/replica.ts";
import type { Duty } from "./Alarm.ts";
import { Burst, type BurstTools } from "./Burst.ts";
import { Coverage, type CoverageTools } from "./Coverage.ts";
import { Interests } from "./Interests.ts";
import type { ListenState, ListenStatus } from "./ListenStatus.ts";
import { listenUpstream, type UpstreamEvent } from "./listenUpstream.ts";
import type { PulseRequest } from "./Pulse.ts";
import type { Covers, Upstream } from "./Upstream.ts";
import { legacyUpstream, modernUpstream, type UpstreamTools } from "./upstreams.ts";

/** Without a pulse for this long, nobody needs to be in step. */
const DROP_MS = 120_000;
/** An origin that refuses is asked again after this, ±10 %. */
const REFUSED_MS = 3_600_000;
/** One that could not be reached however often, after this, and one that ended the stream in good order. */
const EXHAUSTED_MS = 60_000;
const ENDED_MS = 2_000;
/** Other resources are not listened to more often than this. */
const TURN_EVERY_MS = 250;
/** Where they change all the time, not more often than this; and after so long without a change that is forgotten. */
const MAX_TURN_EVERY_MS = 5_000;
const CALM_MS = 10_000;
/** Who waits for the origin to tell of something waits as long. */
const SETTLE_MS = 400;
const LOOK_EVERY_MS = 20;

/** What listening needs. Clock and chance are passed in. */
export interface ListeningTools extends Omit<UpstreamTools, "origin">, BurstTools, CoverageTools {
  /** Called when a time has come nearer at which there is something to do. */
  arm: () => void;
  /** 0 to 1. */
  random: () => number;
}

type Era = "modern" | "legacy";

/** One stream, and those that follow it when it breaks. */
interface Line {
  era: Era;
  upstream: Upstream;
  controller: AbortController;
  /** The resources that it asks for. */
  uris: readonly string[];
  /** Those that the origin has answered for, whether it tells of them or not. */
  answered: ReadonlySet<string>;
  /** Whether it is being asked for others, on the stream that is open. */
  isTurning: boolean;
}

/**
 * The one stream that tells of an origin's changes, for all isolates. Driven by pulses: opened when they come, dropped when
 * they do not. What it covered while it did not listen is invalidated when it listens again.
 */
export class UpstreamListening implements Duty {
  readonly interests = new Interests();
  readonly #tools: ListeningTools;
  readonly #coverage: Coverage;
  #line: Line | undefined;
  /** Takes the place of `#line` when it listens. */
  #successor: Line | undefined;
  #origin: OriginSettings | undefined;
  #pulsedAt: number | undefined;
  #retryAt: number | undefined;
  readonly #refusedUntil = new Map<Era, number>();
  #turnedAt = 0;
  #turnEveryMs = TURN_EVERY_MS;
  /** Until when the origin is asked for no resources: it may have refused them. */
  #refusedUrisUntil = 0;
  #state: ListenState = "idle";
  #stateAt: number;
  #retries = 0;
  readonly #burst: Burst;

  constructor(tools: ListeningTools) {
    this.#tools = tools;
    this.#burst = new Burst(tools);
    this.#coverage = new Coverage(tools);
    this.#stateAt = tools.now();
  }

  /** How it stands. */
  status(): ListenStatus {
    return {
      state: this.#state,
      since: this.#stateAt,
      covers: this.#coverage.shown(),
      retries: this.#retries,
    };
  }

  /** Takes in what an isolate wants. To be called before it is answered: what became doubtful is in the answer. */
  pulsed({ isolate, interest, origin }: PulseRequest): void {
    if (!interest) return;
    const now = this.#tools.now();
    const isFirst = this.#pulsedAt === undefined;
    this.#pulsedAt = now;
    this.#origin = origin;
    this.interests.note(isolate, interest, now);
    // Nobody listened until now: the object was lost, or it was dropped.
    if (!this.#line && this.#retryAt === undefined) this.#coverage.doubt();
    this.#attend();
    this.#line?.upstream.keep?.();
    if (isFirst) this.#tools.arm();
  }

  /** Since when the origin tells of all lists, and of these resources as far as it does of any; `undefined` while it does not. */
  coveredSince(uris: readonly string[]): number | undefined {
    const line = this.#line;
    if (!line || !this.#coverage.isLive || uris.some((uri) => !line.answered.has(uri))) return undefined;
    return this.#coverage.since(uris);
  }

  /** Waits until the origin tells of all lists and of these resources, or is not about to; not for long. */
  async settled(uris: readonly string[]): Promise<void> {
    const { now, pause } = this.#tools;
    const until = now() + SETTLE_MS;
    const signal = new AbortController().signal;
    while (this.coveredSince(uris) === undefined && this.#line && now() < until) {
      await pause(LOOK_EVERY_MS, signal);
      // Other resources have their turn as soon as they may.
      this.#attend();
    }
  }

  dueAt(): number | undefined {
    if (this.#pulsedAt === undefined) return undefined;
    const dropAt = this.#pulsedAt + DROP_MS;
    return Math.min(dropAt, this.#retryAt ?? dropAt);
  }

  async run(): Promise<void> {
    this.#attend();
  }

  /** Does what is to be done: drops the stream, opens it, or has it listen to other resources. */
  #attend(): void {
    const { now } = this.#tools;
    if (this.#pulsedAt === undefined) return;
    const wants = this.interests.wantsListen;
    const isDropped = now() - this.#pulsedAt >= DROP_MS;
    if (isDropped || !wants) {
      this.#drop();
      this.#become(wants ? "idle" : "off");
      if (isDropped) this.#pulsedAt = undefined;
      return;
    }
    if (this.#line) return this.#turn(this.#line);
    if (this.#retryAt !== undefined && now() < this.#retryAt) return;
    this.#retryAt = undefined;
    const eras = this.#eras();
    const era = eras.find((one) => (this.#refusedUntil.get(one) ?? 0) <= now());
    if (era) this.#line = this.#begin(era);
    this.#become(era ? "connecting" : eras.length > 0 ? "refused" : "idle");
  }

  /** The eras in which the origin may have a stream to offer. */
  #eras(): Era[] {
    const { modern, legacy } = this.interests.eras;
    const eras: Era[] = [];
    // Of an origin of which nothing is known, that is soon found out; unless somebody waits for news, so can this.
    if (modern ?? this.interests.listened !== undefined) eras.push("modern");
    if (modern !== true && legacy !== undefined && legacy !== "none") eras.push("legacy");
    return eras;
  }

  #begin(era: Era): Line {
    const tools = { ...this.#tools, origin: this.#origin! };
    const opensSessions = this.interests.eras.legacy === "sessions";
    const upstream = era === "modern" ? modernUpstream(tools) : legacyUpstream(tools, opensSessions);
    const line: Line = {
      era,
      upstream,
      controller: new AbortController(),
      uris: [],
      answered: new Set(),
      isTurning: false,
    };
    this.#follow(line).catch((error) => {
      this.#tools.failed(error);
      this.#over(line, EXHAUSTED_MS);
    });
    return line;
  }

  async #follow(line: Line): Promise<void> {
    const { upstream, controller } = line;
    const { newId, random, pause } = this.#tools;
    const { signal } = controller;
    const events = listenUpstream({
      connect: (id) => {
        line.uris = [...this.#wanted];
        return upstream.connect(line.uris, id, signal);
      },
      opensAcknowledged: upstream.opensAcknowledged,
      ...(upstream.asked && { asked: upstream.asked }),
      signal,
      newId,
      random,
      pause,
    });
    for await (const event of events) {
      if (signal.aborted) return;
      this.#heard(line, event);
      if (event.kind === "acknowledged") {
        const { uris } = line;
        const covers = await upstream.opened(uris, event.honoured);
        if (signal.aborted) return;
        this.#listens(line, uris, covers);
      }
    }
  }

  #heard(line: Line, event: UpstreamEvent): void {
    const { now, random } = this.#tools;
    switch (event.kind) {
      case "acknowledged":
        return;
      case "notification": {
        const change = changeToldBy(event.method, event.params);
        if (change?.kind === "list") this.#burst.tell(listTag(change.list), false);
        // The origin says that it has changed.
        else if (change) this.#burst.tell(resourceTag(change.uri), true);
        return;
      }
      case "broken":
        if (line !== this.#line) return;
        this.#coverage.lose();
        this.#retries++;
        return this.#become("waiting");
      case "ended":
        return this.#over(line, ENDED_MS);
      case "exhausted":
        return this.#over(line, EXHAUSTED_MS);
      case "refused":
        if (line === this.#successor) {
          this.#successor = undefined;
          this.#turnedAt = now() + EXHAUSTED_MS;
        }
        if (line !== this.#line) return;
        this.#line = undefined;
        // It may be for what callers have named: that is no reason not to be told of anything else.
        if (line.uris.length > 0) this.#turnedAt = this.#refusedUrisUntil = now() + EXHAUSTED_MS;
        else this.#refusedUntil.set(line.era, now() + REFUSED_MS * (0.9 + 0.2 * random()));
        // It will not be heard of again.
        this.#coverage.doubt();
        this.#attend();
    }
  }

  /** A line is no more; another is opened after a while. */
  #over(line: Line, waitMs: number): void {
    if (line === this.#successor) this.#successor = undefined;
    if (line !== this.#line) return;
    const { now, random, arm } = this.#tools;
    this.#line = undefined;
    this.#coverage.lose();
    this.#retries++;
    this.#retryAt = now() + waitMs * (0.5 + random());
    this.#become("waiting");
    arm();
  }

  /** The origin has answered for these resources. */
  #listens(line: Line, uris: readonly string[], covers: Covers): void {
    line.answered = new Set(uris);
    if (line === this.#successor) {
      this.#line?.controller.abort();
      this.#line = line;
      this.#successor = undefined;
    }
    this.#coverage.gain(covers);
    // Another may have been planned while this one was being opened.
    this.#retryAt = undefined;
    this.#retries = 0;
    this.#become("listening");
  }

  /** The resources of which the origin is to tell now. */
  get #wanted(): ReadonlySet<string> {
    return this.#tools.now() < this.#refusedUrisUntil ? NONE : this.interests.uris;
  }

  /** Has the origin tell of the resources that are in use now. */
  #turn(line: Line): void {
    const { now, failed } = this.#tools;
    const wanted = this.#wanted;
    const isSame = wanted.size === line.uris.length && line.uris.every((uri) => wanted.has(uri));
    // One after the other: what an earlier one brings late would be taken for what there is.
    const sinceMs = now() - this.#turnedAt;
    const isSoon = sinceMs < this.#turnEveryMs;
    if (isSame || !this.#coverage.isLive || this.#successor || line.isTurning || isSoon) return;
    this.#turnedAt = now();
    this.#turnEveryMs = sinceMs < CALM_MS ? Math.min(MAX_TURN_EVERY_MS, 1.5 * this.#turnEveryMs) : TURN_EVERY_MS;
    const { turn } = line.upstream;
    if (!turn) {
      // The old stream is heard until the new one is.
      this.#successor = this.#begin(line.era);
      return;
    }
    const uris = [...wanted];
    line.uris = uris;
    line.isTurning = true;
    turn(uris)
      .then((covers) => {
        // The stream may have been opened anew meanwhile, for others.
        if (line === this.#line && this.#coverage.isLive && line.uris === uris) this.#listens(line, uris, covers);
      })
      .catch(failed)
      .finally(() => (line.isTurning = false));
  }

  #drop(): void {
    for (const line of [this.#line, this.#successor]) line?.controller.abort();
    this.#line = this.#successor = this.#retryAt = undefined;
    this.#coverage.lose();
  }

  #become(state: ListenState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#stateAt = this.#tools.now();
  }
}

const NONE: ReadonlySet<string> = new Set();
