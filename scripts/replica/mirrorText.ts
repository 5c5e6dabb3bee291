import type { MirrorStatus, PullProgress } from "../../src/mirror/MirrorStatus.ts";
import { count, grouped } from "./count.ts";
import { printable } from "./printable.ts";
import { leftOf, rateOf } from "./progress.ts";
import { ago, table } from "./table.ts";

/** Of a line of words. */
const MAX_LINE = 300;

const HEAD = ["mirrored", "rows", "version", "age", "last sync", "added", "changed", "removed", "written"];

/**
 * How an origin's collections stand, for people: a line each, and what is to be said of them. `down`: those whose object could
 * not be asked, and why. `now` is epoch ms.
 */
export function mirrorText(
  mirrors: readonly MirrorStatus[],
  down: Readonly<Record<string, string>>,
  now: number,
): string[] {
  const rows = mirrors.length > 0 ? table([HEAD, ...mirrors.map((one) => rowOf(one, now))]) : [];
  const unknown = Object.entries(down).map(([name, reason]) => `${name}: cannot be asked: ${reason}`);
  const lines = [...mirrors.flatMap((one) => remarks(one, now)), ...unknown].map((line) => printable(line, MAX_LINE));
  return [...rows, ...(rows.length > 0 && lines.length > 0 ? [""] : []), ...lines];
}

/** How far a pull is: `features: 12,000 of 20,968 rows, 24 pages, 4193 rows/s, 3 s left`. `now` is epoch ms, by the replica's clock. */
export function progressText(name: string, { startedAt, rows, pages, expected }: PullProgress, now: number): string {
  if (pages === 0) return `${printable(name)}: begun`;
  const { perSecond, words } = rateOf(rows, now - startedAt);
  const of = expected === undefined ? "" : ` of ${grouped(expected)}`;
  const left = expected === undefined || rows === 0 ? "" : `, ${leftOf(Math.max(0, expected - rows), perSecond)} left`;
  const rate = words.replace("/s", " rows/s");
  return `${printable(name)}: ${grouped(rows)}${of} rows, ${count(pages, "page")}, ${rate}${left}`;
}

/** Why there is nothing new, as a sentence and its code. */
export function failureText({ message, code, times }: NonNullable<MirrorStatus["failed"]>): string {
  return `${message} [${code}]${times > 1 ? `, ${times} times` : ""}`;
}

function rowOf({ collection, rows, version, asOf, pulled }: MirrorStatus, now: number): string[] {
  const told = version === 0 ? ["-", "-", "-"] : [grouped(rows), `${version}`, asOf === null ? "-" : ago(now - asOf)];
  const last =
    pulled === null
      ? ["never", "-", "-", "-", "-"]
      : [
          `${ago(now - pulled.endedAt)} ago`,
          ...[pulled.added, pulled.changed, pulled.removed, pulled.written].map(grouped),
        ];
  return [printable(collection), ...told, ...last];
}

function remarks({ collection, pulling, failed, suspect, nextAt, verified, stopped }: MirrorStatus, now: number) {
  const next = nextAt === null || nextAt <= now ? "" : `; next in ${ago(nextAt - now)}`;
  return [
    ...(pulling ? [progressText(collection, pulling, now)] : []),
    ...(failed ? [`${collection}: failed ${ago(now - failed.at)} ago: ${failureText(failed)}${next}`] : []),
    ...(suspect > 0 ? [`${collection}: ${count(suspect, "row")} to be asked for again`] : []),
    ...Object.entries(verified).map(([tool, { matches, mismatches, staleMs }]) => {
      const share = ((100 * mismatches) / Math.max(1, matches + mismatches)).toFixed(1);
      const wrong =
        mismatches === 0 ? "none was wrong" : `${mismatches} wrong (${share} %), by ${ago(staleMs)} at most`;
      return `${tool}: ${count(matches + mismatches, "answer")} compared with the origin's, ${wrong}`;
    }),
    ...Object.entries(stopped).map(
      ([tool, at]) =>
        `${tool}: not answered from ${collection} since ${ago(now - at)} ago, as too many answers were wrong, until a sync begins after that and succeeds`,
    ),
  ];
}
