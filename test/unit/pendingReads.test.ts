import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { createApp, type App } from "../../src/http/app.ts";
import { outboxObject } from "../../src/origin/outboxObject.ts";
import { SILENT } from "../../src/telemetry/events.ts";

// Isolates that read what queued writes are about to change: with the objects, KV and D1 as they are, and an origin that comes
// and goes.

const ID = "pending-reads";
const URL_OF = `https://${ID}.example.com/mcp`;
const SOON = { timeout: 8_000 };
const cached = { cache: { ttl: "1h", scope: "public", tags: ["thing:{id}"] }, consistency: "bounded" } as const;

const replica = resolve({
  origins: {
    [ID]: {
      url: URL_OF,
      default: true,
      sync: { pulse: "250ms", listen: "off" },
      timeout: { total: "5s" },
      collections: {
        things: {
          from: { tool: "list_things", rows: "/things" },
          key: "id",
          tags: ["thing:{id}"],
          row: { tool: "get_thing", arguments: { id: "{id}" } },
          scope: "public",
        },
      },
      tools: {
        look: cached,
        choosy: { ...cached, readPending: "refuse" },
        careful: { cache: cached.cache, consistency: "strict" },
        get_thing: { answer: { from: "things", key: "{id}" }, consistency: "bounded" },
        set_thing: {
          write: { queue: "when-down", invalidates: ["thing:{id}", "resource:doc://{id}"], unlessTask: "notify" },
        },
      },
      resources: { "doc://*": { cache: { ttl: "1h", scope: "public" }, consistency: "bounded" } },
    },
  },
  access: { open: true },
});
const { settings } = replica.origins.get(ID)!;

/** What there is at the origin, whether it can be reached, and what it was asked. */
const origin = {
  things: new Map([
    ["a", 1],
    ["b", 1],
  ]),
  isUp: true,
  asked: [] as string[],
};
const background: Promise<unknown>[] = [];
const realFetch = globalThis.fetch;

beforeAll(() => {
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const request = new Request(input as string, init);
    if (request.url !== URL_OF) return realFetch(request);
    if (!origin.isUp) throw new TypeError("no connection");
    return answered(await request.json());
  });
});
afterAll(async () => {
  origin.isUp = true;
  await Promise.all(background);
  vi.restoreAllMocks();
});

function answered({ id, method, params }: { id?: unknown; method: string; params?: any }): Response {
  if (id === undefined) return new Response(null, { status: 202 });
  origin.asked.push(`${method} ${params?.name ?? params?.uri ?? ""}`.trim());
  const result = { resultType: "complete", ...resultOf(method, params ?? {}) };
  return Response.json({ jsonrpc: "2.0", id, result });
}

function resultOf(method: string, { name, uri, arguments: args = {} }: any): object {
  const hints = { ttlMs: 0, cacheScope: "public" };
  const said = (value: object) => ({ content: [{ type: "text", text: "" }], structuredContent: value });
  const inputSchema = { type: "object", properties: { id: { type: "string" }, n: { type: "number" } } };
  const row = (key: string) => ({ id: key, n: origin.things.get(key) });
  switch (`${method} ${name ?? ""}`.trim()) {
    case "server/discover":
      return { supportedVersions: ["2026-07-28"], capabilities: { tools: {}, resources: {} }, ...hints };
    case "tools/list": {
      const names = ["look", "choosy", "careful", "get_thing", "list_things", "set_thing"];
      const annotations = { readOnlyHint: true };
      return { tools: names.map((name) => ({ name, inputSchema, annotations })), ...hints };
    }
    case "resources/read":
      return { contents: [{ uri, text: `${origin.things.get(uri.slice("doc://".length))}` }], ...hints };
    case "tools/call list_things":
      return said({ things: [...origin.things.keys()].map(row) });
    case "tools/call set_thing":
      origin.things.set(args.id, args.n);
      return said({});
    default:
      return said(row(args.id));
  }
}

const context = { waitUntil: (work: Promise<unknown>) => void background.push(work.catch(() => {})) };

