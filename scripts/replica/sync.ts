import type { MirrorStatus } from "../../src/mirror/MirrorStatus.ts";
import { options, UsageError } from "../commandLine.ts";
import { LOCAL_URL } from "./callReplica.ts";
import { count, grouped } from "./count.ts";
import { failureText } from "./mirrorText.ts";
import { printable } from "./printable.ts";
import { pullNow } from "./pullNow.ts";

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
  const { ended, waiting } = await pullNow({ url, origin, collection, screen: process.stderr });
  if (json) console.log(JSON.stringify([...ended, ...waiting]));
  else for (const line of [...ended.map(endText), ...waiting.map(waitText)]) console.log(printable(line, MAX_WORDS));
  if (waiting.length > 0 || ended.some(({ failed }) => failed)) process.exitCode = 1;
}

/** That a pull has not begun, for people. */
export function waitText({ collection }: MirrorStatus): string {
  return `${collection}: not pulled yet: status says how the origin is. It is pulled when that can be asked`;
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
