import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { encodeEntry, hashOf } from "../../src/cache/codec.ts";
import type { Entry } from "../../src/cache/entry.ts";
import { addressOf, PUBLIC, type Address, type Partition } from "../../src/cache/key.ts";
import { KvStore } from "../../src/cache/KvStore.ts";
import { secretProblem, Vault, vaultFor } from "../../src/cache/Vault.ts";
import { isOfTenant, ownId, tenantId } from "../../src/config/tenant.ts";

const KV = (env as unknown as { KV: KVNamespace }).KV;
const SECRET = "0123456789abcdef".repeat(4);
const SAID = '"content":[{"type":"text","text":"the diagnosis"}]';
const ACME = tenantId("catalog", "0".repeat(32));

const of = (principal: string): Partition => ({ scope: "private", principal });
const addressFor = (partition: Partition, variant: unknown = {}, originId = "catalog"): Address => {
  const asked = { method: "tools/call", target: "search", variant, capabilities: "{}" };
  return addressOf({ originId, identity: "i", ...asked }, partition)!;
};
const entryFor = async ({ partition }: Address, body = SAID): Promise<Entry> => ({
  storedAt: 1_800_000_000_000,
  ttlMs: 60_000,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  promisedMs: 0,
  scope: partition.scope,
  tags: ["patient:7"],
  savedAt: 1_800_000_000_000,
  hash: await hashOf(body, ""),
  body,
  meta: "",
  contentEnd: 0,
  era: "modern",
});
const namesIn = async () => (await KV.list()).keys.map(({ name }) => name);
const bytesAt = async (name: string) => new Uint8Array((await KV.get(name, "arrayBuffer"))!);
/** Puts an entry of the address, and gives its name. */
const kept = async (store: KvStore, address: Address, body?: string): Promise<string> => {
  const before = await namesIn();
  await store.put(address, await entryFor(address, body));
  return (await namesIn()).find((name) => !before.includes(name))!;
};

beforeEach(async () => {
  for (const name of await namesIn()) await KV.delete(name);
});

