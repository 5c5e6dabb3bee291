import { Desk, type SubmissionFacts } from "../../../../src/outbox/Desk.ts";
import type { Ending } from "../../../../src/outbox/Ending.ts";
import { isPending, type Operation } from "../../../../src/outbox/Operation.ts";
import { randomFrom } from "../../../support/randomFrom.ts";
import { hold } from "./hold.ts";
import { HEARD_MS, hasRoom, isLeaseOf, LIMITS, STUCK, storyOf, type Story } from "./story.ts";
import { WatchedLedger } from "./WatchedLedger.ts";

export const PATIENCE_MS = 60_000;
const LEASE_MS = 90_000;
/** So long after an answer the origin counts as ready. */
const FRESH_MS = 10_000;
/** Fewer than there may be operations. */
const BERTHS = 3;

/** What the origin does with a request that has reached it. */
export type Behaviour =
  | "answers"
  | "answers-error"
  | "refuses"
  | "refuses-for-long"
  | "is-hopeless"
  | "breaks-off"
  | "executes-and-breaks-off"
  | "makes-a-task"
  | "executes-and-hangs";

/** A request on its way: it outlives the object that has made it. */
export interface Request {
  /** As it was leased. */
  leased: Operation;
  /** The origin dedups by it. */
  key: string | undefined;
}

/** What the object knows of one that it sends: lost with it. */
interface Delivery {
  leased: Operation;
  isSent: boolean;
  /** Its lease has run out. */
  isLapsed: boolean;
  ending?: Ending;
}

class Crash extends Error {}

/**
 * An outbox's desk and ledger, and around them all that happens to them: callers, an object that is lost, an origin, requests
 * on their way, an alarm, a clock that is set. Each step ends after one durable write at most.
 */
export class OutboxWorld {
  readonly ledger = new WatchedLedger((isHeard) => this.now - (isHeard ? HEARD_MS : LIMITS.retentionMs));
  readonly stories = new Map<string, Story>();
  /** What the origin has executed, by the ordering key: the seqs, each once. */
  readonly executed = new Map<string, number[]>();
  /** What has happened, of what happens seldom. */
  readonly reached = this.ledger.reached;
  now = 1_800_000_000_000;
  isUp = true;
  requests: Request[] = [];
  /** Of the object; lost with it. */
  deliveries: Delivery[] = [];
  announcing: string[] = [];
  waiting: string[] = [];
  lastAnswerAt = 0;
  #desk: Desk | undefined;
  #random: () => number;
  #ids = 0;
  /** After how many durable changes the object is lost. */
  #writesLeft = Number.POSITIVE_INFINITY;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
    this.ledger.onWrite = () => {
      if (this.#writesLeft-- <= 0) throw new Crash();
    };
  }

  /** Whether the object is there, with what it has in memory. */
  get isAwake(): boolean {
    return this.#desk !== undefined;
  }

  random(): number {
    return this.#random();
  }

