import type { Origin } from "../../config/replica.ts";
import { within } from "../../lanes/within.ts";
import { mirrorName } from "../../mirror/mirrorName.ts";
import { rowsLike } from "../../mirror/rowsLike.ts";
import { reasonOf, type Reporter } from "../../telemetry/events.ts";
import type { Trouble } from "../errors.ts";
import { readBody } from "../readBody.ts";
import { collectionNamed } from "./collectionNamed.ts";
import { originNamed } from "./originNamed.ts";
import { respondJson } from "./respondJson.ts";
import { parseRows } from "./rowsRequest.ts";
import type { Showing } from "./totals.ts";

const MAX_BYTES = 65_536;
/** How long D1 is waited for. */
const PATIENCE_MS = 10_000;

/** What is shown of a collection. */
export interface ShownRows {
  origin: string;
  collection: string;
  /** 0 where nothing has been pulled yet. */
  version: number;
  /** How many rows the version has. */
  size: number;
  /** In the order of their keys. `since`: the version that brought it. */
  rows: { key: string[]; since: number; body: unknown }[];
}

/** Serves `POST /admin/rows`: shows rows of a collection, as the version has them that callers are answered from. */
export async function serveRows(
  showing: Pick<Showing, "replica" | "report">,
  request: Request,
  env: Cloudflare.Env,
): Promise<Response> {
  return respondJson(await rows(showing, request, env), showing.report, "/admin/rows");
}

async function rows(
  { replica, report }: { replica: Showing["replica"]; report: Reporter },
  request: Request,
  env: Cloudflare.Env,
): Promise<ShownRows | { trouble: Trouble }> {
  if (request.method !== "POST") return { trouble: { kind: "method-not-allowed" } };
  const read = await readBody(request, null, MAX_BYTES);
  if ("trouble" in read) return read;
  const wanted = parseRows(read.text);
  if ("detail" in wanted) return { trouble: { kind: "bad-rows", detail: wanted.detail } };
  const origin: Origin | { trouble: Trouble } = originNamed(replica, wanted.origin);
  if ("trouble" in origin) return origin;
  const collection = collectionNamed(origin, wanted.collection);
  if ("trouble" in collection) return collection;
  const { settings } = origin;
  try {
    const mirrored = { mirrorName: await mirrorName(settings, collection), collection };
    const found = await within(PATIENCE_MS, rowsLike(env.DB, mirrored, wanted));
    if ("problem" in found) return { trouble: { kind: "bad-rows", detail: found.problem } };
    return { origin: settings.id, collection: collection.name, ...found };
  } catch (error) {
    const reason = reasonOf(error);
    report({ type: "store-failed", operation: "get", reason });
    return { trouble: { kind: "rows-unavailable", reason } };
  }
}
