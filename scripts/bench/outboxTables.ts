import { CONNECTIONS, ratio } from "./compareWorkers.ts";
import { table, whole } from "./markdown.ts";
import type { Drained } from "./measureDrained.ts";
import type { Writing } from "./measureWriting.ts";
import { median } from "./stats.ts";

/** What a write takes whose caller waits for the origin's answer, in Markdown. */
export function throughTable({ through }: Writing): string {
  const names = ["relayed, and announced to the readers", "through the outbox, and announced to the readers"];
  const rows = through.map(({ p50, p99, rate }, index) => [
    names[index]!,
    whole(median(p50)),
    whole(median(p99)),
    ratio(p50, through[0]!.p50).toFixed(2),
    whole(median(rate)),
    ratio(through[0]!.rate, rate).toFixed(2),
  ]);
  return table(
    ["A write", "p50 µs", "p99 µs", "its p50 ÷ the relayed", `calls/s at ${CONNECTIONS}`, "the relayed ÷ it"],
    rows,
  );
}

/** What it takes to queue a write, in Markdown. */
export function acceptedTable({ accepted }: Writing): string {
  const rows = accepted.map(({ connections, p50, p99, rate }) => [
    `${connections}`,
    whole(p50),
    whole(p99),
    whole(rate),
  ]);
  return table(["Connections", "p50 µs", "p99 µs", "queued/s"], rows);
}

/** How fast queues are sent, in Markdown. */
export function drainedTable(drained: readonly Drained[]): string {
  const rows = drained.map(({ size, sent, tookMs }) => [
    whole(size),
    whole(sent),
    (tookMs / 1_000).toFixed(1),
    whole((sent / tookMs) * 1_000),
  ]);
  return table(["Queued", "Sent", "within, s", "sent/s"], rows);
}
