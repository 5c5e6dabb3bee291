import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Fixture, tool } from "./support/fixture.ts";
import { type Replica, seed, startReplica } from "./support/replica.ts";
import { call, legacy, modern, send } from "./support/wire.ts";

const origin = new Fixture();
let json: Replica;
let line: Replica;

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("kept", { annotations: { readOnlyHint: true } })];
  const tools = { kept: { cache: { ttl: "10m", staleWhileRevalidate: "1h" } } } as const;
  const config = { origins: { o: { url: origin.url, lists: { defaultTtl: "10m" }, tools } } } as const;
  json = await startReplica(config, { vars: { REPLICA_LOG: "json" } });
  line = await startReplica(config, { vars: { REPLICA_LOG: "line" } });
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await Promise.all([json?.close(), line?.close()]);
  await origin.stop();
});

/** The lines that the replica logs for what `ask` does, which is so many requests. */
async function linesOf(replica: Replica, count: number, ask: () => Promise<unknown>): Promise<string[]> {
  const before = replica.lines.length;
  await ask();
  await expect.poll(() => replica.lines.length - before).toBeGreaterThanOrEqual(count);
  return replica.lines.slice(before);
}

const old = (replica: Replica) =>
  seed(replica, {
    target: "kept",
    variant: { old: 1 },
    ageMs: 120_000,
    entry: { ttlMs: 60_000, staleWhileRevalidateMs: 3_600_000 },
  });

/** One request of each kind, and the word for it. */
const KINDS: [string, string, (url: string) => Promise<unknown>][] = [
  ["miss", "tools/call kept", (url) => call(url, "kept", { secret: "argument" })],
  ["hit", "tools/call kept", (url) => call(url, "kept", { secret: "argument" })],
  ["stale", "tools/call kept", (url) => call(url, "kept", { old: 1 })],
  ["relay", "tools/call other", (url) => call(url, "other")],
  ["local", "ping -", (url) => legacy(url, "ping")],
  [
    "error",
    "tools/call kept",
    (url) => call(url, "kept", { never: 1 }, { headers: { "cache-control": "only-if-cached" } }),
  ],
];

test("what operators and webhooks are refused is logged once, under the id that they are told, and nothing of theirs", async () => {
  const asked: [string, { method?: string; body?: string }, string, number, string][] = [
    ["/admin/purge", { body: '{"s3cret":1}' }, "/admin/purge", 400, "bad_purge"],
    ["/admin/warm", { body: '{"s3cret":1}' }, "/admin/warm", 400, "bad_warm"],
    ["/admin/rows", { body: '{"s3cret":1}' }, "/admin/rows", 400, "bad_rows"],
    ["/admin/sync", { body: '{"s3cret":1}' }, "/admin/sync", 400, "bad_sync"],
    ["/admin/jobs", { body: '{"s3cret":1}' }, "/admin/jobs", 400, "bad_jobs"],
    ["/admin/jobs/s3cret", { method: "GET" }, "/admin/jobs/:id", 404, "unknown_job"],
    ["/admin/status?origin=s3cret", { method: "GET" }, "/admin/status", 404, "unknown_origin"],
    ["/metrics?s3cret", { method: "PUT" }, "/metrics", 405, "method_not_allowed"],
    ["/sync/o", { body: "s3cret" }, "/sync/o", 404, "webhook_not_configured"],
    ["/sync/s3cret", { body: "{}" }, "/sync/-", 404, "webhook_not_configured"],
  ];
  for (const [where, what, endpoint, status, code] of asked) {
    let correlationId: unknown;
    const lines = await linesOf(json, 1, async () => {
      const got = await send(json.url + where, { ...what, headers: { authorization: "Bearer s3cret" } });
      correlationId = got.body.error.data.correlationId;
    });
    expect(lines.map((one) => JSON.parse(one))).toEqual([{ type: "refused", endpoint, status, code, correlationId }]);
    expect(lines.join("")).not.toContain("s3cret");
  }
});

