import { MAX_BUDGET_BYTES, TOKEN_BYTES } from "../config/bounds.ts";
import type { Budget } from "../config/replica.ts";
import type { OriginFailure } from "./failure.ts";

type OverBudget = Extract<OriginFailure, { kind: "over-budget" }>;

/** Measures one answer while it comes, and ends the call when it costs more than its budget. */
export class Meter {
  readonly #controller = new AbortController();
  readonly #limits: { failure: OverBudget; bytes: number };
  #over: OverBudget | undefined;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** Time runs from now on. */
  constructor(budget: Budget) {
    this.#limits = limitOf(budget);
    const { timeMs } = budget;
    if (timeMs === undefined) return;
    const failure: OverBudget = { kind: "over-budget", of: "time", most: timeMs };
    this.#timer = setTimeout(() => this.#end(failure), timeMs);
  }

  /** Aborted when the answer has cost too much: the call is to be ended. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What was too much, where something was. */
  get over(): OverBudget | undefined {
    return this.#over;
  }

  /** The response, measured as it is read. Its body breaks off where it becomes too much, before that piece. */
  measured(response: Response): Response {
    if (!response.body) return response;
    let read = 0;
    const measuring = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        read += chunk.length;
        if (read <= this.#limits.bytes) controller.enqueue(chunk);
        else {
          this.#end(this.#limits.failure);
          controller.error(new Error("an answer over its budget"));
        }
      },
      flush: () => this.stop(),
    });
    return new Response(response.body.pipeThrough(measuring), response);
  }

  /** The answer is there, or nobody waits for it any more. */
  stop(): void {
    clearTimeout(this.#timer);
  }

  #end(failure: OverBudget): void {
    this.stop();
    this.#over ??= failure;
    this.#controller.abort();
  }
}

/** That an answer of so many bytes is too large for its budget; `undefined` where it is not. */
export function overBudget(budget: Budget, size: number): OverBudget | undefined {
  const { failure, bytes } = limitOf(budget);
  return size > bytes ? failure : undefined;
}

/** What is too large, in the unit of the bound that is met first. */
function limitOf({ bytes = MAX_BUDGET_BYTES, tokens }: Budget): { failure: OverBudget; bytes: number } {
  const inTokens = (tokens ?? Number.POSITIVE_INFINITY) * TOKEN_BYTES;
  return inTokens < bytes
    ? { failure: { kind: "over-budget", of: "tokens", most: tokens! }, bytes: inTokens }
    : { failure: { kind: "over-budget", of: "bytes", most: bytes }, bytes };
}
