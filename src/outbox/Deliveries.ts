import { reasonOf, type Reporter } from "../telemetry/events.ts";
import type { Called } from "../origin/OwnCalls.ts";
import type { OriginFailure } from "../origin/failure.ts";
import { wasNeverSent } from "./advance.ts";
import { isStuck, type Answers } from "./Answers.ts";
import { conclusionOf } from "./conclusionOf.ts";
import { deliver } from "./deliver.ts";
import type { Desk } from "./Desk.ts";
import type { Ending } from "./Ending.ts";
import { endingOfCall } from "./endingOfCall.ts";
import type { Ledger } from "./Ledger.ts";
import { isPending, type Operation, type OperationOutcome } from "./Operation.ts";
import type { Sent } from "./OutboxStatus.ts";
import type { Reach } from "./Reach.ts";
import type { Readiness } from "./Readiness.ts";
import type { Told } from "./Told.ts";

/** What sending needs. */
export interface DeliveriesTools {
  ledger: Ledger;
  desk: Desk;
  reach: Reach;
  told: Told;
  readiness: Readiness;
  answers: Answers;
  arm: () => Promise<void>;
  waitUntil: (work: Promise<unknown>) => void;
  /** Epoch ms. */
  now: () => number;
  /** 32 random hex digits. */
  newId: () => string;
  report: Reporter;
}

const MOST_AT_ONCE = 5;
/** A lease outlasts what a call may take by so much, and a call is broken off by so much earlier. */
const MARGIN_MS = 30_000;
const SPARE_MS = 15_000;
/** What could not be announced is announced again after this, and twice as long each time. */
const UNHEARD_MS = 1_000;
const MAX_UNHEARD_MS = 30_000;
/** How many that were not promised anything are dropped in one go; their callers are told to come again after this at least. */
const MOST_DROPPED = 100;
const AGAIN_MS = 1_000;
/** While as many are being sent as may be, it is looked after this whether others can be: should the object be lost meanwhile. */
const BUSY_MS = 5_000;

/**
 * Sends what can be sent: the origin is ready, the readers know, the lease is taken; then it is sent, what came of it is
 * written down, the readers are told, and in the end its caller.
 */
export class Deliveries {
  readonly #tools: DeliveriesTools;
  readonly #sending = new Set<string>();
  readonly #sent: Sent = { answered: 0, "not-executed": 0, hopeless: 0, unknown: 0, retries: 0 };
  /** What could not be announced, until when that is not tried again, and how often in a row. */
  readonly #unheard = new Set<string>();
  #unheardUntil = 0;
  #unheardTimes = 0;
  #pumping: Promise<void> | undefined;
  #isAgain = false;

  constructor(tools: DeliveriesTools) {
    this.#tools = tools;
  }

