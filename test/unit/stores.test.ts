import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { decodeEntry, encodeEntry, hashOf } from "../../src/cache/codec.ts";
import { lifetimeMs, type Entry } from "../../src/cache/entry.ts";
import { addressOf, PUBLIC, type Address, type Partition } from "../../src/cache/key.ts";
import { KvStore } from "../../src/cache/KvStore.ts";
import { MemoryStore } from "../../src/cache/MemoryStore.ts";
import { needsSaving, traitsOf } from "../../src/cache/save.ts";
import type { Store } from "../../src/cache/Store.ts";
import { Vault } from "../../src/cache/Vault.ts";

const KV = (env as unknown as { KV: KVNamespace }).KV;
const T0 = 1_800_000_000_000;
const ALICE: Partition = { scope: "private", principal: "alice" };
const BOB: Partition = { scope: "private", principal: "bob" };
const CY: Partition = { scope: "private", principal: "cy" };

function addressFor(
  partition: Partition = PUBLIC,
  change: { originId?: string; method?: string; target?: string; variant?: unknown } = {},
): Address {
  const subject = {
    originId: "catalog",
    identity: "i",
    method: "tools/call",
    target: "search",
    variant: { q: "tea" },
    capabilities: "{}",
    ...change,
  };
  return addressOf(subject, partition)!;
}

async function entryOf(change: Partial<Entry> = {}): Promise<Entry> {
  const entry = {
    storedAt: T0,
    ttlMs: 60_000,
    staleWhileRevalidateMs: 0,
    staleIfErrorMs: 86_400_000,
    promisedMs: 60_000,
    scope: "public" as const,
    tags: ["catalog"],
    savedAt: T0,
    body: '"content":[{"type":"text","text":"größe 😀\\n"}],"big":9007199254740993',
    meta: '"acme/x":1.0',
    contentEnd: 0,
    era: "modern" as const,
    ...change,
  };
  return { ...entry, hash: await hashOf(entry.body, entry.meta) };
}

const SECRET = "0123456789abcdef".repeat(4);
const kvStore = (kv = KV) => new KvStore(kv, new Vault(SECRET));

/** Each store, and whose entries are put into it where the test does not say. */
const stores: [string, () => Store, Partition][] = [
  ["MemoryStore", () => new MemoryStore(10_000_000), PUBLIC],
  ["KvStore", kvStore, PUBLIC],
  ["KvStore, sealed,", kvStore, CY],
];

