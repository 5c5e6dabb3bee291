import { errorCode } from "../mcp/errorCode.ts";
import { ladder } from "../mcp/ladder.ts";
import { isList } from "../mcp/methods.ts";
import { CODE } from "../mcp/names.ts";
import type { Call } from "../mcp/recognise.ts";
import { candidatesOf, inKv, inMemory } from "./candidates.ts";
import type { Exchange } from "./Exchange.ts";
import { hasStrayParam } from "./fillHeaders.ts";
import { doubtListing, purgeListing } from "./keep.ts";
import { catalogueOf } from "./learn.ts";
import { contradictsParams } from "./params.ts";

const MAX_PAGES = 200;

/**
 * Draws the consequences of an error that the origin answered with: it may say that a stored list is no longer true. A
 * caller's own mistake is no reason to drop what others use.
 */
export async function heed(x: Exchange, call: Call | undefined, reply: string): Promise<void> {
  const code = errorCode(reply);
  if (!call || code === undefined) return;
  // A cursor that the origin does not know ends the whole listing (server/utilities/pagination). Where it is none that
  // we gave out, the caller may have made it up: then the list is asked for anew, and nothing is lost.
  if (code === CODE.invalidParams && isList(call.method) && call.variant !== undefined) {
    await ((await isStoredCursor(x, call)) ? purgeListing : doubtListing)(x, call.method);
  }
  if (code !== CODE.headerMismatch) return;
  // The headers were the replica's own: before it asks again in the name of who cannot mend them, it reads the list.
  const isOwn = x.asksIn === "modern" && call.method === "tools/call";
  if (isOwn) catalogueOf(x).complete = false;
  // The caller went by a list that lacks a header; its next one must be new, or its retry fails as well (SEP-2243).
  if (isOwn || goesByList(x, call)) {
    catalogueOf(x).readAt = 0;
    await purgeListing(x, "tools/list");
  }
}

/** Whether a tool call is what a caller would make who goes by the stored list. */
function goesByList(x: Exchange, call: Call): boolean {
  if (call.method !== "tools/call" || call.era !== "modern") return false;
  return !ladder(x.body, x.headers) && !contradictsParams(x) && !hasStrayParam(x, call);
}

/** Whether a stored page of this caller's list leads to the cursor. */
async function isStoredCursor(x: Exchange, call: Call): Promise<boolean> {
  let cursor: unknown;
  for (let page = 0; page < MAX_PAGES; page++) {
    const candidates = candidatesOf(x, { ...call, variant: cursor }, x.origin.lists);
    const entry = candidates && (inMemory(x, candidates, call.era) ?? (await inKv(x, candidates, call.era)));
    if (!entry) return false;
    cursor = (JSON.parse(`{${entry.body}}`) as { nextCursor?: unknown }).nextCursor;
    if (cursor === call.variant) return true;
    if (typeof cursor !== "string") return false;
  }
  return false;
}
