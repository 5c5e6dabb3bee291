import { setTimeout as wait } from "node:timers/promises";
import type { ReplicaConfig } from "../../../src/config/types.ts";
import { type Replica, startReplica } from "../../integration/support/replica.ts";

/** For everybody: what a legacy client is told is otherwise kept for its session alone, and the suite opens many. */
const CACHE = { cache: { ttl: "1h", scope: "public" } } as const;

/** The tools that only read. The others answer in streams, ask, keep a state or change something. */
const TOOLS = [
  "test_simple_text",
  "test_image_content",
  "test_audio_content",
  "test_embedded_resource",
  "test_multiple_content_types",
  "test_error_handling",
  "test_x_mcp_header",
  "json_schema_2020_12_tool",
  "greet",
];

/** By name: a pattern is public only where the origin says so too, and in the legacy era it cannot. */
const RESOURCES = ["test://static-text", "test://static-binary", "test://watched-resource", "test://template/123/data"];

const PROMPTS = [
  "test_simple_prompt",
  "test_prompt_with_arguments",
  "test_prompt_with_embedded_resource",
  "test_prompt_with_image",
];

/** How long a line of the log may take, in ms. */
const DEADLINE_MS = 10_000;

/** A replica of an origin, with all that may be cached cached. */
export function replicate(url: string): Promise<Replica> {
  const origin: ReplicaConfig["origins"][string] = {
    url,
    lists: { defaultTtl: "1h" },
    // The suite waits 1.5 s for what a listener is told.
    sync: { listen: "auto", pulse: "250ms" },
    tools: Object.fromEntries(TOOLS.map((name) => [name, CACHE])),
    resources: Object.fromEntries(RESOURCES.map((uri) => [uri, CACHE])),
    prompts: Object.fromEntries(PROMPTS.map((name) => [name, CACHE])),
  };
  return startReplica({ origins: { conformance: origin } }, { vars: { REPLICA_LOG: "json" } });
}

/** The tools whose calls take long, fail, or ask. */
const QUEUED = ["slow_compute", "failing_job", "protocol_error_job", "confirm_delete", "multi_input"];

/** A replica of an origin without tasks, which makes tasks of the calls of some tools. */
export function queueing(url: string): Promise<Replica> {
  const write = { queue: "always", orderBy: false } as const;
  const origin: ReplicaConfig["origins"][string] = {
    url,
    // The suite leaves a minute's work behind, and there is room for five at a time.
    timeout: { firstByte: "5s", total: "5s" },
    tools: Object.fromEntries(QUEUED.map((name) => [name, { write }])),
  };
  return startReplica({ origins: { conformance: origin } });
}

/** The requests that a replica has answered from its cache. */
export interface Hits {
  all: number;
  /** Those that name a tool, a resource or a prompt. The suite asks for lists at the same time, so theirs may vary. */
  named: number;
}

/** The hits of a replica so far. Waits for the lines of all that it answered. */
export async function countHits(replica: Replica): Promise<Hits> {
  const mark = `mark-${replica.lines.length}`;
  const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: mark } });
  await (await fetch(replica.mcp, { method: "POST", headers, body })).text();
  const deadline = performance.now() + DEADLINE_MS;
  // Lines come in order, so with the line of this request all earlier ones are there.
  while (!replica.lines.some((line) => line.includes(mark))) {
    if (performance.now() > deadline) throw new Error("The replica did not log a request.");
    await wait(10);
  }
  const hits = replica.lines.map(eventOf).filter(({ type, result }) => type === "request" && result === "hit");
  return { all: hits.length, named: hits.filter(({ name }) => typeof name === "string").length };
}

function eventOf(line: string): { type?: string; name?: string | null; result?: string } {
  try {
    return JSON.parse(line) as object;
  } catch {
    return {};
  }
}
