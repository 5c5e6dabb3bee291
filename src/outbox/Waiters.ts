import type { Progress } from "./deliver.ts";
import type { Submission, Submitted } from "./Submission.ts";

/** Somebody who waits for what becomes of an operation. */
export interface Waiter extends Pick<Submission, "otherwise"> {
  /** The id of the submission, by which it may leave. */
  submission: string;
  /** The operation that it waits for: another's, where the caller has sent the same before. */
  operation: string;
  isReplay: boolean;
  /** Whether it has waited for long enough for it to be sent: from then on only for one that is being sent. */
  isLate?: boolean;
  /** Gets what the origin tells on the way; absent where nobody wants to hear of it. */
  told?: (progress: Progress) => void;
}

interface Held {
  waiter: Waiter;
  answer: (submitted: Submitted) => void;
  timer: ReturnType<typeof setTimeout>;
}

/** Those who wait for operations, in memory: who is lost with the object comes again, or has to ask. */
export class Waiters {
  readonly #bySubmission = new Map<string, Set<Held>>();
  readonly #byOperation = new Map<string, Set<Held>>();

  /** Waits; `late` is called where it is not answered within `patienceMs`. */
  wait(waiter: Waiter, patienceMs: number, late: () => void): Promise<Submitted> {
    return new Promise((answer) => {
      const held = { waiter, answer, timer: setTimeout(late, patienceMs) };
      put(this.#bySubmission, waiter.submission, held);
      put(this.#byOperation, waiter.operation, held);
    });
  }

  /** Those who wait for an operation. */
  of(operation: string): Waiter[] {
    return [...(this.#byOperation.get(operation) ?? [])].map(({ waiter }) => waiter);
  }

  /** The operations that anybody waits for. */
  get operations(): string[] {
    return [...this.#byOperation.keys()];
  }

  /** Whether anybody wants to hear of an operation's progress. */
  watches(operation: string): boolean {
    return this.of(operation).some(({ told }) => told);
  }

  /** Tells what the origin tells of an operation. */
  tell(operation: string, progress: Progress): void {
    for (const { told } of this.of(operation)) told?.(progress);
  }

  /** Answers one, who does not wait any more. */
  answer(waiter: Waiter, submitted: Submitted): void {
    for (const held of this.#byOperation.get(waiter.operation) ?? []) {
      if (held.waiter !== waiter) continue;
      this.#take(held);
      held.answer(submitted);
    }
  }

  /** Those of a submission, which are no more: they have left. */
  leave(submission: string): Waiter[] {
    const left = [...(this.#bySubmission.get(submission) ?? [])];
    for (const held of left) {
      this.#take(held);
      held.answer({ kind: "refused", why: "cancelled" });
    }
    return left.map(({ waiter }) => waiter);
  }

  #take(held: Held): void {
    clearTimeout(held.timer);
    drop(this.#bySubmission, held.waiter.submission, held);
    drop(this.#byOperation, held.waiter.operation, held);
  }
}

function put(map: Map<string, Set<Held>>, key: string, held: Held): void {
  const known = map.get(key);
  if (known) known.add(held);
  else map.set(key, new Set([held]));
}

function drop(map: Map<string, Set<Held>>, key: string, held: Held): void {
  const known = map.get(key);
  known?.delete(held);
  if (known?.size === 0) map.delete(key);
}