describe("what is somebody's own", () => {
  const store = new KvStore(KV, new Vault(SECRET));

  test.each([
    ["a principal's", addressFor(of("alice"))],
    ["what is public in a tenant's world", addressFor(PUBLIC, {}, ACME)],
  ])("is not to be read in KV: %s", async (_, address) => {
    const name = await kept(store, address);
    const text = new TextDecoder("latin1").decode(await bytesAt(name));
    for (const word of ["diagnosis", "content", "patient", "storedAt", "private", "alice"])
      expect(text).not.toContain(word);
    expect(await store.get(address)).toMatchObject({ body: SAID });
  });

  test("is sealed anew each time, and under a key of each partition", async () => {
    const name = await kept(store, addressFor(of("alice")));
    const first = await bytesAt(name);
    await store.put(addressFor(of("alice")), await entryFor(addressFor(of("alice"))));
    const second = await bytesAt(name);
    expect(second).toHaveLength(first.length);
    expect(second.slice(1, 13)).not.toEqual(first.slice(1, 13));
    expect(second.slice(13)).not.toEqual(first.slice(13));
    // Under its own name another partition's key does not open it.
    const vault = new Vault(SECRET);
    const value = (await vault.seal(addressFor(of("alice")), "n", "x")).buffer;
    const owners = [
      addressFor(of("alice")),
      addressFor(of("bob")),
      addressFor(PUBLIC),
      addressFor(of("alice"), {}, ACME),
    ];
    expect(await Promise.all(owners.map((owner) => vault.open(owner, "n", value)))).toEqual([
      "x",
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("is a miss under every other name, whoever put it there", async () => {
    const addresses = [
      addressFor(of("alice")),
      addressFor(of("alice"), { q: 1 }),
      addressFor(of("bob")),
      addressFor(PUBLIC, {}, ACME),
      addressFor(of("alice"), {}, ACME),
      addressFor(PUBLIC),
    ];
    const names: string[] = [];
    for (const [nth, address] of addresses.entries()) names.push(await kept(store, address, `"n":${nth}`));
    const values = await Promise.all(names.map(bytesAt));
    for (const [at, name] of names.entries()) {
      for (const [from, value] of values.entries()) {
        await KV.put(name, value);
        expect((await store.get(addresses[at]!))?.body, `${from} at ${at}`).toBe(from === at ? `"n":${at}` : undefined);
      }
      await KV.put(name, values[at]!);
    }
  });

  test("is a miss where a bit of it is another, or a part is missing, or more is there", async () => {
    const address = addressFor(of("alice"));
    const name = await kept(store, address);
    const whole = await bytesAt(name);
    const opens = async (value: Uint8Array) => {
      await KV.put(name, value);
      return (await store.get(address)) !== undefined;
    };
    expect(await opens(whole)).toBe(true);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(7), async (at, bit) => {
        const changed = whole.slice();
        changed[at]! ^= 1 << bit;
        expect(await opens(changed)).toBe(false);
        expect(await opens(whole.slice(0, at))).toBe(false);
      }),
      { numRuns: 40 },
    );
    expect(await opens(new Uint8Array([...whole, 0]))).toBe(false);
  });

  test("is a miss with another secret", async () => {
    const address = addressFor(of("alice"));
    await kept(store, address);
    expect(await new KvStore(KV, new Vault(`${SECRET}0`)).get(address)).toBeUndefined();
    expect(await new KvStore(KV, new Vault(SECRET)).get(address)).toBeDefined();
  });

  test("is a miss as it was kept before such was sealed, and nobody's under a public name", async () => {
    const [own, open] = [addressFor(of("alice")), addressFor(PUBLIC)];
    const names = [await kept(store, own), await kept(store, open)];
    const plain = encodeEntry(await entryFor(own));
    for (const name of names) await KV.put(name, plain);
    expect([await store.get(own), await store.get(open)]).toEqual([undefined, undefined]);
  });

  test("is not kept without a secret, nor read; what is public is", async () => {
    const [own, tenants, open] = [addressFor(of("alice")), addressFor(PUBLIC, {}, ACME), addressFor(PUBLIC)];
    const without = new KvStore(KV, undefined);
    for (const address of [own, tenants, open]) await without.put(address, await entryFor(address));
    expect(await namesIn()).toHaveLength(1);
    expect(await without.get(open)).toMatchObject({ body: SAID });
    for (const address of [own, tenants]) {
      await store.put(address, await entryFor(address));
      expect(await without.get(address)).toBeUndefined();
      await without.delete(address);
    }
    expect(await namesIn()).toHaveLength(3);
  });

  test("is kept whatever a principal is called", async () => {
    const odd = ["", "null", "\ud800", "\udc00", "a\u0000b", "x".repeat(5_000), "é", "e\u0301"];
    const addresses = odd.flatMap((name) => {
      const address = addressOf(
        { originId: "catalog", identity: "i", method: "m", target: null, variant: {}, capabilities: "{}" },
        of(name),
      );
      return address ? [address] : [];
    });
    expect(addresses.length).toBeGreaterThan(5);
    for (const [nth, address] of addresses.entries()) await store.put(address, await entryFor(address, `"n":${nth}`));
    for (const [nth, address] of addresses.entries()) expect((await store.get(address))?.body).toBe(`"n":${nth}`);
  });
});

describe("the secret", () => {
  test.each([undefined, "", "x", "0".repeat(31)])("%j is none, and the operator is told what follows", (secret) => {
    expect(vaultFor(secret)).toBeUndefined();
    expect(secretProblem(secret)).toMatch(/^The secret ENTRY_SECRET is .*: private answers are kept in memory only/);
  });

  test("of 32 characters is one, and its vault is the isolate's until there is another", () => {
    expect(secretProblem(SECRET)).toBeUndefined();
    const vault = vaultFor(SECRET)!;
    expect(vaultFor(SECRET)).toBe(vault);
    expect(vaultFor("another secret of some thirty and more")).not.toBe(vault);
  });
});

test("an id says whether it is a tenant's, and of which origin", () => {
  expect([ACME, "catalog"].map(isOfTenant)).toEqual([true, false]);
  expect([ACME, "catalog"].map(ownId)).toEqual(["catalog", "catalog"]);
});
