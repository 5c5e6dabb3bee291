import type { Entry } from "../cache/entry.ts";
import { digest } from "../cache/key.ts";
import { expandTags } from "../cache/tags.ts";
import type { CacheRule } from "../config/replica.ts";
import { encodeHeaderValue } from "../mcp/headerValue.ts";
import { isList } from "../mcp/methods.ts";
import { META_CAPABILITIES, META_CLIENT_INFO, META_VERSION } from "../mcp/names.ts";
import type { Call } from "../mcp/recognise.ts";
import { toolFacts } from "../mcp/toolFacts.ts";
import { coalescerName } from "../origin/Coalescer.ts";
import type { Boarding } from "../origin/Flights.ts";
import { FILL_ID, type FillRequest } from "../origin/land.ts";
import type { OriginFailure } from "../origin/failure.ts";
import { reasonOf } from "../telemetry/events.ts";
import { CLIENT_INFO } from "./clientInfo.ts";
import type { Candidates } from "./candidates.ts";
import type { Exchange } from "./Exchange.ts";
import { heed } from "./heed.ts";
import { coalescer, remember } from "./keep.ts";
import { catalogueOf, learn } from "./learn.ts";
import { forwardedHeaders } from "./forwardedHeaders.ts";

/** How a fill ended. */
export type Filled =
  | { kind: "entry"; entry: Entry; status: number; collapsed: boolean }
  /** An answer for this caller alone, with the fill's id. */
  | { kind: "reply"; status: number; text: string }
  /** Not to be had here: ask the origin directly. */
  | { kind: "relay"; keep: boolean }
  | { kind: "failed"; failure: OriginFailure };

/** How a fill goes. */
export interface FillOptions {
  /** The answer must be begun after the asking. */
  again: boolean;
  previous: Entry | undefined;
}

/** Asks the origin for an answer that may be kept, together with everyone else who asks for it now. */
export async function fill(
  x: Exchange,
  call: Call,
  rule: CacheRule,
  candidates: Candidates,
  { again, previous }: FillOptions,
): Promise<Filled> {
  const { origin } = x;
  // A header that no argument answers for is not in the key: it goes on, and what comes back is the caller's alone.
  if (hasStrayParam(x, call)) return { kind: "relay", keep: false };
  const laterPage = isList(call.method) && call.variant !== undefined;
  const key = await digest(candidates.flight.text);
  const request: FillRequest = {
    origin: origin.settings,
    key,
    addresses: {
      ...(candidates.public && { public: candidates.public }),
      ...(candidates.private && { private: candidates.private }),
    },
    method: call.method,
    era: call.era,
    hints: call.shape.hints,
    rule,
    tags: expandTags(rule.tags, call.variant),
    laterPage,
    headers: fillHeaders(x, call),
    body: bodyOf(call),
    again,
    ...(previous && { previous }),
  };
  let boarding: Boarding;
  try {
    boarding = await coalescer(x, coalescerName(origin.settings.id, key)).fill(request);
  } catch (error) {
    x.report({ type: "coalescer-failed", origin: origin.settings.id, reason: reasonOf(error) });
    return { kind: "relay", keep: true };
  }
  switch (boarding.kind) {
    case "pass":
    case "too-large":
      return { kind: "relay", keep: true };
    case "failed":
      return { kind: "failed", failure: withRetry(boarding.failure, boarding.retryAfterMs) };
    case "reply":
      await heed(x, call.method, call.variant, boarding.text);
      return { kind: "reply", status: boarding.status, text: boarding.text };
    case "entry": {
      const { entry, status, collapsed } = boarding;
      // A flight for a caller of the other era brought what this caller cannot be told.
      if (entry.only !== undefined && entry.only !== call.era) return { kind: "relay", keep: true };
      remember(x, candidates, entry);
      if (call.method === "tools/list") learn(x, toolFacts(JSON.parse(`{${entry.body}}`)));
      return { kind: "entry", entry, status, collapsed };
    }
  }
}

/** The caller's headers, named anew where the call is the replica's own (it may read a list for a caller who called a tool). */
function fillHeaders(x: Exchange, call: Call): Record<string, string> {
  const { "mcp-name": _, tracestate: __, baggage: ___, ...headers } = forwardedHeaders(x);
  headers["accept"] = "application/json, text/event-stream";
  headers["content-type"] = "application/json";
  if (call.era === "legacy") {
    delete headers["mcp-method"];
    return headers;
  }
  headers["mcp-protocol-version"] = call.version!;
  headers["mcp-method"] = call.method;
  if (call.target !== null) headers["mcp-name"] = encodeHeaderValue(call.target);
  return headers;
}

/** Whether the caller sent an `Mcp-Param-*` header that the tool does not declare. */
function hasStrayParam(x: Exchange, call: Call): boolean {
  if (call.method !== "tools/call") return false;
  const declared = catalogueOf(x).get(call.target!)?.paramHeaders ?? [];
  for (const name of x.headers.keys()) {
    if (name.startsWith("mcp-param-") && !declared.some(({ header }) => header.toLowerCase() === name)) return true;
  }
  return false;
}

/** The request as the origin gets it: without what belongs to one caller, as it will answer many. */
function bodyOf(call: Call): string {
  const { _meta: _, ...params } = call.params;
  const meta = {
    [META_VERSION]: call.version,
    [META_CAPABILITIES]: call.capabilities,
    [META_CLIENT_INFO]: CLIENT_INFO,
  };
  const sent = call.era === "modern" ? { ...params, _meta: meta } : params;
  return JSON.stringify({ jsonrpc: "2.0", id: FILL_ID, method: call.method, params: sent });
}

function withRetry(failure: OriginFailure, retryAfterMs: number): OriginFailure {
  return failure.kind === "status" || failure.kind === "busy" ? { ...failure, retryAfterMs } : failure;
}
