import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newKey } from "../../src/access/keys.ts";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Fixture, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { call, codeOf, legacyCall, modern, modernBody, modernHeaders, said, send } from "./support/wire.ts";

const origin = new Fixture();
const HOST = "replica.example.com";
const INFO = { name: "test", version: "1" };
const open: Replica[] = [];

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("mine"), tool("ours")];
});
afterAll(async () => {
  await Promise.all(open.map((replica) => replica.close()));
  await origin.stop();
});

async function start(access: object | undefined, vars: Record<string, string> = {}): Promise<Replica> {
  const tools = {
    mine: { cache: { ttl: "10m", staleIfError: "1h" } },
    ours: { cache: { ttl: "10m", scope: "public" } },
  } as const;
  const config = { origins: { o: { url: origin.url, tools } }, hosts: [HOST], access };
  const replica = await startReplica(config as never, { vars });
  open.push(replica);
  return replica;
}

describe("access.open", () => {
  let replica: Replica;
  beforeAll(async () => {
    replica = await start({ open: true });
  });

  test("serves on loopback, with or without a credential, which it does not look at", async () => {
    expect((await call(replica.mcp, "ours")).status).toBe(200);
    expect((await call(replica.mcp, "ours", {}, bearer("whatever"))).cache?.status).toBe("hit");
  });

  test("refuses anywhere else, whatever is asked", async () => {
    for (const body of [modernBody("tools/call", { name: "ours", arguments: {} }), "not JSON"]) {
      const headers = { ...modernHeaders("tools/call", { name: "ours" }), host: HOST };
      const got = await send(replica.mcp, { headers, body });
      expect([got.status, codeOf(got)]).toEqual([403, "open_on_loopback_only"]);
      expect(got.cache).toBeUndefined();
    }
  });
});

test("access.open with openOnPurpose serves anywhere", async () => {
  const replica = await start({ open: true, openOnPurpose: true });
  const got = await call(replica.mcp, "ours", {}, { headers: { host: HOST } });
  expect([got.status, said(got)]).toEqual([200, expect.stringContaining("ours")]);
});

test("a configuration that decides nothing about access lets nobody in", async () => {
  const replica = await start(undefined);
  const got = await call(replica.mcp, "ours");
  expect([got.status, codeOf(got)]).toEqual([403, "access_not_configured"]);
});

test("keys without a pepper let nobody in, and say what is missing", async () => {
  const replica = await start({ keys: true });
  const got = await call(replica.mcp, "ours", {}, bearer((await makeKey(replica)).key));
  expect([got.status, codeOf(got)]).toEqual([403, "access_not_configured"]);
  expect(got.body.error.message).toContain("KEY_PEPPER");
});