test("there is one line for each request, with the right word for it", async () => {
  await old(line);
  for (const [word, what, ask] of KINDS) {
    const lines = await linesOf(line, 1, () => ask(line.mcp));
    expect(lines).toHaveLength(1);
    const [method, name, result, ...rest] = lines[0]!.split(" ");
    expect([`${method} ${name}`, result]).toEqual([what, word]);
    const age = /hit|stale|miss/.test(word) ? String.raw`age=\d+m?s ` : "";
    const code = word === "error" ? "not_cached " : "";
    expect(rest.join(" ")).toMatch(new RegExp(String.raw`^${code}${age}\d+\.\dms [0-9a-f]{8}$`));
  }
});

test("machines are told the same in JSON", async () => {
  await old(json);
  for (const [word, what, ask] of KINDS) {
    const lines = await linesOf(json, 1, () => ask(json.mcp));
    const events = lines.map((one) => JSON.parse(one)).filter(({ type }) => type === "request");
    expect(events).toHaveLength(1);
    const { method, name, result, origin: id, status, durationMs, correlationId } = events[0];
    expect([`${method} ${name ?? "-"}`, result, id, status]).toEqual([what, word, "o", 200]);
    expect([typeof durationMs, correlationId]).toEqual(["number", expect.stringMatching(/^[0-9a-f]{32}$/)]);
  }
});

test("no line holds an argument", () => {
  expect([...json.lines, ...line.lines].filter((one) => one.includes("argument"))).toEqual([]);
});

test("a refused request has a line as well, with its code", async () => {
  const lines = await linesOf(json, 2, async () => {
    await send(json.mcp, { headers: { "content-type": "text/plain" }, body: "x" });
    await send(json.mcp, { method: "GET" });
  });
  const events = lines.map((one) => JSON.parse(one));
  expect(events.map(({ method, result, status, code }) => [method, result, status, code])).toEqual([
    ["POST", "error", 415, "unsupported_media_type"],
    ["GET", "error", 405, "method_not_allowed"],
  ]);
});

test("a refresh that fails behind an answer is told", async () => {
  await seed(json, {
    target: "kept",
    variant: { behind: 1 },
    ageMs: 120_000,
    entry: { ttlMs: 60_000, staleWhileRevalidateMs: 3_600_000 },
  });
  origin.on("tools/call", () => "reset");
  const lines = await linesOf(json, 2, () => call(json.mcp, "kept", { behind: 1 }));
  const told = lines.map((one) => JSON.parse(one)).find(({ type }) => type === "refresh-failed");
  expect(told).toMatchObject({ origin: "o", method: "tools/call", name: "kept", reason: "unreachable" });
});

test.each([
  ["a line break", "x\ntools/call forged hit age=1s 0.1ms 00000000"],
  ["a carriage return", "x\rtools/call forged hit"],
  ["a Unicode line break", "x\u2028tools/call forged\u0085hit"],
  ["an escape sequence", "x\u001b[2J\u001b[1;1Hforged"],
  ["a space", "x hit"],
  ["ten thousand characters", "x".repeat(10_000)],
])("a name with %s cannot break, fake or flood a line", async (_, name) => {
  for (const replica of [line, json]) {
    const lines = await linesOf(replica, 3, async () => {
      await modern(replica.mcp, "prompts/get", { name }, { headers: { "mcp-name": null } });
      await legacy(replica.mcp, "tools/call", { name });
      await legacy(replica.mcp, name);
    });
    expect(lines).toHaveLength(3);
    for (const one of lines) {
      expect(one).toMatch(/^[ -~]+$/);
      if (replica === json) expect(JSON.parse(one).type).toBe("request");
      else {
        expect(one.length).toBeLessThan(500);
        expect(one).not.toMatch(/^(tools\/call )?forged|^x hit/);
      }
    }
  }
});