function ask(app: App, method: string, params: Record<string, unknown>): Promise<Response> {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
  };
  const name = params["name"] ?? params["uri"];
  const headers = {
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": method,
    ...(typeof name === "string" && { "mcp-name": name }),
  };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta } });
  const request = new Request("http://127.0.0.1/mcp", { method: "POST", headers, body });
  return Promise.resolve(app.fetch(request, env, context as unknown as ExecutionContext));
}

/** From where the answer is, what it says, and how many writes it lacks; or the error's code. */
async function read(app: App, name: string, id: string): Promise<unknown> {
  const response = await ask(app, "tools/call", { name, arguments: { id } });
  const { result } = await response.json<{ result: any }>();
  const { "edge-replica/cache": cache, "edge-replica/error": error } = result._meta ?? {};
  if (error) return [error.code, error.retryAfterMs > 0];
  const status = response.headers.get("cache-status") ?? "";
  return [/detail=([\w-]+)/.exec(status)?.[1] ?? "origin", result.structuredContent.n, cache?.pendingWrites ?? "none"];
}

describe("beside a queued write", () => {
  const app = createApp(replica, SILENT);

  test("what is kept says that it lacks it, or is refused, until it was sent: then it is as the write has left it", async () => {
    for (const name of ["look", "choosy", "careful"]) for (const id of ["a", "b"]) await read(app, name, id);
    await ask(app, "resources/read", { uri: "doc://a" });
    await expect.poll(() => read(app, "get_thing", "a"), SOON).toEqual(["mirror", 1, "none"]);
    const listening = await ask(app, "subscriptions/listen", {
      notifications: { resourceSubscriptions: ["doc://a"] },
    });
    const heard = listening.body!.pipeThrough(new TextDecoderStream()).getReader();

    origin.isUp = false;
    const queued = await ask(app, "tools/call", { name: "set_thing", arguments: { id: "a", n: 2 } });
    expect(await queued.text()).toContain('"code":"write_queued"');
    expect(await read(app, "careful", "a")).toEqual(["memory", 1, 1]);
    expect(await read(app, "careful", "b")).toEqual(["memory", 1, "none"]);
    expect(await read(app, "look", "a")).toEqual(["memory", 1, 1]);
    const other = createApp(replica, SILENT);
    expect(await read(other, "look", "a")).toEqual(["kv", 1, 1]);
    expect(await read(other, "look", "b")).toEqual(["kv", 1, "none"]);
    for (const one of [app, other]) {
      expect(await read(one, "choosy", "a")).toEqual(["pending_writes", true]);
      expect(await read(one, "choosy", "b")).toMatchObject({ 1: 1, 2: "none" });
      expect(await read(one, "get_thing", "a")).toEqual(["mirror", 1, 1]);
      expect(await read(one, "get_thing", "b")).toEqual(["mirror", 1, "none"]);
    }

    origin.isUp = true;
    origin.asked = [];
    await outboxObject(env, settings).drain();
    await expect.poll(() => origin.things.get("a"), SOON).toBe(2);
    // It has been announced: a strict reader never sees the old value again.
    expect(await read(other, "careful", "a")).toMatchObject({ 1: 2 });
    await expect.poll(() => read(other, "careful", "a"), SOON).toMatchObject({ 1: 2, 2: "none" });
    for (const one of [app, other]) {
      await expect.poll(() => read(one, "look", "a"), SOON).toMatchObject({ 1: 2, 2: "none" });
      expect(await read(one, "choosy", "a")).toMatchObject({ 1: 2, 2: "none" });
      await expect.poll(() => read(one, "get_thing", "a"), SOON).toEqual(["mirror", 2, "none"]);
    }
    let text = "";
    while (!text.includes("notifications/resources/updated")) text += (await heard.read()).value;
    expect(text).toContain('"doc://a"');
    await heard.cancel();
    expect(origin.asked.filter((one) => one === "tools/call set_thing")).toHaveLength(1);
    // The mirror has asked for the one row again, and has not been pulled.
    expect(origin.asked).not.toContain("tools/call list_things");
  });
});
