import { request } from "node:http";
import { afterEach, describe, expect, test } from "vitest";
import { type Origin, type OriginOptions, startOrigin } from "../../scripts/origin/startOrigin.ts";
import { simulate } from "../../scripts/origin/simulate.ts";
import { type AnyClient, call, CLIENTS, connectFirst, connectModern } from "./clients.ts";

let origin: Origin | undefined;
afterEach(() => origin?.close());

async function start(options: OriginOptions = {}): Promise<Origin> {
  origin = await startOrigin(options);
  return origin;
}

const ask = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "add_note", arguments: {} } };

function post(url: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
    body: typeof body === "string" ? body : JSON.stringify(body),
    signal,
  });
}

const count = async (path = "count", method = "GET") =>
  (await fetch(new URL(path, origin!.url), { method })).json() as Promise<Record<string, unknown>>;

/** Numbers one after the other, for a simulation whose outcome is known. */
function numbers(...list: number[]): () => number {
  return () => list.shift() ?? 0.5;
}

describe("counting", () => {
  test.each(CLIENTS)("counts what the %s client sends, by method and by name", async (name, connect) => {
    const { url } = await start();
    const client = await connect(url);
    await call(client, "get_feature", { id: "api.AbortController" });
    await call(client, "get_feature", { id: "api.AbortSignal" });
    await client.readResource({ uri: "bcd://browsers" });
    await client.getPrompt({ name: "compare_support", arguments: { id: "api.AbortController" } });
    const { byMethod, byName, failed, total } = await count();
    const opening = name === "modern" ? { "server/discover": 1 } : { initialize: 1, "notifications/initialized": 1 };
    expect(byMethod).toMatchObject({ ...opening, "tools/call": 2, "resources/read": 1, "prompts/get": 1 });
    expect(byName).toEqual({
      "tools/call get_feature": 2,
      "resources/read bcd://browsers": 1,
      "prompts/get compare_support": 1,
    });
    expect(failed).toBe(0);
    expect(total).toBe(Object.values(byMethod as Record<string, number>).reduce((sum, n) => sum + n));
    await client.close();
  });

  test("is cleared by POST /count/reset, and by nothing else", async () => {
    const { url } = await start();
    await post(url, ask);
    expect((await fetch(new URL("count/reset", url))).status).toBe(405);
    expect(await count()).toMatchObject({ total: 1 });
    const cleared = { total: 0, byMethod: {}, byName: {}, failed: 0 };
    expect(await count("count/reset", "POST")).toEqual(cleared);
    expect(await count()).toEqual(cleared);
  });

  test("takes each message of a batch, and no body that is not a message", async () => {
    const { url } = await start();
    await post(url, [ask, { ...ask, id: 2 }]);
    expect((await post(url, "{")).status).toBe(400);
    expect((await post(url, "null")).status).toBe(400);
    expect(await count()).toMatchObject({ total: 2, byName: { "tools/call add_note": 2 } });
  });
});

describe("simulation", () => {
  test("holds a request by the latency, give or take the jitter", async () => {
    const { signal } = new AbortController();
    const held = async (random: number) => {
      const began = performance.now();
      expect(await simulate({ latencyMs: 60, jitterMs: 50, random: () => random }, signal)).toBe("serve");
      return performance.now() - began;
    };
    const [least, middle, most] = await Promise.all([held(0), held(0.5), held(0.999)]);
    expect(least).toBeGreaterThan(8);
    expect(middle - least).toBeGreaterThan(30);
    expect(most - middle).toBeGreaterThan(30);
  });

  test("holds every POST to /mcp, but not the counting", async () => {
    const { url } = await start({ latencyMs: 50 });
    const began = performance.now();
    await post(url, ask);
    expect(performance.now() - began).toBeGreaterThan(48);
  });

  test("fails the given share, before anything is done", async () => {
    // Drawn by: the connect, then four calls.
    const { url } = await start({ failRate: 0.25, random: numbers(0.9, 0.9, 0.9, 0.24, 0.25, 0) });
    const client = (await connectFirst(url)) as unknown as AnyClient;
    const add = () => call(client, "add_note", { id: "api.AbortController", text: "x" });
    await count("count/reset", "POST");
    const outcomes = await [add, add, add, add].reduce<Promise<unknown[]>>(async (before, next) => {
      const done = await before;
      return [
        ...done,
        await next().then(
          (note) => note.count,
          (error: { code: unknown }) => error.code,
        ),
      ];
    }, Promise.resolve([]));
    expect(outcomes).toEqual([1, 503, 2, 503]);
    expect(await count()).toMatchObject({ total: 4, failed: 2 });
  });

  test("draws for the jitter only where there is any", async () => {
    let drawn = 0;
    const random = () => (drawn++, 0.5);
    const { signal } = new AbortController();
    expect(await simulate({ random }, signal)).toBe("serve");
    expect(drawn).toBe(0);
    expect(await simulate({ failRate: 1, random }, signal)).toBe("fail");
    expect(drawn).toBe(1);
  });

  test("lets a held request go when its caller leaves", async () => {
    const leaving = new AbortController();
    const fate = simulate({ latencyMs: 60_000 }, leaving.signal);
    leaving.abort();
    expect(await fate).toBe("gone");
  });

  test("does not keep the origin from closing", async () => {
    const { url } = await start({ latencyMs: 60_000 });
    const held = post(url, ask).then(
      (response) => response.status,
      () => "cut",
    );
    while ((await count()).total === 0);
    const began = performance.now();
    await origin!.close();
    expect(performance.now() - began).toBeLessThan(900);
    expect(await held).toBe(503);
    await expect(fetch(url)).rejects.toThrow();
  });
});

describe("the HTTP face", () => {
  /** The status of a GET with headers that fetch would not send. */
  function status(headers: Record<string, string>): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const sent = request(new URL("count", origin!.url), { headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      sent.on("error", reject).end();
    });
  }

  test("serves this machine only", async () => {
    await start();
    expect(await status({ host: "localhost" })).toBe(200);
    expect(await status({ host: "evil.example" })).toBe(403);
    expect(await status({ host: "[" })).toBe(403);
    expect(await status({ origin: "http://localhost:3000" })).toBe(200);
    expect(await status({ origin: "https://evil.example" })).toBe(403);
    expect(await status({ origin: "null" })).toBe(403);
  });

  test("has no other routes and no legacy stream", async () => {
    const { url } = await start();
    expect((await fetch(new URL("else", url))).status).toBe(404);
    expect((await fetch(url)).status).toBe(405);
    expect((await fetch(new URL("count", url), { method: "POST" })).status).toBe(405);
  });

  test("one port at a time, and close may be called twice", async () => {
    const { port, url, close } = await start();
    expect(url).toBe(`http://127.0.0.1:${port}/mcp`);
    await expect(startOrigin({ port })).rejects.toMatchObject({ code: "EADDRINUSE" });
    await Promise.all([close(), close()]);
    const again = await start({ port });
    const client = await connectModern(again.url);
    await client.close();
  });

  test("logs the start", async () => {
    const lines: string[] = [];
    await start({ log: (line) => lines.push(line) });
    expect(lines).toEqual([expect.stringMatching(/^\d+ features, ready in \d+ ms$/)]);
  });
});
