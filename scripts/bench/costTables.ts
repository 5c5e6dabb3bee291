import type { Counted } from "./measureOperations.ts";
import { table } from "./markdown.ts";
import type { Results } from "./tables.ts";

/** US dollars a million, beyond what the Workers Paid plan includes. */
const PRICES_OF = "November 2026";
const PRICE = {
  workerRequest: 0.3,
  cpuMs: 0.02,
  kvRead: 0.5,
  kvWrite: 5,
  objectRequest: 0.15,
  objectGbS: 12.5,
  rowWritten: 1,
} as const;

/** Processor time that is charged for a call, in ms: more than the bench measures, as machines differ. */
const CPU_MS = 1;
/** How long a Durable Object is busy with a call of its own, and with one that waits for the origin; in s. */
const BUSY_S = 0.005;
const ORIGIN_S = 0.2;
/** What a Durable Object is charged to have, in GB. */
const OBJECT_GB = 0.128;

/** A month's traffic, for an example: a million calls, as shares of their kinds. */
const MIX: Readonly<Record<string, number>> = {
  "a hit in memory": 0.8,
  "a hit in KV": 0.1,
  "a miss": 0.08,
  "relayed, as it may not be cached": 0.02,
};

/** What a million calls cost, in Markdown: counted operations times prices. */
export function costTables({ counted }: Results): string {
  const million = counted.calls.map((one) => ({ ...one, dollars: dollarsOf(one) }));
  const rows = million.map(({ kind, operations, dollars }) => [
    kind,
    each(operations.kvReads),
    each(operations.kvWrites),
    each(operations.objectRequests),
    each(operations.rowsWritten),
    dollars.toFixed(2),
  ]);
  const mixed = million.reduce((sum, { kind, dollars }) => sum + (MIX[kind] ?? 0) * dollars, 0);
  const pulse = PRICE.objectRequest + BUSY_S * OBJECT_GB * PRICE.objectGbS;
  const shares = Object.entries(MIX).map(([kind, share]) => `${share * 100} % ${kind}`);
  return [
    `### A million calls of a kind\n${table(
      ["Each call is", "KV reads", "KV writes", "Object requests", "Rows written", "$ a million"],
      rows,
    )}`,
    `### A million calls beside a Durable Object for each session\n${table(
      ["Design", "$ a million"],
      [
        [`edge-replica: ${shares.join(", ")}`, mixed.toFixed(2)],
        ["– and its pulses, at most one a call", `≤ ${pulse.toFixed(2)}`],
        ["a Durable Object for each session, waiting for the origin in each call", sessionDollars(ORIGIN_S).toFixed(2)],
        ["– and one that had all answers at once", sessionDollars(BUSY_S).toFixed(2)],
      ],
    )}`,
    `Prices of ${PRICES_OF}, in US dollars a million, beyond what the plan includes: Worker requests ${PRICE.workerRequest.toFixed(2)}, CPU ms ${PRICE.cpuMs.toFixed(2)}, KV reads ${PRICE.kvRead.toFixed(2)}, KV writes ${PRICE.kvWrite.toFixed(2)}, Durable Object requests ${PRICE.objectRequest.toFixed(2)}, Durable Object GB-s ${PRICE.objectGbS.toFixed(2)}, rows written ${PRICE.rowWritten.toFixed(2)}.`,
  ].join("\n\n");
}

/** The price of a million calls that take that much each. */
function dollarsOf({ operations, waitsForOrigin }: Counted["calls"][number]): number {
  const { kvReads, kvWrites, objectRequests, rowsWritten } = operations;
  const gbS = objectRequests * (waitsForOrigin ? ORIGIN_S : BUSY_S) * OBJECT_GB;
  return (
    PRICE.workerRequest +
    CPU_MS * PRICE.cpuMs +
    kvReads * PRICE.kvRead +
    kvWrites * PRICE.kvWrite +
    objectRequests * PRICE.objectRequest +
    gbS * PRICE.objectGbS +
    rowsWritten * PRICE.rowWritten
  );
}

/** A million calls that each go through a Worker to the object of their session, which is busy that long; nothing else counted. */
function sessionDollars(busyS: number): number {
  return PRICE.workerRequest + CPU_MS * PRICE.cpuMs + PRICE.objectRequest + busyS * OBJECT_GB * PRICE.objectGbS;
}

function each(count: number): string {
  return count === 0 ? "0" : count.toFixed(2).replace(/\.?0+$/, "");
}
