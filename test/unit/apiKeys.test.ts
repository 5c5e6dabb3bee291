import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Authenticator, type Credentials } from "../../src/access/authenticate.ts";
import { goodUntil } from "../../src/access/goodUntil.ts";
import { KeyDoor } from "../../src/access/KeyDoor.ts";
import { keyHmac, keyRecord, newKey } from "../../src/access/keys.ts";
import { KeyStore } from "../../src/access/KeyStore.ts";
import { LastUses } from "../../src/access/LastUses.ts";
import { Strangers } from "../../src/access/Strangers.ts";
import { runs } from "../support/runs.ts";
import { resolve } from "../../src/config/resolve.ts";
import { keyState, parseKey, type StoredKey } from "../../src/access/StoredKey.ts";

const { KV: kv } = env as { KV: KVNamespace };
const store = new KeyStore(kv);
const PEPPER = "pepper";
const START = 1_800_000_000_000;
const HOUR = 3_600_000;
const A = "a".repeat(64);
const B = "b".repeat(64);
const RECORD: StoredKey = { name: "n", hmac: A, createdAt: 0 };

const { access: ACCESS } = resolve({ origins: { o: { url: "https://o.example.com/mcp" } }, access: { keys: true } });

const make = () => newKey((bytes) => crypto.getRandomValues(new Uint8Array(bytes)));

/** A key that is kept, with what its record has besides. */
async function kept(more: Partial<StoredKey> = {}) {
  const made = make();
  const record: StoredKey = { ...RECORD, hmac: await keyHmac(made.key, PEPPER), ...more };
  await store.write(made.id, record, START);
  return { ...made, record };
}

const work: Promise<unknown>[] = [];
const by = (now: number, more: Partial<Credentials> & { from?: string; key?: string } = {}): Credentials => {
  const { from, key, ...rest } = more;
  const headers = new Headers();
  if (from !== undefined) headers.set("cf-connecting-ip", from);
  if (key !== undefined) headers.set("authorization", `Bearer ${key}`);
  const waitUntil = (one: Promise<unknown>) => void work.push(one);
  return {
    headers,
    hostname: "replica.example.com",
    resource: "",
    kv,
    pepper: PEPPER,
    now: () => now,
    waitUntil,
    ...rest,
  };
};
const UNAUTHORIZED = { refusal: { kind: "unauthorized", reason: expect.stringMatching(/^key: /) } };

