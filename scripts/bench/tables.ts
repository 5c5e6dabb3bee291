import type { BundleSize } from "./bundleSize.ts";
import { CONNECTIONS, ratio, type Measured } from "./compareWorkers.ts";
import type { Inside } from "./measureInside.ts";
import type { Miss } from "./measureMiss.ts";
import { median } from "./stats.ts";

/** Everything that was measured. */
export interface Results {
  workers: Measured[];
  miss: Miss;
  inside: Inside;
  bundle: BundleSize;
}

const TARGET = { overSdk: 4, overLimit: 1.3, missMs: 1.5, flat: 1.2, bundleKb: 130 };

const WHAT: Readonly<Record<string, string>> = {
  limit: "parses the JSON, answers a constant",
  replica: "this Worker, a hit in memory",
  sdk: "`createMcpHandler`, one trivial tool",
  "sdk v1": "`@modelcontextprotocol/sdk`, stateless, JSON, one trivial tool",
};

/** All tables, in Markdown. */
export function tables({ workers, miss, inside, bundle }: Results): string {
  const sections = [
    ["Targets", targets({ workers, miss, inside, bundle })],
    ["Side by side", sideBySide(workers)],
    ["A miss", missTable(miss)],
    ["A hit, by what is stored and configured", flatTable(inside)],
    ["A hit, part by part", partsTable(inside)],
  ];
  return sections.map(([title, content]) => `### ${title}\n${content}`).join("\n\n");
}

function targets({ workers, miss, inside, bundle }: Results): string {
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

function whole(value: number): string {
  return Math.round(value).toLocaleString("en");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? "---" : "--:"))), ...rows.map(line)].join("\n");
}
