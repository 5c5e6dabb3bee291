import { table, whole } from "./markdown.ts";
import type { Drained } from "./measureDrained.ts";

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
