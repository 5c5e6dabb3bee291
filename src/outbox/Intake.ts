import type { Answers } from "./Answers.ts";
import type { Desk } from "./Desk.ts";
import type { Progress } from "./deliver.ts";
import { isPending } from "./Operation.ts";
import type { Reach } from "./Reach.ts";
import type { Submission, Submitted } from "./Submission.ts";
import type { Waiter } from "./Waiters.ts";

/** What taking calls in needs. */
export interface IntakeTools {
  desk: Desk;
  reach: Reach;
  answers: Answers;
  /** Has what can be sent sent. */
  pump: () => void;
  waitUntil: (work: Promise<unknown>) => void;
}

/** As many of those who have left before they came are remembered. */
const LEFT = 1_000;

/** Takes calls in, and has their callers wait. */
export class Intake {
  readonly #tools: IntakeTools;
  /** The submissions of callers who have left before these came, or while they came. */
  readonly #left = new Set<string>();

  constructor(tools: IntakeTools) {
    this.#tools = tools;
  }

  /** Takes a call in, once, and waits for what becomes of it. `told` gets what the origin tells on the way. */
  async submit(submission: Submission, told?: (progress: Progress) => void): Promise<Submitted> {
    const { desk, reach, answers, pump, waitUntil } = this.#tools;
    const { origin: _, eras: __, args, ...facts } = submission;
    const { id, otherwise } = facts;
    reach.note(submission);
    const payload = await reach.sealing.sealArguments(submission, args);
    if (this.#left.delete(id)) return { kind: "refused", why: "cancelled" };
    const accepted = desk.accept(facts, payload);
    if (accepted.kind === "refused") return accepted;
    const { operation } = accepted;
    const isReplay = accepted.kind === "known" && accepted.isReplay;
    if (operation.state === "cancelled") return { kind: "refused", why: "cancelled" };
    if (!isPending(operation)) return { kind: "settled", operation: await answers.view(operation), isReplay };
    const waiter: Waiter = { submission: id, operation: operation.id, otherwise, isReplay, ...(told && { told }) };
    const submitted = answers.waiters.wait(waiter, submission.patienceMs, () => waitUntil(answers.late(waiter)));
    if (submission.isAtOnce) await answers.promise(operation.id, [waiter]);
    else await answers.parked(operation);
    pump();
    return submitted;
  }

  /** The caller of a submission has left: what was not sent yet, nor promised, is taken back, unless others wait for it. */
  leave(id: string): void {
    const { desk, answers } = this.#tools;
    const left = answers.waiters.leave(id);
    for (const { operation } of left) {
      if (answers.waiters.of(operation).length === 0) desk.withdraw(operation);
    }
    if (left.length > 0) return;
    this.#left.add(id);
    if (this.#left.size > LEFT) this.#left.delete(this.#left.values().next().value!);
  }
}
