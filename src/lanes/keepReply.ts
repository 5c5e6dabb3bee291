import { hashOf } from "../cache/codec.ts";
import type { Entry } from "../cache/entry.ts";
import { neutralise } from "../cache/neutralise.ts";
import { expandTags } from "../cache/tags.ts";
import type { CacheRule } from "../config/replica.ts";
import type { Call } from "../mcp/recognise.ts";
import { reasonOf } from "../telemetry/events.ts";
import type { Candidates } from "./candidates.ts";
import type { Exchange } from "./Exchange.ts";
import { keep } from "./keep.ts";

/** What a relayed answer may be kept as. */
export interface Keeping {
  call: Call;
  rule: CacheRule;
  candidates: Candidates;
  previous: Entry | undefined;
}

/** Keeps the answer that a relay brought, in the background, if it is one that may be kept. `askedAt` is when the origin was asked, epoch ms. */
export function keepReply(x: Exchange, keeping: Keeping, reply: string, askedAt: number): void {
  const failed = (error: unknown) => x.report({ type: "store-failed", operation: "put", reason: reasonOf(error) });
  x.waitUntil(store(x, keeping, reply, askedAt).catch(failed));
}

async function store(x: Exchange, keeping: Keeping, reply: string, askedAt: number): Promise<void> {
  const { call, rule, candidates, previous } = keeping;
  const made = neutralise(reply, {
    method: call.method,
    era: call.era,
    rule,
    hints: call.shape.hints,
    tags: expandTags(rule.tags, call.variant),
    askedAt,
    random: x.random(),
    maxBytes: x.origin.settings.entryBytes,
  });
  if (typeof made === "string") return;
  keep(x, candidates, { ...made, hash: await hashOf(made.body, made.meta), savedAt: made.storedAt }, previous);
}