describe("a record", () => {
  const whole: StoredKey = {
    ...RECORD,
    roles: ["reader", "writer-2"],
    tenant: "Ärzte & Co",
    scopes: ["mcp:read"],
    expiresAt: START,
    previous: { hmac: B, until: START },
  };

  test.each([[RECORD], [whole], [{ ...RECORD, roles: [], scopes: [] }]])("%j is read as it was written", (record) => {
    expect(parseKey(JSON.stringify(record))).toEqual(record);
  });

  test.each([
    ["no JSON", "{"],
    ["a list", []],
    ["nothing", null],
    ["one without a HMAC", { name: "n", createdAt: 0 }],
    ["one whose HMAC is empty", { ...RECORD, hmac: "" }],
    ["one whose HMAC is too short", { ...RECORD, hmac: "a".repeat(63) }],
    ["one whose HMAC is in capitals", { ...RECORD, hmac: "A".repeat(64) }],
    ["one whose HMAC is a list", { ...RECORD, hmac: [A] }],
    ["one whose end is a text", { ...RECORD, expiresAt: "never" }],
    ["one whose end is no number", `{"name":"n","hmac":"${A}","createdAt":0,"expiresAt":1e999}`],
    ["one whose roles are a text", { ...RECORD, roles: "admin" }],
    ["one of too many roles", { ...RECORD, roles: Array(17).fill("r") }],
    ["one whose role is none", { ...RECORD, roles: ["__proto__"] }],
    ["one of an empty tenant", { ...RECORD, tenant: "" }],
    ["one of a long tenant", { ...RECORD, tenant: "t".repeat(129) }],
    ["one of a tenant that is long in pairs", { ...RECORD, tenant: "😀".repeat(65) }],
    ["one of a tenant in two lines", { ...RECORD, tenant: "a\nb" }],
    ["one whose scope is two", { ...RECORD, scopes: ["a b"] }],
    ["one whose older key lasts", { ...RECORD, previous: { hmac: B } }],
    ["one that says what nobody knows", { ...RECORD, onlyFrom: "192.0.2.1" }],
  ])("that is %s is none", (_, record) => {
    expect(parseKey(typeof record === "string" ? record : JSON.stringify(record))).toBeUndefined();
  });

  test("says until when which key lets in", () => {
    const ends = { ...RECORD, expiresAt: START };
    const rotated = { ...RECORD, previous: { hmac: B, until: START } };
    expect(goodUntil(RECORD, A, START)).toBe(Infinity);
    expect(goodUntil(RECORD, B, START)).toBeUndefined();
    expect([goodUntil(ends, A, START - 1), goodUntil(ends, A, START)]).toEqual([START, undefined]);
    expect([goodUntil(rotated, B, START - 1), goodUntil(rotated, B, START)]).toEqual([START, undefined]);
    expect(goodUntil(rotated, A, START)).toBe(Infinity);
    // The older key does not outlive the key.
    expect(goodUntil({ ...rotated, expiresAt: START - 9 }, B, START - 10)).toBe(START - 9);
  });

  test.each([
    [RECORD, "active"],
    [{ ...RECORD, expiresAt: START + 1 }, "active"],
    [{ ...RECORD, expiresAt: START }, "expired"],
    [{ ...RECORD, previous: { hmac: B, until: START + 1 } }, "rotating"],
    [{ ...RECORD, previous: { hmac: B, until: START } }, "active"],
    [{ ...RECORD, expiresAt: START, previous: { hmac: B, until: START + 1 } }, "expired"],
  ] as const)("%j is %s", (record, state) => {
    expect(keyState(record, START)).toBe(state);
  });
});