describe.each(stores)("%s keeps what a store keeps", (_, create, own) => {
  let store: Store;
  const { scope } = own;
  const addressOf = (partition = own, change = {}) => addressFor(partition, change);
  const put = async (address: Address, change: Partial<Entry> = {}) =>
    store.put(address, await entryOf({ scope: address.partition.scope, ...change }));

  beforeEach(async () => {
    for (const { name } of (await KV.list()).keys) await KV.delete(name);
    store = create();
  });

  test("what was put is found, byte for byte, and nothing else", async () => {
    const entry = await entryOf({ scope, only: "modern", clientTtlMs: 5, contentEnd: 11 });
    await store.put(addressOf(), entry);
    expect(await store.get(addressOf())).toEqual(entry);
    for (const other of [
      addressOf(ALICE),
      addressOf(own, { originId: "other" }),
      addressOf(own, { method: "prompts/get" }),
      addressOf(own, { variant: {} }),
    ]) {
      expect(await store.get(other)).toBeUndefined();
    }
  });

  test("what was never put is not found", async () => {
    expect(await store.get(addressOf())).toBeUndefined();
    await store.delete(addressOf());
    await store.purge("catalog", "tools/call");
  });

  test("the last one put counts", async () => {
    await put(addressOf());
    const second = await entryOf({ body: '"content":[]', meta: "", scope });
    await store.put(addressOf(), second);
    expect(await store.get(addressOf())).toEqual(second);
  });

  test("what was deleted is gone, its neighbours stay", async () => {
    await put(addressOf());
    await put(addressOf(ALICE));
    await store.delete(addressOf());
    expect(await store.get(addressOf())).toBeUndefined();
    expect(await store.get(addressOf(ALICE))).toBeDefined();
    await put(addressOf());
    expect(await store.get(addressOf())).toBeDefined();
  });

  test("private partitions never see each other's entries, nor the public one's", async () => {
    const odd: Partition[] = ["", "public", "null", "alice/", "Alice", "alice\n"].map((principal) => ({
      scope: "private",
      principal,
    }));
    const partitions = [PUBLIC, ALICE, BOB, ...odd];
    for (const [at, partition] of partitions.entries()) await put(addressOf(partition), { body: `"n":${at}` });
    for (const [at, partition] of partitions.entries())
      expect((await store.get(addressOf(partition)))!.body).toBe(`"n":${at}`);
    await store.delete(addressOf(ALICE));
    for (const partition of partitions)
      expect((await store.get(addressOf(partition))) === undefined, JSON.stringify(partition)).toBe(
        partition === ALICE,
      );
  });

  test("a purge removes one method of one origin, for everybody", async () => {
    const gone = [addressOf(), addressOf(ALICE), addressOf(own, { variant: { q: "coffee" } })];
    // Names of which one begins as another does are different names.
    const stay = [
      addressOf(own, { method: "tools/list" }),
      addressOf(own, { method: "resources/templates/list" }),
      addressOf(ALICE, { method: "resources/list" }),
      addressOf(own, { originId: "catalog2" }),
      addressOf(ALICE, { originId: "cat" }),
    ];
    for (const address of [...gone, ...stay]) await put(address);
    await store.purge("catalog", "tools/call");
    for (const address of gone) expect(await store.get(address)).toBeUndefined();
    for (const address of stay) expect(await store.get(address), address.text).toBeDefined();
    await store.purge("catalog", "resources/list");
    const left = await Promise.all(stay.map(async (address) => (await store.get(address)) !== undefined));
    expect(left).toEqual([true, true, false, true, true]);
  });

  test("a purge of one scope leaves the other", async () => {
    const odd: Partition = { scope: "private", principal: "public" };
    const fill = async () => {
      for (const partition of [PUBLIC, ALICE, odd]) await put(addressOf(partition));
    };
    const present = async () =>
      Promise.all([PUBLIC, ALICE, odd].map(async (partition) => (await store.get(addressOf(partition))) !== undefined));
    await fill();
    await store.purge("catalog", "tools/call", "public");
    expect(await present()).toEqual([false, true, true]);
    await fill();
    await store.purge("catalog", "tools/call", "private");
    expect(await present()).toEqual([true, false, false]);
  });

  test("an entry that could serve nobody for long is kept all the same", async () => {
    await put(addressOf(), { ttlMs: 1, staleIfErrorMs: 0 });
    expect(await store.get(addressOf())).toBeDefined();
  });
});

