import { ANYBODY } from "../../../src/access/Caller.ts";
import { NOBODY } from "../../../src/access/payer.ts";
import { inMemory, candidatesOf } from "../../../src/lanes/candidates.ts";
import type { Exchange } from "../../../src/lanes/Exchange.ts";
import { ruleFor } from "../../../src/lanes/ruleFor.ts";
import { freshness } from "../../../src/cache/freshness.ts";
import { KvStore } from "../../../src/cache/KvStore.ts";
import { tell } from "../../../src/cache/tell.ts";
import { guard } from "../../../src/http/guard.ts";
import { respond } from "../../../src/http/respond.ts";
import { recognise } from "../../../src/mcp/recognise.ts";
import { scan } from "../../../src/mcp/scan.ts";
import type { Profile } from "../inside.ts";
import { middleMean } from "../stats.ts";
import { hit, incomingOf, requestOf } from "./hit.ts";
import { filledReplica, type Filled } from "./replicas.ts";

// The clock in a Worker steps by a ms: what is cheap has to be done often between two looks at it.
const REPEATS = 10_000;

/** Takes a hit apart, and measures each part by itself: in turns, so that a slow moment slows all of them. */
export async function profile(rounds: number): Promise<Profile> {
  const filled = await filledReplica({ entries: 1_000, tools: 1, invalidations: 0 }, true);
  const parts = partsOf(filled);
  const measured = parts.map(() => [] as number[]);
  const whole: number[] = [];
  const sample = requestOf(filled, 1);
  for (let round = 0; round < rounds; round++) {
    for (const [index, { work }] of parts.entries()) measured[index]!.push(await repeated(work));
    whole.push(await repeated(() => hit(filled, sample)));
  }
  return {
    parts: parts.map(({ name }, index) => ({ name, ns: middleMean(measured[index]!) })),
    whole: middleMean(whole),
  };
}

/** The ns that something takes which can be done again and again. */
async function repeated(work: () => unknown): Promise<number> {
  const begun = performance.now();
  for (let count = 0; count < REPEATS; count++) {
    const working = work();
    if (working instanceof Promise) await working;
  }
  return ((performance.now() - begun) * 1e6) / REPEATS;
}

interface Part {
  name: string;
  work: () => unknown;
}

function partsOf(filled: Filled): Part[] {
  const { serving } = filled;
  const { replica } = serving;
  const sample = requestOf(filled, 1);
  const text = filled.callOf(1).body;
  const body: unknown = JSON.parse(text);
  const call = recognise(body, sample.headers, replica.ignoreMeta)!;
  const x: Exchange = {
    replica,
    origin: replica.defaultOrigin!,
    isolate: serving.isolate,
    feed: filled.feed,
    tally: filled.tally,
    report: serving.report,
    env: {} as Cloudflare.Env,
    waitUntil: () => {},
    word: () => "",
    asksIn: undefined,
    session: undefined,
    sessionId: undefined,
    trace: { correlationId: "", flags: "01" },
    kv: new KvStore(undefined as unknown as KVNamespace, undefined),
    now: Date.now,
    arrivedAt: Date.now(),
    random: Math.random,
    left: () => new AbortController().signal,
    httpMethod: "POST",
    headers: sample.headers,
    caller: ANYBODY,
    principal: ANYBODY.principal,
    payer: NOBODY,
    text,
    body,
    scan: scan(text, 64),
  };
  const rule = replica.defaultOrigin!.tools.find(call.target!)!.value.cache!;
  const candidates = candidatesOf(x, call, rule)!;
  const entry = inMemory(x, candidates, call.era)!;
  const { method, target } = call;
  const asked = { again: false, onlyCached: false };
  const outcome = { kind: "hit", ttlMs: 3_000_000, detail: "memory" } as const;
  const answer = { kind: "message", result: "hit", status: 200, text: entry.body, outcome, ageMs: 1 } as const;
  return [
    {
      name: "address, guard and authenticate",
      work: () => {
        const { place, env } = incomingOf(filled, sample);
        guard(place, sample.headers.get("origin"), replica.hosts);
        const by = {
          headers: sample.headers,
          hostname: place.hostname,
          resource: place.resource,
          kv: env.KV,
          pepper: env.KEY_PEPPER,
          now: Date.now,
          waitUntil: () => {},
        };
        return serving.authenticator.authenticate(by);
      },
    },
    { name: "scan", work: () => scan(text, 64) },
    { name: "parse", work: () => JSON.parse(text) },
    { name: "recognise", work: () => recognise(body, sample.headers, replica.ignoreMeta) },
    { name: "policy and catalogue", work: () => ruleFor(x, call, asked) },
    { name: "key", work: () => candidatesOf(x, call, rule) },
    { name: "look up", work: () => freshness(inMemory(x, candidates, call.era)!, Date.now()) },
    { name: "tell", work: () => tell(entry, { era: "modern", id: 1, status: "hit", hints: false, now: Date.now() }) },
    { name: "respond", work: () => respond(answer) },
    {
      name: "count",
      work: () => filled.tally.count({ method, target, result: "hit", durationMs: 0, ageMs: 1, isSaved: true }),
    },
  ];
}