describe("at the door", () => {
  test("a key gives its caller what its record says, with its scopes in order", async () => {
    const { id, key } = await kept({ roles: ["reader"], tenant: "acme", scopes: ["b", "a"], expiresAt: START + HOUR });
    expect(await new KeyDoor().check(key, by(START))).toEqual({
      caller: { principal: `key:${id}`, roles: ["reader"], tenant: "acme", scopes: ["a", "b"] },
      until: START + HOUR,
    });
  });

  test("a record that cannot be read lets nobody in", async () => {
    const { id, key, record } = await kept();
    const door = new KeyDoor();
    expect(await door.check(key, by(START))).toHaveProperty("caller");
    await kv.put(keyRecord(id), JSON.stringify({ ...record, tenant: 7 }));
    expect(await door.check(key, by(START))).toEqual(UNAUTHORIZED);
  });

  test("no key but the one that was made lets in, whatever bit of it is another", async () => {
    const mine = await kept();
    const theirs = await kept();
    const [, , secret = ""] = mine.key.split("_");
    const flipped = fc.record({ at: fc.nat(mine.key.length - 1), bit: fc.nat(7) }).map(({ at, bit }) => {
      const bytes = new TextEncoder().encode(mine.key);
      bytes[at]! ^= 1 << bit;
      return new TextDecoder().decode(bytes);
    });
    const cut = fc.nat(mine.key.length - 1).map((length) => mine.key.slice(0, length));
    const random = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => `erk_${mine.id}_${bytes.toHex()}`);
    const spelt = fc.constantFrom(
      mine.key.toUpperCase(),
      `${mine.key}0`,
      `${mine.key}\n`,
      ` ${mine.key}`,
      `erk_${theirs.id}_${secret}`,
      `erk_${mine.id}_${mine.record.hmac}`,
      `erk_${mine.id}_${"0".repeat(64)}`,
      secret,
      "",
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(flipped, cut, random, spelt), async (other) => {
        fc.pre(other !== mine.key);
        const door = new KeyDoor();
        expect(await door.check(other, by(START))).toEqual(UNAUTHORIZED);
      }),
      { numRuns: runs(200, 20_000) },
    );
    const otherPepper = by(START, { pepper: `${PEPPER}.` });
    expect(await new KeyDoor().check(mine.key, otherPepper)).toEqual(UNAUTHORIZED);
    expect(await new KeyDoor().check(mine.key, by(START))).toMatchObject({ caller: { principal: `key:${mine.id}` } });
  });

  test("a key that expires is refused at once, though its caller was remembered", async () => {
    const { key } = await kept({ expiresAt: START + 5_000 });
    const door = new Authenticator(ACCESS);
    expect(await door.authenticate(by(START, { key }))).toHaveProperty("caller");
    expect(door.authenticate(by(START + 4_999, { key }))).toHaveProperty("caller");
    expect(await door.authenticate(by(START + 5_000, { key }))).toEqual(UNAUTHORIZED);
  });

  test("the old one of a rotated key is refused as soon as it is over, and the new one is not", async () => {
    const old = make();
    const previous = { hmac: await keyHmac(old.key, PEPPER), until: START + 5_000 };
    const { id, key } = await kept({ previous });
    const oldKey = old.key.replace(old.id, id);
    await store.write(
      id,
      { ...RECORD, hmac: await keyHmac(key, PEPPER), previous: { ...previous, hmac: await keyHmac(oldKey, PEPPER) } },
      START,
    );
    const door = new Authenticator(ACCESS);
    const principal = `key:${id}`;
    expect(await door.authenticate(by(START, { key }))).toEqual({ caller: { principal } });
    const lapsesAt = START + 5_000;
    expect(await door.authenticate(by(START, { key: oldKey }))).toEqual({ caller: { principal, lapsesAt } });
    expect(door.authenticate(by(START + 4_999, { key: oldKey }))).toHaveProperty("caller");
    expect(await door.authenticate(by(START + 5_000, { key: oldKey }))).toEqual(UNAUTHORIZED);
    expect(door.authenticate(by(START + 5_000, { key }))).toHaveProperty("caller");
  });

  test("while KV does not answer nobody unknown is let in, and is told to come again", async () => {
    const { key } = await kept();
    const broken = { get: () => Promise.reject(new Error("KV GET failed: 500")) } as unknown as KVNamespace;
    const door = new Authenticator(ACCESS);
    expect(await door.authenticate(by(START, { key, kv: broken }))).toEqual({ refusal: { kind: "keys-unavailable" } });
    expect(await door.authenticate(by(START, { key }))).toHaveProperty("caller");
    expect(door.authenticate(by(START + 1, { key, kv: broken }))).toHaveProperty("caller");
  });
});

describe("keys that nobody made", () => {
  const BURST = 100;
  const HERE = "192.0.2.1";
  const knock = async (door: KeyDoor, times: number, from: string, now = START) => {
    const kinds = [];
    for (let time = 0; time < times; time++) {
      const checked = await door.check(make().key, by(now, { from }));
      kinds.push("refusal" in checked ? checked.refusal.kind : "let in");
    }
    return kinds;
  };

  test("are looked for so often for one address, and then only as often as the rate allows", async () => {
    const door = new KeyDoor();
    expect(new Set(await knock(door, BURST, HERE))).toEqual(new Set(["unauthorized"]));
    const { key } = await kept();
    // Without a look at KV: even a key that was made has to wait here, and is let in elsewhere.
    expect(await door.check(key, by(START, { from: HERE }))).toEqual({
      refusal: { kind: "rate-limited", retryAfterMs: 200 },
    });
    expect(await door.check(key, by(START, { from: "192.0.2.2" }))).toHaveProperty("caller");
    expect(await door.check(key, by(START + 200, { from: HERE }))).toHaveProperty("caller");
  });

  test("count together where they come at once", async () => {
    const door = new KeyDoor();
    const checked = await Promise.all(
      Array.from({ length: 2 * BURST }, () => door.check(make().key, by(START, { from: HERE }))),
    );
    const limited = checked.filter((one) => "refusal" in one && one.refusal.kind === "rate-limited");
    expect(limited).toHaveLength(BURST);
  });

  test("count for the whole /64 that an IPv6 address is in", async () => {
    const door = new KeyDoor();
    await knock(door, BURST, "2001:db8:0:1::1");
    expect(await knock(door, 1, "2001:0DB8::1:ffff:0:0:2")).toEqual(["rate-limited"]);
    expect(await knock(door, 1, "2001:db8:0:2::1")).toEqual(["unauthorized"]);
    expect(await knock(door, 1, "2001:db8::1")).toEqual(["unauthorized"]);
  });

  test("take nothing away from who shows a key that was made, however often", async () => {
    const door = new KeyDoor();
    const { key } = await kept();
    for (let time = 0; time < BURST + 20; time++)
      expect(await door.check(key, by(START, { from: HERE }))).toHaveProperty("caller");
  });

  test("are not counted on this machine, nor what has not a key's form", async () => {
    const door = new KeyDoor();
    for (let time = 0; time < BURST + 20; time++) {
      expect(await door.check(make().key, by(START, { hostname: "127.0.0.1" }))).toEqual(UNAUTHORIZED);
      expect(await door.check("none", by(START, { from: HERE }))).toEqual(UNAUTHORIZED);
    }
  });

  test("are remembered of a bounded number of addresses, the latest", () => {
    const strangers = new Strangers({ burst: 1, perSecond: 1 });
    const asks = (address: string) => strangers.at(address).take(START);
    asks(HERE);
    for (let nth = 0; nth < 999; nth++) asks(`198.51.100.${nth}`);
    expect(asks(HERE)).toBe(1_000);
    asks("one more");
    expect([asks("198.51.100.998"), asks(HERE)]).toEqual([1_000, 0]);
  });
});