describe("KvStore", () => {
  beforeEach(async () => {
    for (const { name } of (await KV.list()).keys) await KV.delete(name);
  });

  test("counts what is kept of an origin by method and by tool, whoever it belongs to", async () => {
    const store = kvStore();
    const named = { method: "resources/templates/list" };
    // KV takes 1,024 bytes beside a value.
    const long = ["\u0001", "😀", "é", '"', "x"].map((character) => `x${character.repeat(1_000)}`);
    for (const address of [
      addressFor(),
      addressFor(ALICE),
      addressFor(BOB, { target: "other" }),
      addressFor(PUBLIC, { originId: "catalog2" }),
      addressFor(PUBLIC, named),
      addressFor(ALICE, named),
      ...long.map((target) => addressFor(PUBLIC, { target })),
    ]) {
      await store.put(address, await entryOf());
    }
    // As an earlier version has stored it.
    await KV.put("e1/catalog/tools/call/public/0", "");
    const { byTool, ...counted } = await store.count("catalog");
    expect(counted).toEqual({ isWhole: true, total: 11, byMethod: { "tools/call": 9, "resources/templates/list": 2 } });
    expect(byTool).toMatchObject({ search: 2, other: 1, ["x".repeat(160)]: 1 });
    expect(Object.values(byTool).reduce((sum, count) => sum + count)).toBe(8);
    expect(await store.count("cat")).toEqual({ isWhole: true, total: 0, byMethod: {}, byTool: {} });
  });

  test("ends counting after ten pages, says so, and counts two hundred tools by name", async () => {
    const cursors: unknown[] = [];
    const list = async ({ cursor }: { cursor?: string }) => {
      cursors.push(cursor);
      const tools = Array.from({ length: 1_000 }, (_, nth) => `${cursors.length} ${nth}`);
      const keys = tools.map((tool) => ({ name: "e1/o/tools/call/public/0", metadata: { tool } }));
      return { keys, list_complete: false, cursor: `c${cursors.length}` };
    };
    const counted = await kvStore({ list } as unknown as KVNamespace).count("o");
    expect([counted.isWhole, counted.total]).toEqual([false, 10_000]);
    expect(cursors).toEqual([undefined, ...Array.from({ length: 9 }, (_, page) => `c${page + 1}`)]);
    expect(Object.keys(counted.byTool)).toHaveLength(201);
    expect(counted.byTool["other"]).toBe(9_800);
  });

  test("knows whether anything of a method is kept, for anybody", async () => {
    const store = kvStore();
    expect(await store.hasAny("catalog", "server/discover")).toBe(false);
    await store.put(addressFor(ALICE, { method: "server/discover" }), await entryOf());
    expect(await store.hasAny("catalog", "server/discover")).toBe(true);
    expect(await store.hasAny("catalog", "tools/list")).toBe(false);
    expect(await store.hasAny("cat", "server/discover")).toBe(false);
    await store.purge("catalog", "server/discover");
    expect(await store.hasAny("catalog", "server/discover")).toBe(false);
  });

  test("names tell neither who called nor what was asked", async () => {
    const store = kvStore();
    await store.put(addressFor(ALICE), await entryOf());
    await store.put(addressFor(), await entryOf());
    const names = (await KV.list()).keys.map(({ name }) => name);
    expect(names).toHaveLength(2);
    expect(names.find((name) => name.includes("/public/"))).toMatch(/^e1\/catalog\/tools\/call\/public\/[0-9a-f]{64}$/);
    expect(names.find((name) => !name.includes("/public/"))).toMatch(
      /^e1\/catalog\/tools\/call\/[0-9a-f]{16}\/[0-9a-f]{64}$/,
    );
    expect(names.join()).not.toMatch(/alice|tea|search/);
  });

  test("values lapse when nothing could serve them, and not before a minute", async () => {
    const expiry = async (change: Partial<Entry>) => {
      await kvStore().put(addressFor(), await entryOf(change));
      return (await KV.list()).keys[0]!.expiration! - Math.floor(Date.now() / 1_000);
    };
    const near = (seconds: number) => [seconds - 1, seconds, seconds + 1];
    expect(near(3_600)).toContain(
      await expiry({ ttlMs: 600_000, staleWhileRevalidateMs: 1_000, staleIfErrorMs: 3_000_000 }),
    );
    expect(near(60)).toContain(await expiry({ ttlMs: 1, staleIfErrorMs: 0 }));
    expect(lifetimeMs({ ttlMs: 1, staleWhileRevalidateMs: 3, staleIfErrorMs: 2 })).toBe(4);
  });

  test("a broken value is a miss", async () => {
    const store = kvStore();
    await store.put(addressFor(), await entryOf());
    const name = (await KV.list()).keys[0]!.name;
    for (const value of ["", "x", "{}\n", (await KV.get(name))!.slice(0, -1)]) {
      await KV.put(name, value);
      expect(await store.get(addressFor())).toBeUndefined();
    }
  });

  test("a purge takes all pages of names", async () => {
    const store = kvStore();
    const listed: (string | undefined)[] = [];
    // One name a page, so that the cursor has to be followed.
    const paged = new Proxy(KV, {
      get: (kv, member: keyof KVNamespace) =>
        member === "list"
          ? (options: KVNamespaceListOptions) => {
              listed.push(options.cursor ?? undefined);
              return kv.list({ ...options, limit: 1 });
            }
          : (kv[member] as (...args: unknown[]) => unknown).bind(kv),
    });
    for (const q of ["a", "b", "c"]) await store.put(addressFor(PUBLIC, { variant: { q } }), await entryOf());
    await kvStore(paged).purge("catalog", "tools/call");
    expect(await store.hasAny("catalog", "tools/call")).toBe(false);
    expect(listed.length).toBeGreaterThanOrEqual(3);
  });
});