  /** How many are being sent, and how earlier ones have ended. */
  get status(): { sending: number; sent: Sent } {
    return { sending: this.#sending.size, sent: { ...this.#sent } };
  }

  /** Whether anything may be gained by looking: there is room, and nobody is left alone. */
  get canSend(): boolean {
    return this.#free > 0 && this.#tools.readiness.restMs === 0 && this.#unheardMs === 0;
  }

  /** When to look again at what cannot be sent now. */
  get againAt(): number {
    const { now, readiness } = this.#tools;
    return now() + (this.#free > 0 ? Math.max(readiness.restMs, this.#unheardMs) : BUSY_MS);
  }

  /** Has all that can be sent sent. Resolves when there is nothing more to begin, for now. */
  pump(): Promise<void> {
    this.#isAgain = true;
    return (this.#pumping ??= this.#pump());
  }

  /** What follows from that an operation is not as it was, for whatever reason. */
  async changed(operation: Operation, outcome?: OperationOutcome): Promise<void> {
    const { told, answers, reach, report } = this.#tools;
    const { id, tool, state, reason, isQueued, orderKey } = operation;
    if (isQueued) told.queueChanged();
    if (isQueued && !isPending(operation)) told.changed(id);
    const isNowStuck = isStuck(operation);
    if (isNowStuck) {
      report({ type: "outbox-stuck", origin: reach.origin?.id ?? "-", tool, id, state, reason: reason ?? "-" });
    }
    if (told.hasNews) await told.tell();
    await answers.settle(operation, outcome);
    if (isNowStuck) await answers.lookParked(orderKey);
  }

  get #free(): number {
    const most = Math.min(MOST_AT_ONCE, this.#tools.reach.origin?.concurrency ?? MOST_AT_ONCE);
    return most - this.#sending.size;
  }

  async #pump(): Promise<void> {
    const { arm } = this.#tools;
    try {
      // Who asks while the alarm is armed has something new.
      do {
        this.#isAgain = false;
        await this.#look();
        if (!this.#isAgain) await arm();
      } while (this.#isAgain);
    } catch (error) {
      await arm();
      throw error;
    } finally {
      // At once: who asks after this is not to be told to wait for what is over.
      this.#pumping = undefined;
    }
  }

  async #look(): Promise<void> {
    const { desk, reach, readiness } = this.#tools;
    await this.#dropUnpromised();
    // Together, for where nothing can be told, each would wait for that.
    await Promise.all(desk.lapse().map((one) => this.changed(one)));
    if (!reach.origin || this.#free <= 0) return;
    if (readiness.restMs > 0) return this.#cannotSend();
    if (this.#unheardMs === 0) this.#unheard.clear();
    const batch = desk.next(this.#free, this.#sending.union(this.#unheard));
    if (batch.length === 0) return;
    if (!readiness.isReady && !(await readiness.look())) return this.#cannotSend();
    await this.#begin(batch);
  }

  /** What is past its time, and was neither sent nor promised, is as if it had never come: there is nothing to give up. */
  async #dropUnpromised(): Promise<void> {
    const { ledger, answers, readiness, now } = this.#tools;
    const retryAfterMs = Math.max(AGAIN_MS, Math.ceil(readiness.restMs));
    // None is left that would be given up in its stead: dead, it would hold its key until the operator comes.
    for (let areMore = true; areMore;) {
      const overdue = ledger.overdue(now(), MOST_DROPPED);
      let dropped = 0;
      for (const { id, isQueued } of overdue) {
        if (isQueued) continue;
        await answers.cannotSend(id, { why: "late", retryAfterMs });
        if (!ledger.get(id)) dropped++;
      }
      areMore = dropped > 0 && overdue.length === MOST_DROPPED;
    }
  }

  /** Begins to send those that may be sent. What was so a moment ago is looked at again when the lease is taken. */
  async #begin(batch: readonly Operation[]): Promise<void> {
    const { desk, told, readiness, now } = this.#tools;
    const [announced, all] = await Promise.all([
      this.#announce(batch),
      Promise.all(batch.map((one) => this.#args(one))),
    ]);
    for (const [nth, operation] of batch.entries()) {
      const isAnnounced = announced.has(operation.id);
      if (operation.isAwaited && operation.tags.length > 0 && !isAnnounced) {
        await this.#tools.answers.cannotSend(operation.id, { why: "not-announced" });
        if (this.#tools.ledger.get(operation.id)) this.#leaveUnheard(operation.id);
        continue;
      }
      const leased = readiness.isReady ? desk.lease(operation.id, now() + this.#callMs + MARGIN_MS) : undefined;
      if (leased) this.#tools.waitUntil(this.#deliver(leased, all[nth]));
      // One that may have been executed is under way until its announcement lapses.
      else if (isAnnounced && wasNeverSent(operation)) {
        told.conclude({ id: operation.id, tags: operation.tags, isApplied: false });
      }
    }
    if (announced.size > 0) this.#unheardTimes = 0;
    this.#isAgain = true;
  }

  /** It could not be announced: others may be sent meanwhile. */
  #leaveUnheard(id: string): void {
    if (this.#unheardMs === 0) {
      this.#unheardUntil = this.#tools.now() + Math.min(MAX_UNHEARD_MS, UNHEARD_MS * 2 ** this.#unheardTimes++);
    }
    this.#unheard.add(id);
  }

  /** How long nothing is announced again that could not be, in ms. A clock that was ahead does not count. */
  get #unheardMs(): number {
    const ms = this.#unheardUntil - this.#tools.now();
    return ms > 0 && ms <= MAX_UNHEARD_MS ? ms : 0;
  }

  async #announce(batch: readonly Operation[]): Promise<ReadonlySet<string>> {
    const lapseMs = this.#callMs + MARGIN_MS;
    const tagged = batch.filter(({ tags }) => tags.length > 0);
    return tagged.length === 0
      ? new Set()
      : this.#tools.told.announce(tagged.map(({ id, tags }) => ({ id, tags, lapseMs })));
  }

  async #args(operation: Operation): Promise<string | undefined> {
    const { ledger, reach } = this.#tools;
    const kept = ledger.payload(operation.id);
    return kept === undefined ? undefined : reach.sealing.openArguments(operation, kept);
  }

  /** Sends one, and writes down what came of it. Never throws. */
  async #deliver(leased: Operation, args: string | undefined): Promise<void> {
    const { id, attempts } = leased;
    this.#sending.add(id);
    if (attempts > 1) this.#sent.retries++;
    try {
      const ending: Ending =
        args === undefined ? { kind: "hopeless", reason: "sealed" } : await this.#send(leased, args);
      this.#sent[ending.kind]++;
      await this.#settle(leased, ending);
    } catch (error) {
      // The lease is left to lapse: nobody knows more.
      this.#failed(error);
    } finally {
      this.#sending.delete(id);
    }
    await this.pump();
  }

  async #send(leased: Operation, args: string): Promise<Ending> {
    const { reach, readiness, answers, now, newId } = this.#tools;
    const { id, principal } = leased;
    const tooLong = new AbortController();
    const timer = setTimeout(() => tooLong.abort(), this.#callMs + SPARE_MS);
    const begunAt = now();
    try {
      const called = await deliver(leased, args, {
        calls: reach.calls,
        pool: await reach.poolOf(principal),
        parentId: newId().slice(16),
        abandoned: tooLong.signal,
        ...(answers.waiters.watches(id) && { told: (progress) => answers.waiters.tell(id, progress) }),
      });
      readiness.called(failureIn(called), begunAt);
      return endingOfCall(called);
    } finally {
      clearTimeout(timer);
    }
  }

  async #settle(leased: Operation, ending: Ending): Promise<void> {
    const { desk, reach, told } = this.#tools;
    const outcome = ending.kind === "answered" ? ending.outcome : undefined;
    const sealed = outcome && (await reach.sealing.sealOutcome(leased, outcome));
    let ended: Operation | undefined;
    try {
      ended = desk.end(leased, ending, sealed);
    } catch (error) {
      // There may be no room for the answer; that there was one is known.
      this.#failed(error);
      ended = desk.end(leased, { kind: "unknown", reason: "unusable-answer", isFinal: true });
    }
    if (!ended) return;
    const conclusion = conclusionOf(leased, ending);
    if (conclusion) told.conclude(conclusion);
    await this.changed(ended, ended.state === "done" ? outcome : undefined);
  }

  /** Nothing can be sent: whoever waits need not. */
  async #cannotSend(): Promise<void> {
    const { answers, readiness } = this.#tools;
    const refusal = { why: "down", retryAfterMs: Math.max(1, Math.ceil(readiness.restMs)) } as const;
    await Promise.all(answers.waiters.operations.map((id) => answers.cannotSend(id, refusal)));
  }

  /** How long a call may take. */
  get #callMs(): number {
    const { firstByteMs, totalMs } = this.#tools.reach.origin!;
    return firstByteMs + totalMs;
  }

  #failed(error: unknown): void {
    const { reach, report } = this.#tools;
    report({ type: "outbox-failed", origin: reach.origin?.id ?? "-", reason: reasonOf(error) });
  }
}

/** Why the origin gave no answer, where it gave none. */
function failureIn(called: Called): OriginFailure | undefined {
  if ("unsent" in called) return called.unsent;
  return "failure" in called.reply ? called.reply.failure : undefined;
}
