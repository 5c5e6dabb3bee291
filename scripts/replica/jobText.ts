import type { ShownJobs } from "../../src/http/admin/ShownJobs.ts";
import type { OperationShown, OutboxStatus } from "../../src/outbox/OutboxStatus.ts";
import type { OperationView } from "../../src/outbox/Submission.ts";
import { count, grouped } from "./count.ts";
import { printable } from "./printable.ts";
import { ago } from "./table.ts";

/** Of what is said of a job in a line of a table. */
const MAX_WORDS = 100;
/** A fact takes as many characters at most. */
const MAX_FACT = 1_000;

/** How an outbox stands, for people. `now` is epoch ms. */
export function outboxText({ counts, amount, oldestAt, sending, restMs }: OutboxStatus, now: number): string {
  const { accepted, leased, retry, ambiguous, dead } = counts;
  const pending = accepted + leased + retry;
  return [
    `${grouped(pending)} to be sent${sending > 0 ? `, ${sending} of them just now` : ""}`,
    ...(oldestAt === undefined ? [] : [`the oldest since ${ago(now - oldestAt)}`]),
    ...(pending > 0 && restMs > 0 ? [`the origin is looked at in ${Math.ceil(restMs / 1_000)} s`] : []),
    `${grouped(ambiguous)} ambiguous, ${grouped(dead)} dead`,
    `${grouped(Math.ceil(amount.bytes / 1_024))} KiB`,
  ].join("; ");
}

/** What stands above a list. */
export function jobsHead(shown: ShownJobs, now: number): string {
  return `${printable(shown.origin)}: ${outboxText(shown, now)}`;
}

/** A list of jobs, a row for each after one that says what stands where. */
export function jobRows(jobs: readonly OperationView[], now: number): string[][] {
  const head = ["job", "tool", "state", "tries", "since", "why"];
  return [
    head,
    ...jobs.map((job) => [
      printable(job.id),
      printable(job.tool, 40),
      job.state,
      `${job.attempts}`,
      ago(now - job.acceptedAt),
      printable(whyText(job, now), MAX_WORDS),
    ]),
  ];
}

/** One job in lines, with all that is known of it. What callers and origins have given does nothing to a terminal. */
export function jobLines(job: OperationShown, now: number): string[] {
  const { idempotency, outcome, args } = job;
  const at = (time: number) => `${new Date(time).toISOString()} (${timeText(time, now)})`;
  const facts: [string, string][] = [
    ["state", whyText(job, now) === "" ? job.state : `${job.state}: ${whyText(job, now)}`],
    ["tool", job.tool],
    ["principal", job.principal],
    ["order", job.orderKey === null ? "none" : `${job.orderKey} (${job.ifStuck} where stuck)`],
    [
      "idempotent",
      "key" in idempotency ? `${idempotency.kind} ${idempotency.name}: ${idempotency.key}` : idempotency.kind,
    ],
    ["invalidates", job.tags.join(", ") || "nothing"],
    ["told", job.isQueued ? "that it will be sent" : "its caller waits, or has got the answer"],
    ["tries", `${job.attempts}`],
    ["accepted", `${at(job.acceptedAt)}, seq ${job.seq}`],
    ["changed", at(job.updatedAt)],
    ...(job.state === "accepted" || job.state === "retry"
      ? ([
          ["due", at(job.dueAt)],
          ["given up", at(job.givesUpAt)],
        ] as [string, string][])
      : []),
    ...(job.until === undefined ? [] : ([["forgotten", at(job.until)]] as [string, string][])),
    ["arguments", args ?? "cannot be opened: ENTRY_SECRET has changed"],
    ...(outcome ? ([[outcome.kind, outcome.text]] as [string, string][]) : []),
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  return [printable(job.id), ...facts.map(([name, text]) => `  ${name.padEnd(width)}  ${printable(text, MAX_FACT)}`)];
}

/** The outboxes of tenants that hold something. */
export function tenantLines({ tenants = [], missed = 0, areAll = true }: ShownJobs, now: number): string[] {
  return [
    ...tenants.map(({ origin, counts: { accepted, leased, retry, ambiguous, dead }, oldestAt }) => {
      const since = oldestAt === undefined ? "" : `, the oldest since ${ago(now - oldestAt)}`;
      return `${printable(origin)}: ${accepted + leased + retry} to be sent${since}; ${ambiguous} ambiguous, ${dead} dead`;
    }),
    ...(missed > 0 ? [`${count(missed, "tenant")} could not be asked`] : []),
    ...(areAll ? [] : ["There are more tenants than the replica can know."]),
  ];
}

function whyText({ state, reason, why, dueAt }: OperationView, now: number): string {
  const again = (state === "accepted" || state === "retry") && dueAt > now ? `again in ${ago(dueAt - now)}` : "";
  return [reason, why, again].filter(Boolean).join(": ");
}

function timeText(time: number, now: number): string {
  return time > now ? `in ${ago(time - now)}` : `${ago(now - time)} ago`;
}