  /** Does something at the desk, of an object that is started for it where there is none. `undefined`: it was lost meanwhile. */
  at<T>(work: (desk: Desk) => T): T | undefined {
    try {
      this.#desk ??= this.#start();
      return work(this.#desk);
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
      this.reached.add("lost within a transaction");
      this.crash();
      return undefined;
    }
  }

  crash(): void {
    this.#desk = undefined;
    this.#writesLeft = Number.POSITIVE_INFINITY;
    this.deliveries = [];
    this.announcing = [];
    this.waiting = [];
    this.lastAnswerAt = 0;
  }

  /** Loses the object within the next transaction that makes so many changes, or more. */
  crashAfter(writes: number): void {
    this.#writesLeft = writes;
  }

  /** A new call, or one that is made once more with the same id. */
  submit(call: Omit<SubmissionFacts, "id" | "limits" | "patienceMs">, payload: string): void {
    const id = `op-${++this.#ids}`;
    const { idempotency } = call;
    const keyed = idempotency.kind === "argument" || idempotency.kind === "header";
    const facts: SubmissionFacts = {
      ...call,
      idempotency: keyed ? { ...idempotency, key: `key of ${id}` } : idempotency,
      id,
      limits: LIMITS,
      patienceMs: PATIENCE_MS,
    };
    this.resubmit(facts, payload);
  }

  resubmit(facts: SubmissionFacts, payload: string): void {
    const { principal, tool, key, digest } = facts;
    const found = this.at((desk) => {
      // As it stands when the object has started.
      const under = this.ledger
        .operations()
        .filter(({ id }) => key !== undefined && this.stories.get(id)?.facts.key === key)
        .find((one) => one.principal === principal && one.tool === tool && one.state !== "cancelled");
      return { under, same: this.ledger.get(facts.id), accepted: desk.accept(facts, payload) };
    });
    if (found === undefined) return;
    const { under, same, accepted } = found;
    if (accepted.kind === "refused") {
      const { why } = accepted;
      this.reached.add(why);
      if (why === "full") hold(!hasRoom(this.ledger.amount(), payload, LIMITS.depth, LIMITS.bytes), "there is no room");
      const own = this.ledger.amount(principal);
      if (why === "principal-full") {
        hold(!hasRoom(own, payload, LIMITS.callerDepth, LIMITS.callerBytes), "there is no room for one of its own");
      }
      const isReused = under !== undefined && this.stories.get(under.id)?.facts.digest !== digest;
      hold(
        (why === "key-reused") === (isReused && same === undefined),
        `${facts.id} is refused for its key as it ought to be`,
      );
      return;
    }
    const { operation } = accepted;
    if (accepted.kind === "known" && accepted.isReplay) this.reached.add("a replay");
    hold((accepted.kind === "accepted") === (same === undefined && under === undefined), "a call is taken in once");
    hold(operation.id === (same ?? under ?? facts).id, "a key means one operation");
    const isTakenIn = accepted.kind === "accepted" || same !== undefined;
    hold(isTakenIn || this.story(operation.id).facts.digest === digest, "a key means one call");
    if (accepted.kind === "accepted") this.stories.set(facts.id, storyOf(facts, payload));
    const story = this.story(operation.id);
    if (operation.isQueued && isPending(operation)) story.isPromised = true;
    else if (isPending(operation)) this.waiting.push(operation.id);
  }

  /** A caller has waited for long enough, or has gone. */
  giveUpWaiting(at: number, hasGone: boolean): void {
    const id = this.waiting[at]!;
    const story = this.story(id);
    const operation = this.ledger.get(id);
    const isOnItsWay = operation === undefined || operation.attempts > 0;
    // It goes on, and whoever waits for it goes on to wait.
    if (isOnItsWay && !hasGone) return;
    this.waiting.splice(at, 1);
    if (isOnItsWay) return;
    if (!hasGone && story.facts.otherwise === "queue") {
      const promised = this.at((desk) => desk.promise(id));
      if (promised?.isQueued === true && isPending(promised)) story.isPromised = true;
      return;
    }
    if (this.waiting.includes(id)) return;
    const isGone = this.at((desk) => desk.withdraw(id));
    if (isGone === true) {
      hold(this.ledger.get(id) === undefined, "what was withdrawn is gone");
      story.isRefused = true;
    }
  }

  /** Word that its caller has gone, which may come when it was promised meanwhile, or sent. */
  leave(id: string): void {
    if (this.waiting.includes(id)) return;
    if (this.at((desk) => desk.withdraw(id)) === true) this.story(id).isRefused = true;
  }

  cancel(id: string, principal: string): void {
    const operation = this.at((desk) => desk.cancel(id, principal));
    hold(operation === undefined || operation.principal === principal, "nobody sees another's operation");
    hold(operation === undefined || operation.state === this.ledger.get(id)?.state, "it is told how it stands");
    if (operation?.state === "cancelled") this.story(id).isRefused = true;
  }

  /** The object is woken: ends what is over, and looks for what can be sent. */
  wake(): void {
    const lapsed = this.at((desk) => desk.lapse());
    for (const { id } of lapsed ?? []) {
      this.story(id).notBefore = this.now + 1_000;
      for (const delivery of this.deliveries) delivery.isLapsed ||= delivery.leased.id === id;
    }
    const hasLapsed = this.ledger.leased().every(({ leaseUntil }) => leaseUntil! > this.now);
    hold(lapsed === undefined || hasLapsed, "no lease is longer than it is");
    this.at((desk) => desk.forget());
    this.pump();
  }

  pump(): void {
    // An answer of late, or a probe now, shows that it can be asked.
    if (!this.isUp && this.now - this.lastAnswerAt > FRESH_MS) return;
    const free = BERTHS - this.deliveries.length - this.announcing.length;
    const next = this.at((desk) => desk.next(free, new Set(this.announcing)));
    if (next === undefined) return;
    hold(next.length <= Math.max(0, free), "no more is sent at a time than may be");
    hold(!next.some(({ id }) => this.announcing.includes(id)), "nothing is begun twice");
    this.announcing.push(...next.map(({ id }) => id));
  }

  /** What was announced is leased, if it may still be. */
  lease(at: number, isAnnounced: boolean): void {
    const [id] = this.announcing.splice(at, 1);
    if (!isAnnounced) return;
    const before = this.ledger.get(id!);
    const leased = this.at((desk) => desk.lease(id!, this.now + LEASE_MS));
    if (leased === undefined) return;
    const story = this.story(id!);
    hold(before !== undefined && before.dueAt <= this.now, `${id} is sent when it is due`);
    hold(this.now >= story.notBefore, `${id} is left alone for as long as was asked for`);
    hold(this.now < before.givesUpAt, `${id} is sent in its time`);
    hold(
      before.isQueued || this.now < before.acceptedAt + PATIENCE_MS || story.facts.otherwise === "queue",
      "nothing is sent later that was not promised",
    );
    const isWanted = before.attempts > 0 || before.isQueued || this.waiting.includes(id!);
    hold(isWanted, `${id} is sent, for somebody waits for it`);
    const isRival = (one: Delivery) =>
      !one.isLapsed && (one.leased.id === id || (one.leased.orderKey ?? {}) === leased.orderKey);
    hold(!this.deliveries.some(isRival), `${id} is sent when nothing of its key is`);
    hold(this.ledger.get(id!)?.state === "leased", "the lease is written before it is sent");
    story.leases++;
    this.deliveries.push({ leased, isSent: false, isLapsed: false });
  }

  send(at: number): void {
    const delivery = this.deliveries.filter(({ isSent }) => !isSent)[at]!;
    delivery.isSent = true;
    const { idempotency } = delivery.leased;
    const key = "key" in idempotency ? idempotency.key : undefined;
    this.requests.push({ leased: delivery.leased, key });
  }

  /** A request reaches the origin, also one that nobody waits for any more. */
  arrive(at: number, behaviour: Behaviour): void {
    const [request] = this.requests.splice(at, 1);
    const { leased } = request!;
    const delivery = this.deliveries.find((one) => one.leased === leased);
    const ending = this.isUp
      ? this.#do(request!, behaviour)
      : { kind: "unknown" as const, reason: "no-answer" as const };
    if (ending !== undefined && delivery !== undefined) delivery.ending ??= ending;
  }

  /** Nobody waits for it any longer; it may arrive all the same. */
  timeOut(at: number): void {
    this.deliveries[at]!.ending ??= { kind: "unknown", reason: "timeout" };
  }

  /** How it has ended is written down. */
  settle(at: number): void {
    const delivery = this.deliveries.filter(({ ending }) => ending !== undefined)[at]!;
    const { leased, ending } = delivery;
    const before = this.ledger.get(leased.id);
    const isCurrent = isLeaseOf(before, leased);
    const operation = this.at((desk) => desk.end(leased, ending!));
    this.deliveries = this.deliveries.filter((one) => one !== delivery);
    if (operation === undefined) return;
    const isFinal = ending!.kind === "hopeless" || (ending!.kind === "unknown" && ending!.isFinal === true);
    if (isCurrent && isFinal) hold(STUCK.has(operation.state), `${leased.id} is not tried again in vain`);
    const isOthers = !isCurrent && before?.state === "leased";
    if (isOthers) hold(isLeaseOf(operation, before), `${leased.id} is still being sent by another`);
    if (isOthers) this.reached.add("an ending of an earlier lease");
    if (ending!.kind === "answered") this.lastAnswerAt = this.now;
    const story = this.story(leased.id);
    const { retryAfterMs = 0 } = { retryAfterMs: 0, ...ending! };
    if (isCurrent) story.notBefore = this.now + Math.max(1_000, retryAfterMs);
    if (!isPending(operation)) this.waiting = this.waiting.filter((id) => id !== operation.id);
  }

  redrive(ids: readonly string[]): void {
    const decided = this.at((desk) => desk.redrive(ids));
    for (const { id } of decided?.done ?? []) {
      const story = this.story(id);
      story.redrives++;
      story.isPromised = true;
      story.isExcused = true;
      story.notBefore = 0;
    }
  }

  discard(ids: readonly string[]): void {
    const decided = this.at((desk) => desk.discard(ids, "it is not wanted"));
    for (const { id } of decided?.done ?? []) this.story(id).isExcused = true;
  }

  hurry(): void {
    this.at((desk) => {
      desk.hurry();
      for (const { id } of this.ledger.operations()) this.story(id).notBefore = 0;
    });
  }

  story(id: string): Story {
    const story = this.stories.get(id);
    hold(story !== undefined, `${id} is known`);
    return story;
  }

  #start(): Desk {
    const desk = new Desk({ ledger: this.ledger, now: () => this.now, random: () => this.#random() });
    const { lost, removed } = desk.recover();
    hold(this.ledger.leased().length === 0, "nothing is being sent at the start");
    if (lost.length > 0) this.reached.add("lost at the start");
    if (removed.length > 0) this.reached.add("removed at the start");
    for (const { id } of removed) hold(!this.story(id).isPromised, `${id} was promised`);
    for (const { id } of lost) this.story(id).notBefore = this.now + 1_000;
    return desk;
  }

  #do({ leased, key }: Request, behaviour: Behaviour): Ending | undefined {
    const story = this.story(leased.id);
    const text = `${leased.id} ${leased.attempts} ${behaviour}`;
    const outcome = {
      kind: behaviour === "answers" ? ("result" as const) : ("error" as const),
      text,
      era: "modern" as const,
    };
    switch (behaviour) {
      case "answers":
        this.#execute(leased, key);
        story.answers.add(text);
        return { kind: "answered", outcome };
      case "answers-error":
        story.answers.add(text);
        return { kind: "answered", outcome };
      case "refuses":
        return { kind: "not-executed", reason: "origin-refused" };
      case "refuses-for-long":
        return { kind: "not-executed", reason: "origin-refused", retryAfterMs: 600_000 };
      case "is-hopeless":
        return { kind: "hopeless", reason: "origin-refused" };
      case "breaks-off":
        return { kind: "unknown", reason: "no-answer", retryAfterMs: 2_000 };
      case "executes-and-breaks-off":
        this.#execute(leased, key);
        return { kind: "unknown", reason: "origin-failed" };
      case "makes-a-task":
        this.#execute(leased, key);
        return { kind: "unknown", reason: "unfinished", isFinal: true };
      case "executes-and-hangs":
        this.#execute(leased, key);
        return undefined;
    }
  }

  #execute(leased: Operation, key: string | undefined): void {
    const { id, orderKey, seq } = leased;
    const story = this.story(id);
    if (!isLeaseOf(this.ledger.get(id), leased)) this.reached.add("a late arrival");
    const isFirst = story.executions.length === 0;
    story.executions.push({ key });
    if (!isFirst) this.reached.add("a second execution");
    if (orderKey === null || !isFirst) return;
    const executed = this.executed.get(orderKey) ?? [];
    this.executed.set(orderKey, executed);
    // What nobody waits for any more arrives when it likes.
    if (isLeaseOf(this.ledger.get(id), leased) && !story.isExcused) {
      hold(!executed.some((other) => other > seq), `${id} is executed before those behind it`);
    }
    executed.push(seq);
  }
}
