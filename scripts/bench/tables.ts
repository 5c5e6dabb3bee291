import type { BundleSize } from "./bundleSize.ts";
import { CONNECTIONS, ratio, type Measured } from "./compareWorkers.ts";
import type { Asker } from "./inside.ts";
import type { Drained } from "./measureDrained.ts";
import type { Inside } from "./measureInside.ts";
import type { Mirrored } from "./measureMirror.ts";
import type { Miss } from "./measureMiss.ts";
import type { Counted } from "./measureOperations.ts";
import type { Writing } from "./measureWriting.ts";
import type { Visibility } from "./measureVisibility.ts";
import { table, whole } from "./markdown.ts";
import { lookupsTable, mirrorTargets, pullsTable } from "./mirrorTables.ts";
import { acceptedTable, drainedTable, throughTable } from "./outboxTables.ts";
import { median, quantile } from "./stats.ts";

/** Everything that was measured. */
export interface Results {
  workers: Measured[];
  miss: Miss;
  inside: Inside;
  counted: Counted;
  visibility: Visibility;
  mirrored: Mirrored[];
  writing: Writing;
  drained: Drained[];
  bundle: BundleSize;
}

const TARGET = { overSdk: 4, overLimit: 1.3, missMs: 1.5, flat: 1.2, bundleKb: 130, sync: 1.05, visibleMs: 250 };

const WHAT: Readonly<Record<string, string>> = {
  limit: "parses the JSON, answers a constant",
  replica: "this Worker, a hit in memory",
  sdk: "`createMcpHandler`, one trivial tool",
  "sdk v1": "`@modelcontextprotocol/sdk`, stateless, JSON, one trivial tool",
};

/** All tables, in Markdown. */
export function tables(results: Results): string {
  const { workers, miss, inside, counted, visibility, mirrored, writing, drained } = results;
  const sections = [
    ["Targets", targets(results)],
    ["Side by side", sideBySide(workers)],
    ["A miss", missTable(miss)],
    ["A hit, by what is stored and configured", flatTable(inside)],
    ["A hit, by what is heard of the feed", feedTable(inside)],
    ["A hit, by who asks", askerTable(inside)],
    ["How soon everybody knows", visibilityTable(visibility)],
    ["Calls of OriginSync", pulsesTable(counted)],
    ["Mirroring", pullsTable(mirrored)],
    ["Answers from the mirror", lookupsTable(mirrored)],
    ["Writing through the outbox", throughTable(writing)],
    ["Queueing", acceptedTable(writing)],
    ["Sending what is queued", drainedTable(drained)],
    ["A hit, part by part", partsTable(inside)],
  ];
  return sections.map(([title, content]) => `### ${title}\n${content}`).join("\n\n");
}

function targets({ workers, miss, inside, counted, visibility, mirrored, bundle }: Results): string {
  const [limit, replica, sdk] = workers as [Measured, Measured, Measured];
  const overhead = (miss.replica - miss.direct) / 1_000;
  const rows: [string, string, boolean][] = [];
  const overSdk = ratio(replica.rate, sdk.rate);
  rows.push([`replica ≥ ${TARGET.overSdk} × sdk, calls/s`, `${overSdk.toFixed(2)} ×`, overSdk >= TARGET.overSdk]);
  const overLimit = ratio(limit.rate, replica.rate);
  rows.push([
    `a hit ≤ ${TARGET.overLimit} × limit's cost, calls/s`,
    `${overLimit.toFixed(2)} ×`,
    overLimit <= TARGET.overLimit,
  ]);
  rows.push([
    `a miss ≤ ${TARGET.missMs} ms over a direct call, p50`,
    `${overhead.toFixed(2)} ms`,
    overhead <= TARGET.missMs,
  ]);
  for (const [name, variants] of [
    ["10 to 100,000 entries", inside.byEntries],
    ["1 to 1,000 tools", inside.byTools],
  ] as const) {
    const costs = variants.map(({ ns }) => ns);
    const spread = Math.max(...costs) / Math.min(...costs);
    rows.push([
      `a hit costs the same from ${name} (dearest ≤ ${TARGET.flat} × cheapest)`,
      `${spread.toFixed(2)} ×`,
      spread <= TARGET.flat,
    ]);
  }
  const [alone, inStep, much] = inside.byFeed.map(({ ns }) => ns) as [number, number, number];
  for (const [what, costs] of [
    ["in step with the origin costs what one costs that is not", inStep / alone],
    ["with 10,000 invalidations in the feed costs what it costs with none", much / inStep],
  ] as const) {
    rows.push([`a hit ${what} (≤ ${TARGET.sync} ×)`, `${costs.toFixed(2)} ×`, costs <= TARGET.sync]);
  }
  const late = quantile(visibility.delays, 0.99) - visibility.pulseMs;
  rows.push([
    `an invalidation is seen by ${visibility.isolates} isolates within a pulse and ${TARGET.visibleMs} ms, p99`,
    `a pulse and ${whole(late)} ms`,
    late <= TARGET.visibleMs,
  ]);
  const most = Math.max(...counted.pulses.map(({ aPulse }) => aPulse));
  // Pulses are spread by a tenth.
  rows.push(["one call of OriginSync an isolate and pulse, at any traffic", most.toFixed(2), most <= 1.2]);
  rows.push(...mirrorTargets(mirrored));
  const kb = bundle.gzip / 1_000;
  rows.push([`bundle ≤ ${TARGET.bundleKb} KB gzip`, `${kb.toFixed(1)} KB`, kb <= TARGET.bundleKb]);
  return table(
    ["Target", "Measured", ""],
    rows.map(([target, measured, reached]) => [target, measured, reached ? "reached" : "**missed**"]),
  );
}

