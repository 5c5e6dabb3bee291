import { policyOf } from "../config/policy.ts";
import type { CacheRule } from "../config/replica.ts";
import { cacheableMethod } from "../mcp/methods.ts";
import type { Call } from "../mcp/recognise.ts";
import { paramHeadersAgree, toolFacts, type ToolFacts } from "../mcp/toolFacts.ts";
import type { Asked } from "./directives.ts";
import type { Exchange } from "./Exchange.ts";
import { catalogueOf, learn } from "./learn.ts";
import { obtain } from "./obtain.ts";

/** A catalogue this old is read again behind the call that uses it. */
const REREAD_MS = 60_000;
/** After a reading that failed, the next one waits as long. */
const RETRY_MS = 5_000;
const MAX_PAGES = 200;

/** The rule under which a call may be answered from the cache; `undefined` sends it to the origin. */
export async function ruleFor(x: Exchange, call: Call, asked: Asked): Promise<CacheRule | undefined> {
  const policy = policyOf(x.origin, call.method, call.target);
  if (policy.kind !== "cache" && policy.kind !== "cache-if-read-only") return undefined;
  if (call.method !== "tools/call") return policy.rule;
  // A legacy caller mirrors no arguments in headers, and a tool named by the operator needs no annotation.
  if (policy.kind === "cache" && call.era === "legacy") return policy.rule;
  const facts = await factsOf(x, call, asked);
  if (policy.kind === "cache-if-read-only" && !facts?.readOnly) return undefined;
  if (call.era === "modern" && !headersAgree(x, call, facts)) return undefined;
  return policy.rule;
}

/** Whether `Mcp-Param-*` say what the arguments say. Of an unknown tool nothing is known to be required. */
function headersAgree(x: Exchange, call: Call, facts: ToolFacts | undefined): boolean {
  if (facts) return paramHeadersAgree(facts.paramHeaders, call.variant, (name) => x.headers.get(name));
  for (const name of x.headers.keys()) if (name.startsWith("mcp-param-")) return false;
  return true;
}

/** Whether `Mcp-Param-*` contradict the arguments of a tool that is known to declare them. */
export function contradictsParams(x: Exchange, call: Call): boolean {
  const facts = call.method === "tools/call" && call.era === "modern" && catalogueOf(x).get(call.target!);
  return facts !== undefined && facts !== false && !headersAgree(x, call, facts);
}

async function factsOf(x: Exchange, call: Call, asked: Asked): Promise<ToolFacts | undefined> {
  const catalogue = catalogueOf(x);
  const sinceMs = x.now() - catalogue.readAt;
  if (!catalogue.complete) {
    // All who come before anything is known wait for it, and meet in one flight.
    if (asked.onlyCached || sinceMs > RETRY_MS) await readCatalogue(x, call, asked);
  } else if (sinceMs > REREAD_MS && !asked.onlyCached) {
    catalogue.readAt = x.now();
    x.waitUntil(readCatalogue(x, call, asked));
  }
  return catalogue.get(call.target!);
}

/** Reads `tools/list` from the cache, or the origin, page by page. */
async function readCatalogue(x: Exchange, call: Call, asked: Asked): Promise<void> {
  const catalogue = catalogueOf(x);
  if (await readPages(x, call, asked)) catalogue.complete = true;
  if (!asked.onlyCached) catalogue.readAt = x.now();
}

/** Whether there was a last page. */
async function readPages(x: Exchange, call: Call, asked: Asked): Promise<boolean> {
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const listing = listCall(call, cursor);
    const obtained = await obtain(x, listing, x.origin.lists, { again: false, onlyCached: asked.onlyCached });
    if (obtained.kind !== "entry") return false;
    const result = JSON.parse(`{${obtained.entry.body}}`) as { nextCursor?: unknown };
    learn(x, toolFacts(result));
    if (typeof result.nextCursor !== "string") return true;
    cursor = result.nextCursor;
  }
  return false;
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
