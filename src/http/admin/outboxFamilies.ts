import type { OutboxStatus } from "../../outbox/OutboxStatus.ts";
import type { Family, Sample } from "../../telemetry/prometheus.ts";

/** What is measured of outboxes, by the ids of their origins; none where no tool's calls go through one. `now` is epoch ms. */
export function outboxFamilies(outboxes: ReadonlyMap<string, OutboxStatus>, now: number): Family[] {
  const of = (samplesOf: (status: OutboxStatus) => { more?: Record<string, string>; value: number }[]): Sample[] =>
    [...outboxes].flatMap(([origin, status]) =>
      samplesOf(status).map(({ more = {}, value }) => ({ labels: { origin, ...more }, value })),
    );
  return [
    {
      name: "replica_outbox_operations",
      type: "gauge",
      help: "Writes in the outbox by state. Those that are done, cancelled or discarded are remembered for a while.",
      samples: of(({ counts }) => Object.entries(counts).map(([state, value]) => ({ more: { state }, value }))),
    },
    {
      name: "replica_outbox_bytes",
      type: "gauge",
      help: "How much of the queue its open writes take.",
      samples: of(({ amount }) => [{ value: amount.bytes }]),
    },
    {
      name: "replica_outbox_oldest_age_seconds",
      type: "gauge",
      help: "For how long the oldest pending write has waited; 0 where none is.",
      samples: of(({ oldestAt }) => [{ value: oldestAt === undefined ? 0 : Math.max(0, now - oldestAt) / 1_000 }]),
    },
    {
      name: "replica_outbox_deliveries_total",
      type: "counter",
      help: "How sending writes has ended, since the object began.",
      samples: of(({ sent: { retries: _, ...sent } }) =>
        Object.entries(sent).map(([result, value]) => ({ more: { result }, value })),
      ),
    },
    {
      name: "replica_outbox_retries_total",
      type: "counter",
      help: "How many of those were not the first of their write.",
      samples: of(({ sent }) => [{ value: sent.retries }]),
    },
  ];
}
