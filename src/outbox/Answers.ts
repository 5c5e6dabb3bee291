import type { Desk } from "./Desk.ts";
import type { Ledger } from "./Ledger.ts";
import { isOpen, isPending, type Operation, type OperationOutcome } from "./Operation.ts";
import type { Reach } from "./Reach.ts";
import type { OperationView, Refusal } from "./Submission.ts";
import type { Told } from "./Told.ts";
import { Waiters, type Waiter } from "./Waiters.ts";

/** What answering callers needs. */
export interface AnswersTools {
  ledger: Ledger;
  desk: Desk;
  reach: Reach;
  told: Told;
  /** How long the origin is left alone, in ms. */
  restMs: () => number;
  /** Sees to it that what is promised is done, whatever becomes of the object. */
  arm: () => Promise<void>;
}

/** A caller that has waited in vain is told to come again after this at least. */
const AGAIN_MS = 1_000;

/** Whether those behind it wait for the operator. */
export function isStuck({ state }: Pick<Operation, "state">): boolean {
  return state === "ambiguous" || state === "dead";
}

/** An operation as it is told, but for its outcome. */
export function plainView(operation: Operation, retentionMs: number): OperationView {
  const { bytes: _, leaseUntil: __, ...told } = operation;
  return { ...told, ...(!isOpen(operation) && { until: operation.updatedAt + retentionMs }) };
}

/** What callers are told of their operations, and when. */
export class Answers {
  readonly waiters = new Waiters();
  readonly #tools: AnswersTools;

  constructor(tools: AnswersTools) {
    this.#tools = tools;
  }

  /** An operation as its caller is told of it. `outcome`: where it is at hand; else it is looked up. */
  async view(operation: Operation, outcome?: OperationOutcome): Promise<OperationView> {
    const { ledger, reach, desk } = this.#tools;
    const kept = outcome ?? (operation.state === "done" ? ledger.outcome(operation.id) : undefined);
    const opened = kept && (await reach.sealing.openOutcome(operation, kept));
    return { ...plainView(operation, desk.limits.retentionMs), ...(opened && { outcome: opened }) };
  }

  /** It is over, ambiguous or dead: whoever waits hears of it. Or it is to be sent again: nobody waits longer than he would. */
  async settle(operation: Operation, outcome?: OperationOutcome): Promise<void> {
    const waiting = this.waiters.of(operation.id);
    if (waiting.length === 0) return;
    if (isPending(operation)) return this.#late(operation.id, waiting);
    const view = await this.view(operation, outcome);
    for (const waiter of this.waiters.of(operation.id)) {
      const { isReplay } = waiter;
      const isBack = operation.state === "cancelled";
      const submitted = isBack
        ? ({ kind: "refused", why: "cancelled" } as const)
        : ({ kind: "settled", operation: view, isReplay } as const);
      this.waiters.answer(waiter, submitted);
    }
  }

  /**
   * It cannot be sent now: it is promised to those who would have it so, or is as if it had never come. One that is being
   * sent goes on, and so does one that was sent before and may not be promised: `refusal` would not be true of it.
   */
  async cannotSend(id: string, refusal: Refusal, waiting: readonly Waiter[] = this.waiters.of(id)): Promise<void> {
    const { ledger, desk } = this.#tools;
    const operation = ledger.get(id);
    if (operation?.state === "leased") return;
    if (operation && !isPending(operation)) return this.settle(operation);
    if (operation && (operation.isQueued || waiting.some(({ otherwise }) => otherwise === "queue"))) {
      return this.promise(id, waiting);
    }
    if (operation && !desk.withdraw(id)) return;
    for (const waiter of this.waiters.of(id)) this.waiters.answer(waiter, { kind: "refused", ...refusal });
  }

  /** Somebody has waited for long enough: unless it is being sent, it cannot be sent now. */
  async late(waiter: Waiter): Promise<void> {
    waiter.isLate = true;
    await this.#late(waiter.operation, [waiter]);
  }

  /** Promises that it will be sent. What promises is said when it is written down, and the alarm is armed. */
  async promise(id: string, waiting: readonly Waiter[]): Promise<void> {
    const { desk, told, arm } = this.#tools;
    if (!desk.promise(id)) return;
    told.queueChanged();
    await Promise.all([arm(), told.tell()]);
    await this.#tellPromised(id, waiting);
  }

  /** Those who wait behind one that is stuck do not wait for the operator. */
  async lookParked(orderKey: string | null): Promise<void> {
    if (orderKey === null) return;
    for (const id of this.waiters.operations) {
      const operation = this.#tools.ledger.get(id);
      if (operation?.orderKey === orderKey) await this.parked(operation);
    }
  }

  /** Whether it stands behind one that is stuck: then nobody waits for it. */
  async parked(operation: Operation): Promise<boolean> {
    const head = this.#tools.ledger.blockedBy(operation);
    if (!head || !isStuck(head)) return false;
    await this.cannotSend(operation.id, { why: "parked", id: head.id });
    return true;
  }

  async #late(id: string, waiting: readonly Waiter[]): Promise<void> {
    const late = waiting.filter(({ isLate }) => isLate);
    const retryAfterMs = Math.max(AGAIN_MS, Math.ceil(this.#tools.restMs()));
    if (late.length > 0) await this.cannotSend(id, { why: "late", retryAfterMs }, late);
  }

  async #tellPromised(id: string, waiting: readonly Waiter[]): Promise<void> {
    const { ledger } = this.#tools;
    const operation = ledger.get(id);
    if (!operation) return;
    // It may have been sent meanwhile.
    if (!isPending(operation)) return this.settle(operation);
    const view = await this.view(operation);
    for (const waiter of waiting) {
      this.waiters.answer(waiter, { kind: "queued", operation: view, isReplay: waiter.isReplay });
    }
  }
}
