import { CONNECTIONS, ratio, type Measured } from "./compareWorkers.ts";
import { CATEGORIES, LIMIT, WITH_RARE_WORD, type LookupTool } from "./items.ts";
import { table, whole } from "./markdown.ts";
import type { Mirrored } from "./measureMirror.ts";
import { median } from "./stats.ts";

const MB = 1_000_000;

type Name = LookupTool | "select";

const WHAT: Readonly<Record<Name, string>> = {
  select: "*select*: parses the JSON, selects a row",
  get_item: "a row by its key",
  find_items: `${LIMIT} rows by a filter and a range, in the order of an index`,
  search_items: `a search that finds ${WITH_RARE_WORD} rows`,
  search_all_items: `a search that finds one row in ${CATEGORIES}, the best ${LIMIT} of them`,
};

/** What an index finds without a look at more than it gives. */
const INDEXED: readonly Name[] = ["get_item", "find_items", "search_items"];
const GROWTH = 1.5;
const HANDFUL = 20;

/** What is to be true of the mirror, what was measured, and whether it is so. */
export function mirrorTargets(mirrored: readonly Mirrored[]): [string, string, boolean][] {
  const [least, most] = [mirrored[0]!, mirrored.at(-1)!];
  const growth = Math.max(...INDEXED.map((name) => dearness(most, name) / dearness(least, name)));
  const { written } = most.pulls.changed;
  return [
    [
      `an answer by key, by a filter, by a search that finds as much costs as many selects among ${whole(most.size)} rows as among ${whole(least.size)} (≤ ${GROWTH} ×)`,
      `${growth.toFixed(2)} ×`,
      growth <= GROWTH,
    ],
    [
      `a pull of ${whole(most.size)} rows, one of which has changed, writes a handful (≤ ${HANDFUL})`,
      whole(written),
      written <= HANDFUL,
    ],
  ];
}

/** What it takes to mirror, in Markdown. */
export function pullsTable(mirrored: readonly Mirrored[]): string {
  const rows = mirrored.map(({ size, pulls: { first, changed, same }, memory }) => [
    whole(size),
    seconds(first),
    whole(size / Math.max(0.001, tookS(first))),
    whole(first.written / size),
    seconds(changed),
    whole(changed.written),
    seconds(same),
    whole(same.written),
    memory ? whole((memory.peak - memory.before) / MB) : "–",
  ]);
  const head = [
    "Rows",
    "First pull, s",
    "rows/s",
    "written a row",
    "One row changed, s",
    "written",
    "None changed, s",
    "written",
    "Memory, MB more at most",
  ];
  return table(head, rows);
}

/** What answers from the mirror take beside a bare select, in Markdown. */
export function lookupsTable(mirrored: readonly Mirrored[]): string {
  const names = Object.keys(WHAT) as Name[];
  const rows = names.flatMap((name) =>
    mirrored.map((at) => {
      const { p50, rate } = measuredOf(at, name);
      return [
        WHAT[name],
        whole(at.size),
        whole(median(p50)),
        dearness(at, name).toFixed(2),
        whole(median(rate)),
        ratio(measuredOf(at, "select").rate, rate).toFixed(2),
        (dearness(at, name) / dearness(mirrored[0]!, name)).toFixed(2),
      ];
    }),
  );
  const head = [
    "Each call",
    "Rows",
    "p50 µs",
    "its p50 ÷ select's",
    `calls/s at ${CONNECTIONS}`,
    "select ÷ it",
    `growth from ${whole(mirrored[0]!.size)} rows`,
  ];
  return table(head, rows);
}

/** How many times its latency is that of a bare select among as many rows. */
function dearness(at: Mirrored, name: Name): number {
  return ratio(measuredOf(at, name).p50, measuredOf(at, "select").p50);
}

function measuredOf({ workers }: Mirrored, name: Name): Measured {
  return workers.find((one) => one.name === name)!;
}

function tookS({ startedAt, endedAt }: Mirrored["pulls"]["first"]): number {
  return (endedAt - startedAt) / 1_000;
}

function seconds(report: Mirrored["pulls"]["first"]): string {
  return tookS(report).toFixed(1);
}
