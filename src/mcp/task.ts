import { CODE, TASKS_EXTENSION } from "./names.ts";

/** What a task is made of: an operation, as its caller is told of it. Times are epoch ms. */
export interface TaskFacts {
  id: string;
  tool: string;
  state: "accepted" | "leased" | "retry" | "ambiguous" | "dead" | "done" | "cancelled" | "discarded";
  reason?: string;
  /** In the operator's words: why it was discarded. */
  why?: string;
  acceptedAt: number;
  updatedAt: number;
  /** Until when it is remembered; `undefined` while it is open. */
  until?: number;
  /** The JSON of the result or the error, as modern callers are told it. */
  outcome?: { kind: "result" | "error"; text: string };
}

/** What else is known of it. */
export interface TaskTerms {
  /** For how long it is remembered when it is over, in ms. */
  retentionMs?: number;
  /** Whether the origin is down: then nothing comes of asking often. */
  isDown?: boolean;
}

/** The status of a task (tasks extension, SEP-2663). Nothing is ever asked for in the middle of one. */
export type TaskStatus = "working" | "completed" | "failed" | "cancelled";

/** A task as its creation tells of it. */
export interface Task {
  taskId: string;
  status: TaskStatus;
  statusMessage: string;
  createdAt: string;
  lastUpdatedAt: string;
  /** For how long it is remembered at least, in ms from `createdAt`. */
  ttlMs: number;
  pollIntervalMs: number;
}

/** A JSON-RPC error with which a write has ended. */
export interface WriteError {
  code: number;
  message: string;
  data: { code: string; operationId: string; reason?: string };
}

/** The least that a retention may be. */
const DAY_MS = 86_400_000;
const POLL_MS = 1_000;
const POLL_DOWN_MS = 5_000;

/** Whether a request's client capabilities declare that its sender knows tasks. */
export function declaresTasks(capabilities: unknown): boolean {
  const { extensions } = (capabilities ?? {}) as { extensions?: unknown };
  return typeof extensions === "object" && extensions !== null && Object.hasOwn(extensions, TASKS_EXTENSION);
}

/** The status of the task that an operation is. */
export function statusOfTask({ state, outcome }: Pick<TaskFacts, "state" | "outcome">): TaskStatus {
  switch (state) {
    case "accepted":
    case "leased":
    case "retry":
      return "working";
    case "done":
      return outcome?.kind === "result" ? "completed" : "failed";
    case "cancelled":
      return "cancelled";
    default:
      return "failed";
  }
}

/** The result of the `tools/call` that an operation was made of, for who has declared that it knows tasks. */
export function createdTask(facts: TaskFacts, now: number, terms?: TaskTerms): Task & { resultType: "task" } {
  return { resultType: "task", ...taskOf(facts, now, terms) };
}

/**
 * The JSON of a task as `tasks/get` and `notifications/tasks` tell of it: with the result of one that is completed, and the
 * error of one that has failed, as they are written in `outcome`.
 */
export function detailedTask(facts: TaskFacts, now: number, terms?: TaskTerms): string {
  return withOutcome(taskOf(facts, now, terms), facts);
}

/** The JSON by which callers without tasks are told how an operation stands: with the result or the error of one that is over. */
export function operationStatus(facts: TaskFacts, now: number, terms?: TaskTerms): string {
  const { taskId, createdAt, lastUpdatedAt, ttlMs: _, pollIntervalMs, ...rest } = taskOf(facts, now, terms);
  const { tool, state } = facts;
  const isOver = rest.status !== "working";
  const times = { acceptedAt: createdAt, updatedAt: lastUpdatedAt, ...(!isOver && { retryAfterMs: pollIntervalMs }) };
  return withOutcome({ id: taskId, tool, state, ...rest, ...times }, facts);
}

/** The JSON of what is said, with the result of what is completed, and the error of what has failed, as they are written. */
function withOutcome<T extends { status: TaskStatus }>(said: T, facts: TaskFacts): string {
  const text = JSON.stringify(said);
  if (said.status !== "completed" && said.status !== "failed") return text;
  const outcome = facts.outcome ?? { kind: "error", text: JSON.stringify(writeError(facts)) };
  return `${text.slice(0, -1)},"${outcome.kind}":${outcome.text}}`;
}

/** Why a write that nobody else has given an error for has failed. Of one that is over with an outcome, that this is lost. */
export function writeError({ id, tool, state, reason, why }: TaskFacts): WriteError {
  const { code, message } = troubleOf(state, tool, why);
  const data = { code, operationId: id, ...(reason !== undefined && { reason }) };
  return { code: CODE.replica, message, data };
}

function troubleOf(
  state: TaskFacts["state"],
  tool: string,
  why: string | undefined,
): { code: string; message: string } {
  switch (state) {
    case "ambiguous":
      return {
        code: "write_ambiguous",
        message: `The call of ${tool} was sent to the origin, and no answer came that tells whether it was executed. It is not sent again by itself: look at the origin first. The operator of this replica can redrive or discard it.`,
      };
    case "dead":
      return {
        code: "write_dead",
        message: `The call of ${tool} was given up. The operator of this replica can redrive or discard it.`,
      };
    case "discarded":
      return {
        code: "write_discarded",
        message: `The operator of this replica has discarded the call of ${tool}${why === undefined ? "." : `: ${why}`}`,
      };
    default:
      return {
        code: "outcome_lost",
        message: `The origin has answered the call of ${tool}, but what it said cannot be read any more. Look at the origin.`,
      };
  }
}

function taskOf(facts: TaskFacts, now: number, { retentionMs = DAY_MS, isDown = false }: TaskTerms = {}): Task {
  const { id, acceptedAt, updatedAt, until } = facts;
  // It may be over at once, and must not be forgotten before what was said (SEP-2663): each asking prolongs that while it is not.
  const endsAt = until ?? now + retentionMs;
  return {
    taskId: id,
    status: statusOfTask(facts),
    statusMessage: saidOf(facts),
    createdAt: isoOf(acceptedAt),
    lastUpdatedAt: isoOf(updatedAt),
    ttlMs: Math.max(1, Math.ceil(endsAt - acceptedAt)),
    pollIntervalMs: isDown ? POLL_DOWN_MS : POLL_MS,
  };
}

/** How an operation stands, in a sentence. */
function saidOf(facts: TaskFacts): string {
  switch (facts.state) {
    case "accepted":
      return "Waits to be sent to the origin.";
    case "leased":
      return "Is being sent to the origin.";
    case "retry":
      return "Could not be brought to an end, and will be sent again.";
    case "cancelled":
      return "Was taken back before it was sent.";
    case "done":
      return facts.outcome ? "The origin has answered." : writeError(facts).message;
    default:
      return writeError(facts).message;
  }
}

/** A time that is given, in words (ISO 8601). */
function isoOf(at: number): string {
  // No clock is read.
  // oxlint-disable-next-line no-restricted-globals
  return new Date(at).toISOString();
}
