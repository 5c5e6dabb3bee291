import { ageMs } from "../cache/freshness.ts";
import type { Entry } from "../cache/entry.ts";
import { isModern, metaOf } from "../mcp/envelope.ts";
import { isObject } from "../mcp/isObject.ts";
import { cacheableMethod } from "../mcp/methods.ts";
import { META_CAPABILITIES } from "../mcp/names.ts";
import type { Call } from "../mcp/recognise.ts";
import { misfits } from "../mcp/schema/misfits.ts";
import { candidatesOf, inMemory, type Candidates } from "./candidates.ts";
import type { Exchange, Failure } from "./Exchange.ts";
import { isSuspect } from "./suspect.ts";

/** A list that promises nothing for longer is gone by for as long: an older schema may be a stricter one than the origin's. */
const MAX_AGE_MS = 600_000;
const MAX_PAGES = 50;

const NO_ARGUMENTS: Readonly<Record<string, unknown>> = Object.freeze({});

/**
 * Why the arguments of a tool call cannot be what the tool wants, so that they need not cost a call to the origin;
 * `undefined` where they fit, or nobody can tell. Nothing is asked for to find out: the schema is the one in the caller's own
 * list of tools, where this isolate holds it and knows of nothing against it. Who may not use the tool has been told so
 * before. What is found in the cache is not judged: the origin has accepted those arguments.
 */
export function misfit(x: Exchange): Extract<Failure, { kind: "invalid-arguments" }> | undefined {
  // What two readers understand differently is the origin's to judge; so is everything that is no tool call as such.
  if (!x.scan.exact || !isObject(x.body) || x.body["method"] !== "tools/call" || x.body["id"] === undefined)
    return undefined;
  const { name, arguments: args = NO_ARGUMENTS } = isObject(x.body["params"]) ? x.body["params"] : NO_ARGUMENTS;
  if (typeof name !== "string" || !isObject(args)) return undefined;
  const { origin } = x;
  if (!(origin.tools.find(name)?.value.validates ?? origin.validates)) return undefined;
  const schema = schemaOf(x, name);
  const places = schema === undefined ? [] : misfits(schema, args);
  return places.length > 0 ? { kind: "invalid-arguments", tool: name, places } : undefined;
}

/** The input schema of a tool as the caller's list has it. */
function schemaOf(x: Exchange, tool: string): unknown {
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const listing = listingOf(x, cursor);
    const candidates = candidatesOf(x, listing, x.origin.lists);
    const entry = candidates && inMemory(x, candidates, listing.era);
    const found = entry && isCurrent(x, candidates, entry) ? x.isolate.schemas.of(entry) : undefined;
    if (!found) return undefined;
    if (found.schemas.has(tool)) return found.schemas.get(tool);
    if (found.next === undefined) return undefined;
    cursor = found.next;
  }
  return undefined;
}

/** Whether a list can be gone by: nothing is known against it, what there is would be known, and it is not old. */
function isCurrent(x: Exchange, candidates: Candidates, entry: Entry): boolean {
  const address = candidates[entry.scope];
  if (x.feed.detached || entry.isDoubted || (address && isSuspect(x, address, entry))) return false;
  return ageMs(entry, x.now()) < Math.max(entry.ttlMs, MAX_AGE_MS);
}

/** The request for a page of the list, as the caller would make it. */
function listingOf(x: Exchange, cursor: string | undefined): Call {
  const isOfModern = isModern(x.body);
  const declared = isOfModern ? metaOf(x.body)![META_CAPABILITIES] : x.session?.capabilities;
  return {
    era: isOfModern ? "modern" : "legacy",
    version: undefined,
    id: 0,
    method: "tools/list",
    shape: cacheableMethod("tools/list")!,
    target: null,
    variant: cursor,
    // Who is translated is shown what everybody is shown.
    capabilities: x.asksIn === undefined && isObject(declared) ? declared : {},
    params: {},
    wantsProgress: false,
    cacheControl: undefined,
  };
}