describe("MemoryStore", () => {
  test("answers at once", async () => {
    const store = new MemoryStore(1_000_000);
    const entry = await entryOf();
    expect(store.peek(addressFor())).toBeUndefined();
    void store.put(addressFor(), entry);
    expect(store.peek(addressFor())).toBe(entry);
  });

  test("is bounded by bytes, keys and bodies counted, and refuses what is too large", async () => {
    const store = new MemoryStore(100_000);
    const small = async (n: number) =>
      store.put(addressFor(PUBLIC, { variant: { n } }), await entryOf({ body: `"x":"${"x".repeat(1_000)}"` }));
    for (let n = 0; n < 200; n++) await small(n);
    let kept = 0;
    for (let n = 0; n < 200; n++) if (store.peek(addressFor(PUBLIC, { variant: { n } }))) kept++;
    // About 2,000 bytes of body, 600 around it, and some for key and _meta.
    expect(kept).toBeGreaterThan(20);
    expect(kept).toBeLessThan(38);
    await store.put(addressFor(), await entryOf({ body: `"x":"${"x".repeat(5_000)}"` }));
    expect(store.peek(addressFor())).toBeUndefined();
    const long = addressFor(PUBLIC, { variant: { q: "x".repeat(5_000) } });
    await store.put(long, await entryOf({ body: "" }));
    expect(store.peek(long)).toBeUndefined();
  });

  test("a refresh is claimed by one, until it is over or its time has passed", async () => {
    const store = new MemoryStore(1_000_000);
    const address = addressFor();
    // What memory does not hold, for instance because it is too large, anybody may refresh.
    expect(store.claimRefresh(address, T0, T0 + 10)).toBe(true);
    await store.put(address, await entryOf());
    expect(store.claimRefresh(address, T0, T0 + 10)).toBe(true);
    expect(store.claimRefresh(address, T0, T0 + 10)).toBe(false);
    expect(store.claimRefresh(address, T0 + 9, T0 + 20)).toBe(false);
    expect(store.claimRefresh(address, T0 + 10, T0 + 20)).toBe(true);
    store.releaseRefresh(address);
    expect(store.claimRefresh(address, T0 + 11, T0 + 20)).toBe(true);
    await store.put(address, await entryOf());
    expect(store.claimRefresh(address, T0 + 12, T0 + 20)).toBe(true);
    await store.delete(address);
    store.releaseRefresh(address);
    expect(store.claimRefresh(address, T0 + 30, T0 + 40)).toBe(true);
  });
});

