import type { OriginStatus } from "../../src/http/admin/OriginStatus.ts";
import type { Lacks } from "../../src/http/Lacks.ts";
import { OTHER, type Verified } from "../../src/telemetry/Counted.ts";
import { options } from "../commandLine.ts";
import { callReplica, LOCAL_URL } from "./callReplica.ts";
import { outboxText } from "./jobText.ts";
import { mirrorText } from "./mirrorText.ts";
import { printable } from "./printable.ts";
import { ago, table } from "./table.ts";

/** More changes than these are in the JSON. */
const SHOWN_CHANGES = 5;
/** A fact takes as many characters at most. */
const MAX_FACT = 200;

export const STATUS_USAGE = "npm run replica -- status [--origin ID] [--url URL] [--json]";

/** `replica status`: how the origins of a replica, local or deployed, stand. */
export async function status(args: string[]): Promise<void> {
  const { values } = options({
    args,
    options: {
      origin: { type: "string" },
      url: { type: "string", default: LOCAL_URL },
      json: { type: "boolean" },
    },
  });
  const { origin, url, json } = values;
  const query = origin === undefined ? "" : `?origin=${encodeURIComponent(origin)}`;
  const text = await callReplica(url, `/admin/status${query}`, { method: "GET" });
  if (json) {
    console.log(text);
    return;
  }
  // A replica of a version before tells nothing of what it lacks.
  const { origins, lacks } = JSON.parse(text) as { origins: Record<string, OriginStatus>; lacks?: Lacks };
  const shown = Object.entries(origins).map(([id, one]) => statusText(id, one, Date.now()));
  console.log([...lacksText(lacks), ...shown].join("\n\n"));
}

/** What a deployment lacks, for people: nothing where it lacks nothing. */
export function lacksText({ missing, warnings }: Lacks = { missing: [], warnings: [] }): string[] {
  const lines = [...(missing.length > 0 ? [`missing: ${missing.join(", ")}`] : []), ...warnings];
  return lines.length > 0 ? [lines.map((line) => printable(line, MAX_FACT)).join("\n")] : [];
}

/** How an origin stands, for people. `now` is epoch ms. */
export function statusText(id: string, one: OriginStatus, now: number): string {
  const since = (at: number | null | undefined) => (at ? `${ago(now - at)} ago` : "never");
  const {
    sync,
    health,
    feed,
    listen,
    toolChanges,
    counted,
    isolates,
    entries,
    refreshedAt,
    mirror = [],
    mirrorDown = {},
    outbox,
  } = one;
  const facts: [string, string][] = [["eras", erasText(one)]];
  if (health)
    facts.push([
      "health",
      `${health.state}${health.reason ? ` (${health.reason})` : ""}, since ${since(health.since)}`,
    ]);
  if (!sync.up) facts.push(["sync", `cannot be reached: ${sync.reason}`]);
  if (feed) facts.push(["feed", `seq ${feed.seq} of ${feed.feedId.slice(0, 8)}, ${feed.tags} tags remembered`]);
  if (listen) facts.push(["listen", listenText(listen, since)]);
  if (isolates) facts.push(["isolates", `${isolates.count} heard lately; operations going on: ${isolates.active}`]);
  for (const change of (toolChanges ?? []).slice(0, SHOWN_CHANGES))
    facts.push(["tools changed", toolText(change, since(change.at))]);
  if (sync.up) facts.push(["last refresh", since(refreshedAt)]);
  facts.push(["entries in KV", entriesText(entries)]);
  if (counted) facts.push(["calls saved", `${counted.callsSaved} since ${since(counted.since)}`]);
  // What came of mirrored ones is said of the mirrors.
  for (const one of counted?.verified ?? []) if (one.lane === "cache") facts.push(["compared", verifiedText(one)]);
  if (outbox)
    facts.push(["outbox", "reason" in outbox ? `cannot be reached: ${outbox.reason}` : outboxText(outbox, now)]);
  const width = Math.max(...facts.map(([name]) => name.length));
  const lines = facts.map(([name, text]) => `  ${name.padEnd(width)}  ${printable(text, MAX_FACT)}`);
  const rows = rowsOf(one);
  if (rows.length > 0) {
    const head = ["", "operations", "from cache", "stale", "errors", "entries"];
    lines.push("", ...table([head, ...rows]).map((line) => `  ${line}`));
  }
  const mirrored = mirrorText(mirror, mirrorDown, now);
  if (mirrored.length > 0) lines.push("", ...mirrored.map((line) => `  ${line}`.trimEnd()));
  return [id, ...lines].join("\n");
}

