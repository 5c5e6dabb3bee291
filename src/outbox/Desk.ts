import type { OutboxLimits } from "../config/replica.ts";
import { RetryBudget } from "../origin/RetryBudget.ts";
import { advance, isWaiting, wasNeverSent, type OperationEvent } from "./advance.ts";
import { backoffMs } from "./backoff.ts";
import type { Ending } from "./Ending.ts";
import type { Amount, Ledger, Payload, StoredOutcome } from "./Ledger.ts";
import { Limits, sizeOf } from "./Limits.ts";
import type { Operation, OperationState } from "./Operation.ts";
import type { Refusal, Submission } from "./Submission.ts";

/** What is to be known of a call that is taken in, besides its arguments. */
export type SubmissionFacts = Omit<Submission, "origin" | "eras" | "args">;

/** What has become of a submission at the desk. */
export type Accepted =
  | { kind: "accepted"; operation: Operation }
  /** It had been taken before. `isReplay`: under the caller's key, with another call. */
  | { kind: "known"; operation: Operation; isReplay: boolean }
  | ({ kind: "refused" } & Extract<Refusal, { why: "full" | "principal-full" | "key-reused" }>);

/** Which operations a decision of the operator's was carried out for, and which not: there is none, it does not stand so, no room. */
export interface Decided {
  done: Operation[];
  refused: { id: string; why: "unknown" | "state" | "full" }[];
}

/** What was found at the start of the object. */
export interface Recovered {
  /** They were being sent: ambiguous now, to be tried again, or dead. */
  lost: Operation[];
  /** Nobody was told of them: they are gone. */
  removed: Operation[];
}

/** How the outbox stands. Times are epoch ms. */
export interface DeskStatus {
  counts: Record<OperationState, number>;
  /** Of what is open. */
  amount: Amount;
  /** When the oldest that is pending was accepted. */
  oldestAt: number | undefined;
}

/** What a desk works with: the clock in epoch ms, chance from 0 to 1. `limits` count until a submission brings its own. */
export interface DeskParts {
  ledger: Ledger;
  limits?: OutboxLimits;
  now: () => number;
  random: () => number;
}

/** How many are given up, or forgotten, in one go. */
const BATCH = 100;
/**
 * How long it is known what its caller has heard of while it waited: longer than an isolate waits that has lost the object
 * and asks once more, and any isolate does that within three quarters of an hour.
 */
const HEARD_MS = 3_600_000;
/** How often `next` looks for others in place of those that have to rest. */
const MAX_ROUNDS = 20;
/** How many tags of queued writes are told apart. */
const MAX_TAGS = 1_000;

/**
 * Decides what becomes of the writes of an origin: which are taken, which may be sent now, what follows from how that has ended.
 * All it knows is in the ledger, but for the retry budget; each method is one transaction. It sends nothing, and waits for nothing:
 * whoever sends takes the lease first, and never sends without.
 */
export class Desk {
  readonly #ledger: Ledger;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #budget = new RetryBudget();
  readonly #limits: Limits;

  constructor({ ledger, limits, now, random }: DeskParts) {
    this.#ledger = ledger;
    this.#now = now;
    this.#random = random;
    this.#limits = new Limits(ledger, limits);
  }

  /** The limits that count now. */
  get limits(): Readonly<OutboxLimits> {
    return this.#limits.current;
  }

