import { NOBODY } from "../access/payer.ts";
import { policyOf } from "../config/policy.ts";
import type { CacheRule } from "../config/replica.ts";
import { cacheableMethod } from "../mcp/methods.ts";
import type { Call } from "../mcp/recognise.ts";
import { toolFacts } from "../mcp/toolFacts.ts";
import type { Asked } from "./directives.ts";
import type { Exchange } from "./Exchange.ts";
import { catalogueOf, learn } from "./learn.ts";
import { candidatesOf } from "./candidates.ts";
import { fill } from "./fill.ts";
import { obtain } from "./obtain.ts";
import { headersAgree } from "./params.ts";

/** A catalogue this old is read again behind the call that uses it. */
const REREAD_MS = 60_000;
/** After a reading that failed, the next one waits as long. */
const RETRY_MS = 5_000;
/** How long it is waited for where a call could do without. */
export const BRIEF_MS = 250;
const MAX_PAGES = 200;

/** The rule under which a call may be answered from the cache; `undefined` sends it to the origin. At once where all is known. */
export function ruleFor(x: Exchange, call: Call, asked: Asked): CacheRule | undefined | Promise<CacheRule | undefined> {
  const policy = policyOf(x.origin, call.method, call.target);
  if (policy.kind !== "cache" && policy.kind !== "cache-if-read-only") return undefined;
  if (call.method !== "tools/call") return policy.rule;
  // A legacy caller mirrors no arguments in headers, and a tool named by the operator needs no annotation.
  if (policy.kind === "cache" && call.era === "legacy" && x.asksIn === undefined) return policy.rule;
  const decide = () => {
    const facts = catalogueOf(x).get(call.target!);
    if (policy.kind === "cache-if-read-only" && !facts?.readOnly) return undefined;
    return call.era === "modern" && !headersAgree(x, call, facts) ? undefined : policy.rule;
  };
  // For a tool named by the operator the list says only which headers to compare: not worth a long wait.
  const reading = refreshCatalogue(x, call, asked, policy.kind === "cache" ? BRIEF_MS : undefined);
  return reading ? reading.then(decide) : decide();
}

/** Sees to it that the catalogue is read, and read again now and then. One that was never read is waited for, up to `waitMs`. */
export function refreshCatalogue(x: Exchange, call: Call, asked: Asked, waitMs?: number): Promise<unknown> | undefined {
  const catalogue = catalogueOf(x);
  const sinceMs = x.arrivedAt - catalogue.readAt;
  if (!catalogue.complete) {
    // All who come before anything is known wait for it, and meet in one flight.
    if (!asked.onlyCached && sinceMs <= RETRY_MS) return undefined;
    const reading = readCatalogue(x, call, asked);
    x.waitUntil(reading);
    return waitMs === undefined ? reading : Promise.race([reading, scheduler.wait(waitMs)]);
  }
  if (sinceMs > REREAD_MS && !asked.onlyCached) {
    catalogue.readAt = x.now();
    x.waitUntil(readCatalogue(x, call, asked));
  }
  return undefined;
}

/** Reads `tools/list` from the cache, or the origin, page by page. */
async function readCatalogue(caller: Exchange, call: Call, asked: Asked): Promise<void> {
  // The replica reads it for its own sake.
  const x: Exchange = { ...caller, payer: NOBODY };
  const catalogue = catalogueOf(x);
  if (await readPages(x, call, asked)) catalogue.complete = true;
  if (!asked.onlyCached) catalogue.readAt = x.now();
}

/** Whether there was a last page. */
async function readPages(x: Exchange, call: Call, asked: Asked): Promise<boolean> {
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const listing = listCall(call, cursor);
    const result = await resultOf(x, listing, asked);
    if (!result) return false;
    learn(x, toolFacts(result));
    if (typeof result.nextCursor !== "string") return true;
    cursor = result.nextCursor;
  }
  return false;
}

/** A page of the list, whether it may be kept or not. */
async function resultOf(x: Exchange, listing: Call, asked: Asked): Promise<{ nextCursor?: unknown } | undefined> {
  const rule = x.origin.lists;
  const obtained = await obtain(x, listing, rule, { again: false, onlyCached: asked.onlyCached });
  // What a caller would be streamed is read here.
  const found =
    obtained.kind === "relay"
      ? await fill(x, listing, rule, candidatesOf(x, listing, rule)!, {
          again: false,
          previous: obtained.previous,
          behind: true,
        })
      : obtained;
  if (found.kind === "entry") return JSON.parse(`{${found.entry.body}}`) as object;
  if (found.kind === "reply") return (JSON.parse(found.text) as { result?: object }).result;
  return undefined;
}

/** The list request that the caller of a tool would make. */
function listCall(call: Call, cursor: string | undefined): Call {
  return {
    ...call,
    method: "tools/list",
    shape: cacheableMethod("tools/list")!,
    target: null,
    variant: cursor,
    params: cursor === undefined ? {} : { cursor },
    wantsProgress: false,
    cacheControl: undefined,
  };
}