function sideBySide(workers: readonly Measured[]): string {
  const [limit, , sdk, first] = workers as [Measured, Measured, Measured, Measured];
  const rows = workers.map((one) => [
    `*${one.name}*: ${WHAT[one.name]}`,
    whole(median(one.p50)),
    whole(median(one.p99)),
    whole(median(one.rate)),
    one.cpu.length > 0 ? whole(median(one.cpu)) : "–",
    ratio(limit.rate, one.rate).toFixed(2),
    ratio(one.rate, sdk.rate).toFixed(2),
    ratio(one.rate, first.rate).toFixed(2),
    one.cpu.length > 0 ? ratio(one.cpu, limit.cpu).toFixed(2) : "–",
    one.cpu.length > 0 ? ratio(sdk.cpu, one.cpu).toFixed(2) : "–",
  ]);
  const head = [
    "Worker",
    "p50 µs",
    "p99 µs",
    `calls/s at ${CONNECTIONS}`,
    "CPU µs a call",
    "limit ÷ it",
    "it ÷ sdk",
    "it ÷ sdk v1",
    "its CPU ÷ limit's",
    "sdk's CPU ÷ its",
  ];
  return table(head, rows);
}

function missTable({ direct, replica, withoutKv, nothing, kv, object, relay }: Miss): string {
  const steps = relay - direct + (object - nothing);
  return table(
    ["Sequential, p50", "µs"],
    [
      ["a direct call to the origin", whole(direct)],
      ["the same through the replica, never seen before", whole(replica)],
      ["**the replica's overhead**", whole(replica - direct)],
      ["of which: the local KV, read before and written behind", whole(replica - withoutKv)],
      ["of which: everything else", whole(withoutKv - direct)],
      ["– a Worker that only passes the call on", whole(relay - direct)],
      ["– a call to a Durable Object", whole(object - nothing)],
      ["– the rest: keys, hashes, the second request's body, making the entry", whole(withoutKv - direct - steps)],
      ["for comparison: a single read from the local KV", whole(kv - nothing)],
    ],
  );
}

function flatTable({ byEntries, byTools }: Inside): string {
  const row = ({ entries, tools, ns }: Inside["byEntries"][number], base: number) => [
    entries.toLocaleString("en"),
    tools.toLocaleString("en"),
    (ns / 1_000).toFixed(1),
    (ns / base).toFixed(2),
  ];
  return table(
    ["Entries", "Tools", "µs a hit", "of the first"],
    [...byEntries.map((one) => row(one, byEntries[0]!.ns)), ...byTools.map((one) => row(one, byTools[0]!.ns))],
  );
}

function feedTable({ byFeed }: Inside): string {
  const names = [
    "never heard of it",
    "in step, nothing invalidated",
    "in step, 10,000 tags invalidated",
    "the same, each hit the first since something new was heard",
  ];
  const rows = byFeed.map(({ ns }, index) => [names[index]!, (ns / 1_000).toFixed(1), (ns / byFeed[0]!.ns).toFixed(2)]);
  return table(["The isolate", "µs a hit", "of the first"], rows);
}

const ASKS: Readonly<Record<Asker, string>> = {
  anybody: "anybody, where access is open",
  key: "with an API key",
  token: "with a token (JWT, ES256)",
  "counted token": "with a token, and counted, where asking the limiter costs nothing",
  "locally counted token": "the same with the local limiter, a server in another process",
  "new token": "with a token that is seen for the first time",
};

function askerTable({ byAsker }: Inside): string {
  const rows = byAsker.map(({ asker = "anybody", ns }) => [
    ASKS[asker],
    (ns / 1_000).toFixed(1),
    ((ns - byAsker[0]!.ns) / 1_000).toFixed(1),
  ]);
  return table(["Who asks", "µs a hit", "µs more than anybody"], rows);
}

function visibilityTable({ pulseMs, isolates, delays }: Visibility): string {
  const at = (share: number) => whole(quantile(delays, share));
  return table(
    ["Isolates", "Pulse, ms", "Seen", "p50 ms", "p99 ms", "latest ms"],
    [[String(isolates), whole(pulseMs), whole(delays.length), at(0.5), at(0.99), at(1)]],
  );
}

function pulsesTable({ pulses }: Counted): string {
  const rows = pulses.map(({ connections, calls, aPulse }) => [String(connections), whole(calls), aPulse.toFixed(2)]);
  return table(["Connections", "Calls answered", "Calls of OriginSync a pulse"], rows);
}

function partsTable({ profile: { parts, whole: all } }: Inside): string {
  const sum = parts.reduce((total, { ns }) => total + ns, 0);
  return table(
    ["Part", "ns"],
    [
      ...parts.map(({ name, ns }) => [name, whole(ns)]),
      ["the rest: other headers, trace, event, promises", whole(all - sum)],
      ["**a hit, but for reading the body**", whole(all)],
    ],
  );
}