describe("access.keys", () => {
  let replica: Replica;
  let mine: { id: string; key: string };
  let theirs: { id: string; key: string };
  beforeAll(async () => {
    replica = await start({ keys: true }, { KEY_PEPPER: PEPPER, REPLICA_LOG: "json" });
    [mine, theirs] = [await makeKey(replica), await makeKey(replica)];
  });

  const changed = (key: string) => key.slice(0, -1) + (key.endsWith("0") ? "1" : "0");

  test("answers 401 without a key, with a wrong one and with one that nobody made", async () => {
    origin.reset();
    const unknown = newKey((bytes) => new Uint8Array(randomBytes(bytes)));
    const otherPepper = await makeKey(replica, "another pepper");
    const credentials = [
      null,
      "",
      "Bearer",
      "Bearer x",
      `Basic ${mine.key}`,
      mine.key,
      `Bearer ${mine.key} ${mine.key}`,
      `Bearer ${changed(mine.key)}`,
      `Bearer ${unknown.key}`,
      `Bearer ${otherPepper.key}`,
      `Bearer ${mine.key.toUpperCase()}`,
    ];
    for (const authorization of credentials) {
      const got = await call(replica.mcp, "ours", {}, { headers: { authorization } });
      expect([authorization, got.status, codeOf(got)]).toEqual([authorization, 401, "unauthorized"]);
      expect(got.headers["www-authenticate"]).toMatch(/^Bearer/);
    }
    expect(origin.seen).toEqual([]);
  });

  test("answers 401 before it looks at body, path, method or content type", async () => {
    const asks = [
      { path: "/mcp", body: "not JSON" },
      { path: "/mcp", body: "[]" },
      { path: "/mcp", body: "[".repeat(3_000) },
      { path: "/mcp/nothing", body: "{}" },
      { path: "/mcp", body: "{}", headers: { "content-type": "text/plain" } },
      { path: "/mcp", method: "GET" },
      { path: "/mcp", method: "DELETE" },
    ];
    for (const { path, ...sent } of asks) {
      const got = await send(`${replica.url}${path}`, { headers: modernHeaders("tools/call"), ...sent });
      expect([path, got.status, codeOf(got)]).toEqual([path, 401, "unauthorized"]);
    }
  });

  test("lets the right key in, from anywhere, with every client", async () => {
    expect((await call(replica.mcp, "ours", {}, bearer(mine.key))).status).toBe(200);
    const headers = { authorization: `bearer ${mine.key}`, host: HOST };
    expect((await call(replica.mcp, "ours", {}, { headers })).cache?.status).toBe("hit");
    const pinned = () => new Client(INFO, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
    const url = new URL(replica.mcp);
    const requestInit = { headers: { authorization: `Bearer ${mine.key}` } };
    await expect(pinned().connect(new StreamableHTTPClientTransport(url))).rejects.toThrow();
    await expect(new Client1(INFO).connect(new Transport1(url))).rejects.toThrow();
    const [second, first] = [pinned(), new Client1(INFO)];
    await second.connect(new StreamableHTTPClientTransport(url, { requestInit }));
    await first.connect(new Transport1(url, { requestInit }));
    for (const client of [second, first]) {
      expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(["mine", "ours"]);
      await client.close();
    }
  });

  test("keeps each key's private answers apart, and shares public ones", async () => {
    const first = await call(replica.mcp, "mine", {}, bearer(mine.key));
    const other = await call(replica.mcp, "mine", {}, bearer(theirs.key));
    expect([said(first), said(other), other.cache?.status]).toEqual(["mine 1", "mine 2", "miss"]);
    const again = await legacyCall(replica.mcp, "mine", {}, bearer(mine.key));
    expect([said(again), again.cache?.status]).toEqual(["mine 1", "hit"]);
    await call(replica.mcp, "ours", { q: 1 }, bearer(mine.key));
    expect((await call(replica.mcp, "ours", { q: 1 }, bearer(theirs.key))).cache?.status).toBe("hit");
  });

  test("does not share private resources and lists, nor a flight for them", async () => {
    const before = origin.count("resources/read", "x://private");
    origin.on("resources/read", async ({ nth }) => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return { result: { contents: [{ uri: "x://private", text: `${nth}` }], ttlMs: 60_000, cacheScope: "private" } };
    });
    const read = (key: string) => modern(replica.mcp, "resources/read", { uri: "x://private" }, bearer(key));
    const [a, b] = await Promise.all([read(mine.key), read(theirs.key)]);
    expect(a.body.result.contents).not.toEqual(b.body.result.contents);
    expect((await read(mine.key)).body.result.contents).toEqual(a.body.result.contents);
    expect(origin.count("resources/read", "x://private")).toBe(before + 2);
  });

  test("does not tell the origin of the key, nor the log", async () => {
    await call(replica.mcp, "mine", { q: "log" }, bearer(mine.key));
    const secret = mine.key.split("_")[2]!;
    expect(origin.seen.length).toBeGreaterThan(0);
    expect(JSON.stringify(origin.seen)).not.toContain(secret);
    await expect.poll(() => replica.lines.join("\n")).toContain("tools/call");
    expect(replica.lines.join("\n")).not.toContain(secret);
  });
});