describe("the stored form", () => {
  const text = fc.string({
    unit: fc.oneof(fc.string({ minLength: 1, maxLength: 1 }), fc.constantFrom("\n", '"', "é", "😀", "\u2028")),
    maxLength: 30,
  });
  const ms = fc.integer({ min: 0, max: 86_400_000 });
  const arbitraryEntry = fc.record(
    {
      storedAt: fc.integer({ min: 0, max: 4e12 }),
      ttlMs: ms,
      staleWhileRevalidateMs: ms,
      staleIfErrorMs: ms,
      promisedMs: ms,
      clientTtlMs: ms,
      tookMs: ms,
      scope: fc.constantFrom("public" as const, "private" as const),
      only: fc.constantFrom("modern" as const, "legacy" as const),
      tags: fc.array(text, { maxLength: 3 }),
      body: text,
      meta: text,
      contentEnd: fc.nat({ max: 30 }),
    },
    {
      requiredKeys: [
        "storedAt",
        "ttlMs",
        "staleWhileRevalidateMs",
        "staleIfErrorMs",
        "promisedMs",
        "scope",
        "tags",
        "body",
        "meta",
        "contentEnd",
      ],
    },
  );

  test("what is written is read", async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryEntry, async (parts) => {
        const entry: Entry = { ...parts, era: "legacy", savedAt: 5, hash: await hashOf(parts.body, parts.meta) };
        expect(await decodeEntry(encodeEntry(entry))).toStrictEqual({ ...entry, savedAt: entry.storedAt });
      }),
    );
  });

  test("it is one line of JSON, then the body as it is", async () => {
    const [header, ...rest] = encodeEntry(await entryOf({ body: '"a":1', meta: '"b":2' })).split("\n");
    expect(JSON.parse(header!)).toMatchObject({ v: 1, storedAt: T0, split: 5 });
    expect(header).not.toContain("savedAt");
    expect(rest).toEqual(['"a":1"b":2']);
  });

  test("a value that is cut short anywhere is a miss", async () => {
    const value = encodeEntry(await entryOf());
    for (let length = 0; length < value.length; length++)
      expect(await decodeEntry(value.slice(0, length)), String(length)).toBeUndefined();
    expect(await decodeEntry(`${value}x`)).toBeUndefined();
  });

  test("a changed character is a miss, or leaves what the entry says as it was", async () => {
    const entry = await entryOf();
    const value = encodeEntry(entry);
    const newline = value.indexOf("\n");
    for (let at = 0; at < value.length; at++) {
      for (const bit of [1, 2, 4, 64]) {
        const read = await decodeEntry(
          value.slice(0, at) + String.fromCharCode(value.charCodeAt(at) ^ bit) + value.slice(at + 1),
        );
        if (at >= newline) expect(read, String(at)).toBeUndefined();
        else if (read) expect([read.body, read.meta, read.scope]).toEqual([entry.body, entry.meta, entry.scope]);
      }
    }
  });

  test("other versions, and headers that lack something, are a miss", async () => {
    const [header, body] = encodeEntry(await entryOf({ only: "modern", clientTtlMs: 1 })).split("\n") as [
      string,
      string,
    ];
    const whole = JSON.parse(header) as Record<string, unknown>;
    const decoded = (change: Record<string, unknown>) =>
      decodeEntry(`${JSON.stringify({ ...whole, ...change })}\n${body}`);
    expect(await decoded({})).toBeDefined();
    for (const v of [0, 2, "1", null, undefined]) expect(await decoded({ v })).toBeUndefined();
    // Nobody has measured what an earlier version stored.
    expect(whole).not.toHaveProperty("tookMs");
    for (const tookMs of [null, "1", -1, {}]) expect(await decoded({ tookMs })).toBeUndefined();
    for (const name of [
      "storedAt",
      "ttlMs",
      "staleWhileRevalidateMs",
      "staleIfErrorMs",
      "promisedMs",
      "contentEnd",
      "split",
    ]) {
      for (const wrong of [undefined, null, "1", -1, {}])
        expect(await decoded({ [name]: wrong }), name).toBeUndefined();
    }
    for (const wrong of [undefined, null, "shared", 1]) expect(await decoded({ scope: wrong })).toBeUndefined();
    for (const wrong of [undefined, null, "0".repeat(64), 1]) expect(await decoded({ hash: wrong })).toBeUndefined();
    for (const wrong of [undefined, null, "t", {}]) expect(await decoded({ tags: wrong })).toBeUndefined();
    for (const wrong of [null, "1"]) expect(await decoded({ clientTtlMs: wrong })).toBeUndefined();
    for (const wrong of [null, "future", 1]) expect(await decoded({ only: wrong })).toBeUndefined();
    expect(await decoded({ feedId: "f", seq: 0 })).toMatchObject({ feedId: "f", seq: 0 });
    for (const wrong of [{ feedId: "f" }, { seq: 1 }, { feedId: 1, seq: 1 }, { feedId: "f", seq: -1 }])
      expect(await decoded(wrong)).toBeUndefined();
    // What only an isolate knows is not written.
    const own = await entryOf({ soundAt: 1, isDoubted: true });
    expect(encodeEntry(own)).not.toMatch(/soundAt|isDoubted/);
    expect(await decoded({ split: (whole["split"] as number) - 1 })).toBeUndefined();
    for (const other of ["", "\n", "null\n", "[]\n", "1\nx", "{}\n", `${header}${body}`])
      expect(await decodeEntry(other)).toBeUndefined();
  });
});

describe("writing to KV", () => {
  test("is worth it for what is new, different, or past half its life", async () => {
    const previous = await entryOf({ ttlMs: 1_000, staleIfErrorMs: 1_000 });
    const again = (change: Partial<Entry> = {}) => entryOf({ ttlMs: 1_000, staleIfErrorMs: 1_000, ...change });
    expect(needsSaving(await again(), undefined)).toBe(true);
    expect(needsSaving(await again(), previous)).toBe(false);
    expect(needsSaving(await again(), traitsOf({ ...previous, isDoubted: true }))).toBe(true);
    expect(needsSaving(await again({ storedAt: T0 + 1_000 }), previous)).toBe(false);
    expect(needsSaving(await again({ storedAt: T0 + 1_001 }), previous)).toBe(true);
    expect(needsSaving(await again({ body: '"content":[]' }), previous)).toBe(true);
    expect(needsSaving(await again({ meta: "" }), previous)).toBe(true);
    expect(needsSaving(await again({ scope: "private" }), previous)).toBe(true);
    expect(needsSaving(await again({ ttlMs: 1_100 }), previous)).toBe(false);
    expect(needsSaving(await again({ ttlMs: 3_000 }), previous)).toBe(true);
  });
});
