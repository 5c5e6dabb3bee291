import { randomUUID } from "node:crypto";
import type { CallToolResult, InputRequests } from "@modelcontextprotocol/server";

/** How a task goes, as `tasks/get` tells it. */
type State =
  | { status: "working" | "cancelled" }
  | { status: "input_required"; inputRequests: InputRequests }
  | { status: "completed"; result: CallToolResult }
  | { status: "failed"; error: { code: number; message: string } };

interface Task {
  createdAt: string;
  lastUpdatedAt: string;
  state: State;
  /** What is still to be asked, by key. */
  asked: InputRequests;
  answered: (() => void) | undefined;
  cancel: AbortController;
}

/** What the work of a task may do. */
export interface Work {
  /** Aborted when the task is cancelled. */
  signal: AbortSignal;
  /** Asks the client, and waits until all is answered. */
  ask(requests: InputRequests): Promise<void>;
}

/** The tasks of an origin: tool calls that go on after their answer. */
export class Tasks {
  readonly #tasks = new Map<string, Task>();

  /** Starts a task. Returns the result that tells the client of it. */
  start(work: (work: Work) => Promise<CallToolResult>): Record<string, unknown> {
    const now = new Date().toISOString();
    const taskId = randomUUID();
    const cancel = new AbortController();
    const task: Task = {
      createdAt: now,
      lastUpdatedAt: now,
      state: { status: "working" },
      asked: {},
      answered: undefined,
      cancel,
    };
    this.#tasks.set(taskId, task);
    void work({ signal: cancel.signal, ask: (requests) => ask(task, requests) }).then(
      (result) => move(task, { status: "completed", result }),
      (error: Error) => move(task, { status: "failed", error: { code: -32603, message: error.message } }),
    );
    return { resultType: "task", taskId, ...describe(task), status: "working" };
  }

  /** What `tasks/get` says of a task, or `undefined` where there is no such task. */
  read(taskId: string): Record<string, unknown> | undefined {
    const task = this.#tasks.get(taskId);
    return task && { taskId, ...describe(task), ...task.state };
  }

  /** Takes answers of the client's. False where there is no such task. */
  update(taskId: string, responses: Record<string, unknown>): boolean {
    const task = this.#tasks.get(taskId);
    if (!task) return false;
    const left = Object.entries(task.asked).filter(([key]) => !Object.hasOwn(responses, key));
    if (left.length === Object.keys(task.asked).length) return true;
    task.asked = Object.fromEntries(left);
    if (left.length > 0) move(task, { status: "input_required", inputRequests: task.asked });
    else task.answered?.();
    return true;
  }

  /** Ends a task that is not over yet. False where there is no such task. */
  cancel(taskId: string): boolean {
    const task = this.#tasks.get(taskId);
    if (!task) return false;
    move(task, { status: "cancelled" });
    task.cancel.abort();
    return true;
  }

  /** Ends all of them. */
  close(): void {
    for (const taskId of this.#tasks.keys()) this.cancel(taskId);
  }
}

function describe({ createdAt, lastUpdatedAt }: Task): Record<string, unknown> {
  return { createdAt, lastUpdatedAt, ttlMs: 300_000, pollIntervalMs: 100 };
}

/** Sets the state, except on a task that is over: a late result changes nothing. */
function move(task: Task, state: State): void {
  if (["completed", "failed", "cancelled"].includes(task.state.status)) return;
  task.state = state;
  task.lastUpdatedAt = new Date().toISOString();
}

async function ask(task: Task, requests: InputRequests): Promise<void> {
  task.asked = requests;
  const { promise, resolve } = Promise.withResolvers<void>();
  task.answered = resolve;
  move(task, { status: "input_required", inputRequests: requests });
  await promise;
  move(task, { status: "working" });
}