  /**
   * Takes a call in, once: the same id, or the same key of the caller's with the same arguments, is the operation that there is.
   * `payload` counts with its size, in bytes.
   */
  accept(facts: SubmissionFacts, payload: Payload, now = this.#now()): Accepted {
    return this.#ledger.transaction((): Accepted => {
      this.#limits.take(facts.limits);
      const known = this.#known(facts);
      if (known !== undefined) return known;
      const bytes = sizeOf(payload);
      const why = this.#limits.lackingFor(facts.principal, bytes) ?? this.#limits.lackingToKeep(facts.principal, bytes);
      if (why !== undefined) return { kind: "refused", why, retryAfterMs: this.#limits.retryAfterMs(now) };
      const { id, principal, tool, orderKey, ifStuck, idempotency, tags, isAwaited, key, digest } = facts;
      const operation = this.#ledger.insert(
        {
          id,
          principal,
          tool,
          orderKey,
          ifStuck,
          idempotency,
          tags,
          isAwaited,
          bytes,
          isQueued: facts.isAtOnce,
          state: "accepted",
          attempts: 0,
          acceptedAt: now,
          updatedAt: now,
          dueAt: now,
          // Nothing is sent later than its caller waits, unless that was promised.
          givesUpAt: now + (facts.otherwise === "queue" ? this.limits.maxAgeMs : facts.patienceMs),
        },
        payload,
        key === undefined ? undefined : { principal, tool, key, digest },
      );
      return { kind: "accepted", operation };
    });
  }

  /** The caller is about to be told that it will be sent: from now on it is, or the caller can read why not. `undefined`: there is no such operation. */
  promise(id: string): Operation | undefined {
    return this.#change(id, ({ acceptedAt }) => ({ kind: "promise", givesUpAt: acceptedAt + this.limits.maxAgeMs }));
  }

  /** Makes it as if it had never come. `false`: it is not there, was sent already, or its caller was promised that it will be. */
  withdraw(id: string): boolean {
    return this.#ledger.transaction(() => {
      const operation = this.#ledger.get(id);
      if (operation === undefined || operation.isQueued || !wasNeverSent(operation)) return false;
      this.#ledger.remove(id);
      return true;
    });
  }

  /** Takes a principal's own operation back, if it was never sent. How it stands then; `undefined`: it has none of that id. */
  cancel(id: string, principal: string): Operation | undefined {
    return this.#change(id, () => ({ kind: "cancel" }), principal);
  }

  /** By the operator: they are not to be sent any more. Not those that are being sent, or are over. */
  discard(ids: readonly string[], why: string): Decided {
    return this.#decide(ids, () => ({ kind: "discard", why }));
  }

  /** By the operator: those that are dead, ambiguous or discarded are sent again, whatever became of them before. */
  redrive(ids: readonly string[]): Decided {
    const givesUpAt = this.#now() + this.limits.maxAgeMs;
    return this.#decide(ids, (operation) => {
      // What is discarded has no place in the queue any more.
      const lacksRoom =
        operation.state === "discarded" && this.#limits.lackingFor(operation.principal, operation.bytes) !== undefined;
      return lacksRoom ? undefined : { kind: "redrive", givesUpAt };
    });
  }

  /** By the operator: what waits to be tried again is due now, `limit` at most. How many there were. */
  hurry(limit = BATCH): number {
    return this.#ledger.transaction(() => {
      const now = this.#now();
      const resting = this.#ledger.due(Number.MAX_SAFE_INTEGER, limit).filter(({ dueAt }) => dueAt > now);
      for (const operation of resting) this.#advance(operation, { kind: "rest", until: now });
      return resting.length;
    });
  }

  /**
   * What may be sent now, `free` at most, the longest due first; none of `except`, which are on their way already. Those
   * that the retry budget does not suffice for are due later.
   */
  next(free: number, except: ReadonlySet<string> = new Set()): Operation[] {
    return this.#ledger.transaction(() => {
      const now = this.#now();
      const sent = this.#keysBeingSent();
      const found = new Map<string, Operation>();
      let hasRested = true;
      for (let round = 0; free > 0 && hasRested && round < MAX_ROUNDS; round++) {
        hasRested = false;
        for (const operation of this.#ledger.due(now, free + sent.size + except.size)) {
          const isNews = !found.has(operation.id) && !except.has(operation.id) && found.size < free;
          if (!isNews || !this.#isSendable(operation, sent, now)) continue;
          if (operation.state === "retry" && this.#budget.waitMs(now) > 0) hasRested = this.#rest(operation, now);
          else found.set(operation.id, operation);
        }
      }
      return [...found.values()];
    });
  }

  /**
   * To be taken before it is sent: nobody else sends it until then (epoch ms). `undefined`: it must not be sent now, for
   * what has happened since `next`.
   */
  lease(id: string, until: number): Operation | undefined {
    return this.#ledger.transaction(() => {
      const now = this.#now();
      const operation = this.#ledger.get(id);
      if (operation === undefined || !this.#isSendable(operation, this.#keysBeingSent(), now)) return undefined;
      if (this.#ledger.blockedBy(operation) !== undefined) return undefined;
      if (operation.state === "retry" && !this.#budget.take(now)) {
        this.#rest(operation, now);
        return undefined;
      }
      if (operation.attempts === 0) this.#budget.called(now);
      return this.#advance(operation, { kind: "lease", until });
    });
  }

  /**
   * How sending it has ended. `leased` is what `lease` has given: of a lease that is over nothing counts any more but an answer.
   * `outcome`: the answer as it is to be kept, where it is sealed. How it stands then; `undefined`: it is not there any more.
   */
  end(
    leased: Pick<Operation, "id" | "attempts" | "leaseUntil">,
    ending: Ending,
    outcome: StoredOutcome | undefined = ending.kind === "answered" ? ending.outcome : undefined,
  ): Operation | undefined {
    return this.#ledger.transaction(() => {
      const operation = this.#ledger.get(leased.id);
      if (operation === undefined) return undefined;
      const { state, attempts, leaseUntil } = operation;
      const isLate = state !== "leased" || attempts !== leased.attempts || leaseUntil !== leased.leaseUntil;
      return this.#advance(operation, { kind: "end", ending, isLate }, outcome) ?? operation;
    });
  }

  /** At the start of the object: nothing is being sent now, and those to whom nothing was promised wait no more. */
  recover(): Recovered {
    return this.#ledger.transaction(() => {
      const lost = this.#ledger.leased().flatMap((operation) => this.#advance(operation, { kind: "lose" }) ?? []);
      const removed = this.#ledger.unpromised();
      for (const { id } of removed) this.#ledger.remove(id);
      return { lost, removed };
    });
  }

  /** Ends the leases that are over, and gives up what is past its time. Which they were, as they stand now. */
  lapse(): Operation[] {
    return this.#ledger.transaction(() => {
      const now = this.#now();
      const lapsed = this.#ledger.leased().filter(({ leaseUntil = 0 }) => leaseUntil <= now);
      return [
        ...lapsed.flatMap((operation) => this.#advance(operation, { kind: "lose" }) ?? []),
        ...this.#ledger.overdue(now, BATCH).flatMap((operation) => this.#advance(operation, { kind: "expire" }) ?? []),
      ];
    });
  }

  /** Forgets what is over for long enough; sooner, what its caller has heard of while it waited. How many there were. */
  forget(): number {
    return this.#ledger.transaction(() => {
      const now = this.#now();
      return this.#ledger.forget(now - this.limits.retentionMs, BATCH, now - this.#heardMs);
    });
  }

  /**
   * When something is to be done next (epoch ms); `undefined`: nothing, unless something happens. `canSend: false`: while
   * nothing could be sent anyway, what is due does not count; leases, and what is to be given up or forgotten, do.
   */
  dueAt(canSend = true): number | undefined {
    const ledger = this.#ledger;
    const [overAt, heardAt] = [ledger.oldestOverAt(), ledger.oldestHeardAt()];
    const times = [
      canSend ? this.#nextSendAt() : undefined,
      ledger.nextGiveUpAt(),
      overAt === undefined ? undefined : overAt + this.limits.retentionMs,
      heardAt === undefined ? undefined : heardAt + this.#heardMs,
      ...ledger.leased().map(({ leaseUntil }) => leaseUntil),
    ].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** How many queued writes wait for each tag; where there are too many tags, how many there are for all of the origin. */
  pendingTags(): Record<string, number> {
    const tags = this.#ledger.pendingTags(MAX_TAGS + 1);
    if (tags.size <= MAX_TAGS) return Object.fromEntries(tags);
    const { accepted, leased, retry } = this.#ledger.counts();
    return { origin: accepted + leased + retry };
  }

  status(): DeskStatus {
    const ledger = this.#ledger;
    return { counts: ledger.counts(), amount: ledger.amount(), oldestAt: ledger.oldestAt() };
  }

  get #heardMs(): number {
    return Math.min(HEARD_MS, this.limits.retentionMs);
  }

  #known({ id, principal, tool, key, digest }: SubmissionFacts): Accepted | undefined {
    const same = this.#ledger.get(id);
    // Ids are random: another's is nobody's who is honest.
    if (same !== undefined && same.principal !== principal) return { kind: "refused", why: "key-reused" };
    if (same !== undefined) return { kind: "known", operation: same, isReplay: false };
    if (key === undefined) return undefined;
    const before = this.#ledger.known({ principal, tool, key });
    const operation = before === undefined ? undefined : this.#ledger.get(before.id);
    if (before === undefined || operation === undefined) return undefined;
    return before.digest === digest
      ? { kind: "known", operation, isReplay: true }
      : { kind: "refused", why: "key-reused" };
  }

  #isSendable(operation: Operation, sent: ReadonlySet<string>, now: number): boolean {
    const { orderKey, dueAt, givesUpAt } = operation;
    // One that was redriven may be older than one of its key that is being sent.
    return isWaiting(operation) && dueAt <= now && givesUpAt > now && (orderKey === null || !sent.has(orderKey));
  }

  #keysBeingSent(): Set<string> {
    return new Set(this.#ledger.leased().flatMap(({ orderKey }) => (orderKey === null ? [] : [orderKey])));
  }

  /** There is no budget to try it again now. Those that wait for it do not all come back at once. */
  #rest(operation: Operation, now: number): true {
    const ms = Math.max(this.#budget.waitMs(now), backoffMs(operation.attempts, this.#random()));
    this.#advance(operation, { kind: "rest", until: now + ms });
    return true;
  }

  #nextSendAt(): number | undefined {
    const sent = this.#keysBeingSent();
    // A key has one head: so no more of these than there are keys can have to wait for one that is being sent.
    const next = this.#ledger.due(Number.MAX_SAFE_INTEGER, sent.size + 1);
    return next.find(({ orderKey }) => orderKey === null || !sent.has(orderKey))?.dueAt;
  }

  /** `principal`: it is whose it must be. */
  #change(id: string, event: (operation: Operation) => OperationEvent, principal?: string): Operation | undefined {
    return this.#ledger.transaction(() => {
      const operation = this.#ledger.get(id);
      if (operation === undefined || (principal !== undefined && operation.principal !== principal)) return undefined;
      return this.#advance(operation, event(operation)) ?? operation;
    });
  }

  #decide(ids: readonly string[], event: (operation: Operation) => OperationEvent | undefined): Decided {
    return this.#ledger.transaction(() => {
      const decided: Decided = { done: [], refused: [] };
      for (const id of ids) {
        const operation = this.#ledger.get(id);
        const happens = operation === undefined ? undefined : event(operation);
        const next = operation === undefined || happens === undefined ? undefined : this.#advance(operation, happens);
        if (next !== undefined) decided.done.push(next);
        else if (operation === undefined) decided.refused.push({ id, why: "unknown" });
        else decided.refused.push({ id, why: happens === undefined ? "full" : "state" });
      }
      return decided;
    });
  }

  #advance(operation: Operation, event: OperationEvent, outcome?: StoredOutcome): Operation | undefined {
    const next = advance(operation, event, { now: this.#now(), random: this.#random() });
    if (next === undefined) return undefined;
    if (next.state !== "done" || outcome === undefined) this.#ledger.update(next);
    // From now on both are kept.
    else this.#ledger.update({ ...next, bytes: next.bytes + sizeOf(outcome) }, outcome);
    return next;
  }
}
