import { CONNECTIONS, ratio, type Measured } from "./compareWorkers.ts";
import { CATEGORIES, LIMIT, WITH_RARE_WORD, type LookupTool } from "./items.ts";
import type { Mirrored } from "./measureMirror.ts";
import { median } from "./stats.ts";
import { table, whole } from "./markdown.ts";

const MB = 1_000_000;

const WHAT: Readonly<Record<LookupTool | "select", string>> = {
  select: "*select*: parses the JSON, selects a row",
  get_item: "a row by its key",
  find_items: `${LIMIT} rows by a filter and a range, in the order of an index`,
  search_items: `a search that finds ${WITH_RARE_WORD} rows`,
  search_all_items: `a search that finds one row in ${CATEGORIES}, the best ${LIMIT} of them`,
};

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
  const rows = mirrored.flatMap(({ size, workers }) => {
    const [select] = workers as [Measured];
    return workers.map((one) => {
      const [least, itsSelect] = [one.name, "select"].map((name) =>
        mirrored[0]!.workers.find((it) => it.name === name)!,
      );
      const dearer = ratio(one.p50, select.p50);
      return [
        WHAT[one.name as keyof typeof WHAT],
        whole(size),
        whole(median(one.p50)),
        dearer.toFixed(2),
        whole(median(one.rate)),
        ratio(select.rate, one.rate).toFixed(2),
        (dearer / ratio(least!.p50, itsSelect!.p50)).toFixed(2),
      ];
    });
  });
  const head = [
    "Each call",
    "Rows",
    "p50 µs",
    "its p50 ÷ select's",
    `calls/s at ${CONNECTIONS}`,
    "select ÷ it",
    `growth from ${whole(mirrored[0]!.size)} rows`,
  ];
  return table(
    head,
    rows.toSorted(([a], [b]) => order(a!) - order(b!)),
  );
}

function order(what: string): number {
  return Object.values(WHAT).indexOf(what);
}

function tookS({ startedAt, endedAt }: Mirrored["pulls"]["first"]): number {
  return (endedAt - startedAt) / 1_000;
}

function seconds(report: Mirrored["pulls"]["first"]): string {
  return tookS(report).toFixed(1);
}