describe("the last use of a key", () => {
  const settled = () => Promise.all(work.splice(0));
  const listed = async (id: string) => (await store.list()).keys.find((one) => one.id === id)?.usedAt;

  test("is noted once an hour, by who is let in", async () => {
    const { id, key } = await kept();
    const door = new KeyDoor();
    await door.check(
      key.replace(/.$/, (last) => (last === "0" ? "1" : "0")),
      by(START),
    );
    await settled();
    expect(await listed(id)).toBeUndefined();
    for (const [now, noted] of [
      [START, START],
      [START + HOUR - 1, START],
      [START + HOUR, START + HOUR],
    ] as const) {
      await door.check(key, by(now));
      await settled();
      expect(await listed(id)).toBe(noted);
    }
  });

  test("is not noted again where another isolate has done so", async () => {
    const { id } = make();
    await store.noteUse(id, START);
    new LastUses().note(store, id, START + HOUR - 1, (one) => work.push(one));
    await settled();
    expect(await store.usedAt(id)).toBe(START);
    new LastUses().note(store, id, START + HOUR, (one) => work.push(one));
    await settled();
    expect(await store.usedAt(id)).toBe(START + HOUR);
  });

  test("is noted by a later one where KV failed, and nobody waits for it", async () => {
    const { id } = make();
    const failing = { usedAt: () => Promise.reject(new Error("KV GET failed: 500")) } as unknown as KeyStore;
    const uses = new LastUses();
    uses.note(failing, id, START, (one) => work.push(one));
    await settled();
    uses.note(store, id, START + 1, (one) => work.push(one));
    await settled();
    expect(await store.usedAt(id)).toBe(START + 1);
  });
});

test("keys are listed page by page, those that cannot be read as well, and nothing else", async () => {
  for (const { name } of (await kv.list({ prefix: "key" })).keys) await kv.delete(name);
  const ids = new Set<string>();
  for (let nth = 0; nth < 60; nth++) ids.add((await kept()).id);
  const [broken = ""] = ids;
  await kv.put(keyRecord(broken), "{");
  await kv.put("key/other", "{}");
  await store.noteUse([...ids][1]!, START);
  const first = await store.list();
  const second = await store.list(first.cursor);
  expect(second.cursor).toBeUndefined();
  expect([first.keys.length + second.keys.length, first.keys.length]).toEqual([60, 50]);
  const all = new Map([...first.keys, ...second.keys].map((one) => [one.id, one]));
  expect(new Set(all.keys())).toEqual(ids);
  expect(all.get(broken)).toEqual({ id: broken, key: undefined, usedAt: undefined });
  expect(all.get([...ids][1]!)).toMatchObject({ key: { name: "n" }, usedAt: START });
});