function erasText({ eras }: OriginStatus): string {
  if (!eras) return "not known yet";
  const spoken = [
    ...(eras.modern ? ["modern"] : []),
    ...(eras.legacy && eras.legacy !== "none" ? [`legacy (${eras.legacy})`] : []),
  ];
  return spoken.join(", ") || "not known yet";
}

function listenText(
  { state, since: at, covers, retries }: NonNullable<OriginStatus["listen"]>,
  since: (at: number) => string,
): string {
  const resources = covers.uris > 0 ? [`resources (${covers.uris})`] : [];
  const covered = [...covers.lists.map((list) => `list of ${list}`), ...resources];
  return [
    state,
    ...(covered.length > 0 ? [`to ${covered.join(", ")}`] : []),
    ...(retries > 0 ? [`tried ${retries} times more`] : []),
  ]
    .join(" ")
    .concat(at > 0 ? `, since ${since(at)}` : "");
}

/** How answers of a tool from the cache compared with the origin's. */
function verifiedText({ name, matches, mismatches, staleMs }: Verified): string {
  const wrong = mismatches > 0 ? `, ${mismatches} not, the oldest ${ago(staleMs)} old` : "";
  return `${printable(name)}: ${matches} as the origin says${wrong}`;
}

/** What changed among the tools, and when. */
function toolText({ added, removed, changed }: NonNullable<OriginStatus["toolChanges"]>[number], when: string): string {
  const kinds = Object.entries({ added, removed, changed }).filter(([, names]) => names.length > 0);
  const words = kinds.map(([kind, names]) => `${kind} ${names.map((name) => printable(name)).join(", ")}`).join("; ");
  return `${when}: ${words}`;
}

function entriesText(entries: OriginStatus["entries"]): string {
  return "reason" in entries ? `not to be counted: ${entries.reason}` : `${entries.total}${entries.isWhole ? "" : "+"}`;
}

/** A row for each tool, prompt and resource, and for each other method. */
function rowsOf({ counted, entries }: OriginStatus): string[][] {
  const kept = "reason" in entries ? undefined : entries;
  const more = kept?.isWhole === false ? "+" : "";
  const names = new Set((counted?.operations ?? []).map(({ method, name }) => `${method} ${name}`));
  const uncounted = Object.keys(kept?.byTool ?? {}).filter((tool) => !names.has(`tools/call ${tool}`));
  return [
    ...(counted?.operations ?? []).map(({ method, name, total, hitRatio, counts }) => {
      const found =
        method === "tools/call" ? ownOf(kept?.byTool, name) : name === "" ? ownOf(kept?.byMethod, method) : undefined;
      return [
        labelOf(method, name),
        `${total}`,
        `${(100 * hitRatio).toFixed(1)} %`,
        `${counts.stale}`,
        `${counts.error}`,
        found === undefined ? "-" : `${found}${more}`,
      ];
    }),
    ...uncounted.map((tool) => [tool, "0", "-", "-", "-", `${kept!.byTool[tool]}${more}`]),
  ].map(([name = "", ...rest]) => [printable(name), ...rest]);
}

function labelOf(method: string, name: string): string {
  if (method === OTHER) return "other methods";
  if (method !== "tools/call") return `${method} ${name}`.trim();
  return name === OTHER ? "other tools" : name;
}

/** What is counted under a name; tools may be called as what every object has. */
function ownOf(counts: Record<string, number> = {}, name: string): number | undefined {
  return Object.hasOwn(counts, name) ? counts[name] : undefined;
}
