import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keyHmac, newKey } from "../../src/access/keys.ts";
import { Fixture, tool } from "./support/fixture.ts";
import { bearer, PEPPER } from "./support/keys.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { call, codeOf, type Got, modern, said, send } from "./support/wire.ts";

const HOST = "replica.example.com";
const TOKEN = "s3cret";
const origin = new Fixture();
let state: string;
let replica: Replica;

const start = () => {
  const tools = { mine: { cache: { ttl: "10m" } } } as const;
  const config = {
    origins: { o: { url: origin.url, tools } },
    hosts: [HOST],
    access: { keys: true, roles: { reader: { tools: ["mine"] } } },
  };
  const vars = { KEY_PEPPER: PEPPER, ADMIN_TOKEN: TOKEN, REPLICA_LOG: "json" };
  return startReplica(config, { vars, state, instances: 2 });
};

beforeAll(async () => {
  state = await mkdtemp(path.join(tmpdir(), "replica-state-"));
  await origin.start();
  origin.tools = [tool("mine"), tool("theirs")];
  replica = await start();
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
  await rm(state, { recursive: true });
});

const admin = (headers: Record<string, string | null> = {}) => ({ authorization: `Bearer ${TOKEN}`, ...headers });
const wish = (body: object, instance = 0, headers = {}) =>
  send(`${replica.urls[instance]}/admin/keys`, { headers: admin(headers), body: JSON.stringify(body) });
const create = async (name = "test"): Promise<{ id: string; key: string }> =>
  (await wish({ do: "create", name, roles: ["reader"] })).body;
const list = async (instance = 0) =>
  (await send(`${replica.urls[instance]}/admin/keys`, { method: "GET", headers: admin() })).body.keys;
const ask = (key: string, instance = 0) => call(`${replica.urls[instance]}/mcp`, "mine", {}, bearer(key));
const statusAndCode = (got: Got) => [got.status, codeOf(got)];

test("a key made through one isolate lets in at each, with an answer of its own that stays warm when it is rotated", async () => {
  const { id, key } = await create();
  const first = await ask(key, 1);
  expect(said(first)).toMatch(/^mine \d+$/);
  const rotated = (await wish({ do: "rotate", id }, 1)).body;
  for (const one of [key, rotated.key]) {
    const got = await ask(one, 1);
    expect([said(got), got.cache?.status]).toEqual([said(first), "hit"]);
  }
  const other = await ask((await create()).key, 1);
  expect(said(other)).not.toBe(said(first));
  await expect
    .poll(async () => (await list()).find((one: any) => one.id === id))
    .toMatchObject({
      state: "rotating",
      usedAt: expect.any(Number),
    });
});

test("a key that was revoked, or rotated without an overlap, lets in nowhere that has not let it in within a minute", async () => {
  const [gone, old] = [await create(), await create()];
  await wish({ do: "revoke", id: gone.id });
  const { key } = (await wish({ do: "rotate", id: old.id, overlap: "0s" })).body;
  for (const one of [gone.key, old.key]) expect(statusAndCode(await ask(one, 1))).toEqual([401, "unauthorized"]);
  expect((await ask(key, 1)).status).toBe(200);
  const ids = (await list(1)).map(({ id }: { id: string }) => id);
  expect(ids).toContain(old.id);
  expect(ids).not.toContain(gone.id);
});

test("a key gives the roles that it was made with, and of those that there are not any more none", async () => {
  const shown = async (key: string) =>
    (await modern(replica.mcp, "tools/list", {}, bearer(key))).body.result.tools.map(
      ({ name }: { name: string }) => name,
    );
  const reader = await create();
  const { body: nobody } = await wish({ do: "create", name: "nobody" });
  expect([await shown(reader.key), await shown(nobody.key)]).toEqual([["mine"], []]);
  expect(codeOf(await call(replica.mcp, "theirs", {}, bearer(reader.key)))).toBe("denied");
  expect(codeOf(await call(replica.mcp, "mine", {}, bearer(nobody.key)))).toBe("denied");
  expect(codeOf(await wish({ do: "create", name: "x", roles: ["reader", "gone"] }))).toBe("unknown_role");
  const old = await create();
  const record = JSON.parse((await replica.store.get(`key/${old.id}`))!);
  for (const [roles, expected] of [
    [["gone", "reader"], ["mine"]],
    [["gone"], []],
  ] as const) {
    const copy = newKey((bytes) => new Uint8Array(randomBytes(bytes)));
    const hmac = await keyHmac(copy.key, PEPPER);
    await replica.store.put(`key/${copy.id}`, JSON.stringify({ ...record, hmac, roles }));
    expect(await shown(copy.key)).toEqual(expected);
  }
});

