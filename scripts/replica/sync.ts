import type { MirrorStatus } from "../../src/mirror/MirrorStatus.ts";
import { options, UsageError } from "../commandLine.ts";
import { awaitPulls } from "./awaitPulls.ts";
import { callReplica, LOCAL_URL } from "./callReplica.ts";
import { count, grouped } from "./count.ts";
import { failureText } from "./mirrorText.ts";
import { mirrorsOf } from "./mirrorsOf.ts";
import { printable } from "./printable.ts";

export const SYNC_USAGE = "npm run replica -- sync [COLLECTION] [--origin ID] [--url URL] [--json]";

/** Of what is said of one collection. */
const MAX_WORDS = 500;

/** `replica sync`: has a replica, local or deployed, pull a collection, or all, now, and awaits it. */
export async function sync(args: string[]): Promise<void> {
  const { values, positionals } = options({
    args,
    allowPositionals: true,
    options: {
      origin: { type: "string" },
      url: { type: "string", default: LOCAL_URL },
      json: { type: "boolean" },
    },
  });
  const { origin, url, json } = values;
  if (positionals.length > 1) throw new UsageError("Name one collection, or none for all.");
  const [collection] = positionals;
  const look = () => mirrorsOf(url, origin);
  const before = await look();
  // It knows which there are, and says so.
  const begun = await callReplica(url, "/admin/sync", { method: "POST", body: { origin, collection } });
  const asked = new Set((JSON.parse(begun) as { mirrors: MirrorStatus[] }).mirrors.map(named));
  const ended = await awaitPulls({
    look,
    before: before.filter((one) => asked.has(named(one))),
    screen: process.stderr,
  });
  if (json) console.log(JSON.stringify(ended));
  else for (const one of ended) console.log(printable(endText(one), MAX_WORDS));
  if (ended.some(({ failed }) => failed)) process.exitCode = 1;
}

/** What came of a pull, for people. */
export function endText({ collection, failed, pulled, version, rows }: MirrorStatus): string {
  if (failed) {
    const kept = version === 0 ? "there is no version yet" : `version ${version} is kept`;
    return `${collection}: ${failureText(failed)}; ${kept}`;
  }
  const { added, changed, removed, written, startedAt, endedAt } = pulled!;
  const changes =
    added + changed + removed === 0
      ? "as before"
      : `${grouped(added)} added, ${grouped(changed)} changed, ${grouped(removed)} removed`;
  const took = ((endedAt - startedAt) / 1_000).toFixed(1);
  return `${collection}: ${count(rows, "row")} in version ${version}: ${changes}; ${count(written, "row")} written in ${took} s`;
}

function named({ origin, collection }: MirrorStatus): string {
  return `${origin}/${collection}`;
}
