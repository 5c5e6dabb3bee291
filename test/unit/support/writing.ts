import { env } from "cloudflare:workers";
import { vi } from "vitest";
import type { OutboxLimits } from "../../../src/config/replica.ts";
import { resolve } from "../../../src/config/resolve.ts";
import { outboxObject } from "../../../src/origin/outboxObject.ts";
import { operationId } from "../../../src/outbox/operationId.ts";
import type { Submission } from "../../../src/outbox/Submission.ts";
import { newId } from "../../../src/telemetry/newId.ts";

/** A call of a tool, as an origin has got it. */
export interface Called {
  tool: string;
  args: Record<string, unknown>;
  meta: Record<string, unknown>;
  headers: Headers;
  isModern: boolean;
}

type Answer = Response | { result: object } | { error: object };
type Script = (called: Called) => Answer | Promise<Answer>;

export const LIMITS: OutboxLimits = {
  depth: 1_000,
  bytes: 10_000_000,
  callerDepth: 1_000,
  callerBytes: 10_000_000,
  maxAgeMs: 86_400_000,
  retentionMs: 86_400_000,
};

let origins = 0;
const known = new Map<string, WritingOrigin>();

/** An origin that tools write at. It speaks one era, and its tools do what the script says. */
export class WritingOrigin {
  readonly host = `writing-${++origins}.test`;
  readonly settings;
  calls: Called[] = [];
  probes = 0;
  era: "modern" | "stateless" | "sessions" = "modern";
  isDown = false;
  /** Nothing but calls of tools is answered until it is so no more. */
  isSlow = false;
  /** What it lists. */
  tools: object[] = [];
  live = new Set<string>();
  atOnce = 0;
  mostAtOnce = 0;
  script: Script = ({ args }) => ({ result: { content: [], structuredContent: args } });
  #opened = 0;

  constructor(more: { timeout?: { firstByte: string; total: string }; concurrency?: number } = {}) {
    const id = `writing-${origins}`;
    known.set(this.host, this);
    this.settings = resolve({ origins: { [id]: { url: `https://${this.host}/mcp`, ...more } } }).origins.get(
      id,
    )!.settings;
  }

  /** Its outbox. */
  get outbox() {
    return outboxObject(env, this.settings);
  }

  /** A call of a tool with a number, as an isolate submits it. */
  submission(n: number, more: Partial<Submission> = {}): Submission {
    return {
      id: operationId(newId()),
      origin: this.settings,
      eras: { modern: true, legacy: "none" },
      limits: LIMITS,
      principal: "key:one",
      tool: "note",
      args: JSON.stringify({ n }),
      digest: `digest of ${n}`,
      idempotency: { kind: "none" },
      orderKey: "caller:one",
      ifStuck: "park",
      tags: [`note:${n}`],
      isAwaited: false,
      otherwise: "queue",
      isAtOnce: false,
      // Longer than any test: nothing is to happen because somebody has lost patience.
      patienceMs: 600_000,
      ...more,
    };
  }

  /** The numbers that it was called with, in their order. */
  get numbers(): unknown[] {
    return this.calls.map(({ args }) => args["n"]);
  }

  /** Answers, unless whoever asks gives up first. */
  async fetch(init: RequestInit): Promise<Response> {
    const { signal } = init;
    const givenUp = new Promise<never>((_, reject) => {
      signal?.addEventListener("abort", () => reject(new TypeError("aborted")), { once: true });
    });
    return Promise.race([this.#answer(init), givenUp]);
  }

  async #answer({ body, headers: given, method: http }: RequestInit): Promise<Response> {
    const { id, method, params } = typeof body === "string" ? JSON.parse(body) : ({ method: http } as any);
    const headers = new Headers(given);
    const isModern = params?._meta?.["io.modelcontextprotocol/protocolVersion"] === "2026-07-28";
    if (method !== "tools/call") this.probes++;
    if (this.isDown) throw new TypeError("no connection");
    if (method !== "tools/call") await until(() => !this.isSlow);
    const told = (message: object, status = 200, more = {}) =>
      Response.json({ jsonrpc: "2.0", id: id ?? null, ...message }, { status, headers: more });
    if (isModern !== (this.era === "modern") && http === "POST")
      return told({ error: { code: -32000, message: "Bad Request" } }, 400);
    if (method === "initialize") {
      const result = { protocolVersion: "2025-06-18", capabilities: {}, serverInfo: { name: "fake", version: "1" } };
      const session = `s${++this.#opened}`;
      if (this.era === "sessions") this.live.add(session);
      return told({ result }, 200, this.era === "sessions" ? { "mcp-session-id": session } : {});
    }
    if (this.era === "sessions" && !this.live.has(headers.get("mcp-session-id")!)) return told({}, 404);
    if (id === undefined) return new Response(null, { status: 202 });
    if (method === "server/discover") return told({ result: { supportedVersions: ["2026-07-28"], capabilities: {} } });
    if (method === "tools/list")
      return told({ result: { ...(isModern && { resultType: "complete" }), tools: this.tools } });
    if (method !== "tools/call") return told({ result: {} });
    const called = { tool: params.name, args: params.arguments, meta: params._meta ?? {}, headers, isModern };
    this.calls.push(called);
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce);
    try {
      const answer = await this.script(called);
      if (answer instanceof Response) return answer;
      return told("result" in answer && isModern ? { result: { resultType: "complete", ...answer.result } } : answer);
    } finally {
      this.atOnce--;
    }
  }
}

/** Has what is asked of such origins answered by them, until what this returns is called. */
export function answerForOrigins(): () => void {
  const real = globalThis.fetch;
  const spy = vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : String(input));
    const origin = known.get(url.hostname);
    return origin ? origin.fetch(init as RequestInit) : real(input, init);
  });
  return () => spy.mockRestore();
}

/** Waits, where the caller is, until it is so. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await scheduler.wait(1);
}