describe("the endpoint for keys", () => {
  test.each<[string, Record<string, string | null>, number, string]>([
    ["without the operator's token", { authorization: null }, 401, "admin_unauthorized"],
    ["with an API key in its place", { authorization: "key" }, 401, "admin_unauthorized"],
    ["from a page", { origin: `https://${HOST}` }, 403, "origin_not_allowed"],
    ["from a form of a page", { origin: "null", "content-type": "text/plain" }, 403, "origin_not_allowed"],
    ["from a page that says nothing of itself", { "sec-fetch-site": "cross-site" }, 403, "origin_not_allowed"],
    ["from a page of the same name", { "sec-fetch-site": "same-origin" }, 403, "origin_not_allowed"],
    ["by another name", { host: "evil.example.com" }, 403, "host_not_served"],
  ])("answers nobody %s, and does nothing", async (_, headers, status, code) => {
    const { id, key } = await create();
    const before = (await list()).length;
    const own = headers["authorization"] === "key" ? { authorization: `Bearer ${key}` } : headers;
    for (const body of [
      { do: "create", name: "x" },
      { do: "revoke", id },
      { do: "rotate", id, overlap: "0s" },
    ])
      expect(statusAndCode(await wish(body, 0, own))).toEqual([status, code]);
    const listed = await send(`${replica.url}/admin/keys`, { method: "GET", headers: admin(own) });
    expect(statusAndCode(listed)).toEqual([status, code]);
    expect(await list()).toHaveLength(before);
    expect((await ask(key)).status).toBe(200);
  });

  test.each([
    ["application/x-www-form-urlencoded", "do=create&name=x"],
    ["multipart/form-data; boundary=b", '--b\r\ncontent-disposition: form-data; name="do"\r\n\r\ncreate\r\n--b--'],
    ["text/plain", "do=create\r\nname=x"],
  ])("does not read a form: %s", async (type, body) => {
    const before = (await list()).length;
    const got = await send(`${replica.url}/admin/keys`, { headers: admin({ "content-type": type }), body });
    expect(statusAndCode(got)).toEqual([400, "bad_key"]);
    expect(await list()).toHaveLength(before);
  });

  test("changes nothing on GET, HEAD, PUT or DELETE, whatever they name", async () => {
    const { id, key } = await create();
    const before = (await list()).length;
    for (const method of ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]) {
      for (const query of [`?do=revoke&id=${id}`, "?do=create&name=x"]) {
        const got = await send(`${replica.url}/admin/keys${query}`, { method, headers: admin() });
        expect([method, got.status]).toEqual([method, method === "GET" ? 200 : 405]);
        if (method !== "GET") expect(got.headers["allow"]).toBe("GET, POST");
      }
    }
    expect(await list()).toHaveLength(before);
    expect((await ask(key, 1)).status).toBe(200);
  });

  test("tells neither log nor KV what the keys are", async () => {
    const { id, key } = await create();
    const rotated = (await wish({ do: "rotate", id })).body;
    const kept = (await replica.store.get(`key/${id}`))!;
    expect(JSON.parse(kept)).toMatchObject({
      name: "test",
      hmac: expect.any(String),
      previous: { hmac: expect.any(String) },
    });
    await expect.poll(() => replica.lines.join("\n")).toContain(`{"type":"key","done":"rotate","id":"${id}"}`);
    for (const secret of [key, rotated.key].map((one) => one.split("_")[2]!)) {
      expect(kept).not.toContain(secret);
      expect(replica.lines.join("\n")).not.toContain(secret);
    }
  });
});

describe("off this machine", () => {
  const from = (address: string) => ({ host: HOST, "cf-connecting-ip": address });
  const knock = (key: string, address: string) =>
    call(replica.mcp, "mine", {}, { headers: { authorization: `Bearer ${key}`, ...from(address) } });

  test("an address that tries one key after another is refused before KV is asked, and others are not", async () => {
    const { key } = await create();
    const guesses = Array.from({ length: 200 }, (_, nth) => key.slice(0, -3) + String(nth).padStart(3, "0"));
    const got = await Promise.all(guesses.filter((one) => one !== key).map((one) => knock(one, "192.0.2.1")));
    const limited = got.filter(({ status }) => status === 429);
    expect(limited.length).toBeGreaterThan(0);
    expect(codeOf(limited[0]!)).toBe("rate_limited");
    expect(Number(limited[0]!.headers["retry-after"])).toBeGreaterThan(0);
    expect(new Set(got.map(({ status }) => status))).toEqual(new Set([401, 429]));
    expect((await knock(key, "192.0.2.2")).status).toBe(200);
    // Whoever was let in lately is known there, too.
    expect((await knock(key, "192.0.2.1")).status).toBe(200);
  });

  test.each(["/admin/keys", "/admin/status", "/metrics"])(
    "who guesses the admin token is soon refused at %s",
    async (at) => {
      const address = `198.51.100.${at.length}`;
      const guess = (nth: number) =>
        send(`${replica.url}${at}`, {
          method: "GET",
          headers: { authorization: `Bearer guess-${nth}`, ...from(address) },
        });
      const got = await Promise.all(Array.from({ length: 40 }, (_, nth) => guess(nth)));
      expect(new Set(got.map(statusAndCode).map(String))).toEqual(
        new Set(["401,admin_unauthorized", "429,rate_limited"]),
      );
      const elsewhere = await send(`${replica.url}${at}`, { method: "GET", headers: admin(from("198.51.100.1")) });
      expect(elsewhere.status).toBe(200);
    },
  );
});

test("after a restart keys, and what was rotated, are as they were", async () => {
  const { id, key } = await create();
  const rotated = (await wish({ do: "rotate", id })).body;
  const revoked = await create();
  await wish({ do: "revoke", id: revoked.id });
  await replica.close();
  replica = await start();
  for (const one of [key, rotated.key]) expect((await ask(one)).status).toBe(200);
  expect(statusAndCode(await ask(revoked.key))).toEqual([401, "unauthorized"]);
});
