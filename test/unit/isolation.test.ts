import { afterEach, expect, test, vi } from "vitest";
import type { Address } from "../../src/cache/key.ts";
import { Rights } from "../../src/access/Rights.ts";
import { MemoryStore } from "../../src/cache/MemoryStore.ts";
import { Vault, type Owner } from "../../src/cache/Vault.ts";
import { runs, timeLimitMs } from "../support/runs.ts";
import { play, type Build } from "./isolation.ts";

const SEED = 20_260_728;
const OPERATIONS = 10_000;
/** A machine may be busy. */
const PATIENCE = { timeout: timeLimitMs(240_000) };

afterEach(() => void vi.restoreAllMocks());

test("whatever happens, nobody is told what is another's", PATIENCE, async () => {
  const { open } = Vault.prototype;
  const opened = { well: 0, not: 0 };
  vi.spyOn(Vault.prototype, "open").mockImplementation(async function (this: Vault, ...value) {
    const text = await open.apply(this, value);
    opened[text === undefined ? "not" : "well"]++;
    return text;
  });
  const rounds = runs(1, 100);
  const all = { hits: 0, shared: 0, renewed: 0, denied: 0, cut: 0, stale: 0, moved: 0, ended: 0, purged: 0 };
  const whats = Object.keys(all) as (keyof typeof all)[];
  for (let nth = 0; nth < rounds; nth++) {
    const { met, foreign } = await play(SEED + nth, OPERATIONS);
    expect(foreign).toBeUndefined();
    for (const what of whats) all[what] += met[what];
  }
  // All of it was met with; how often, differs from round to round.
  expect(all.hits).toBeGreaterThan((rounds * OPERATIONS) / 3);
  for (const what of ["shared", "renewed", "denied", "cut"] as const)
    expect(all[what], what).toBeGreaterThan(rounds * 400);
  for (const what of whats) expect(all[what], what).toBeGreaterThan(0);
  for (const what of ["well", "not"] as const) expect(opened[what], what).toBeGreaterThan(100);
});

/** Keeps in memory, and finds there, what stands under the address that is made of another. */
function inMemory(change: (address: Address) => Address): void {
  const { peek, put } = MemoryStore.prototype;
  vi.spyOn(MemoryStore.prototype, "peek").mockImplementation(function (this: MemoryStore, address) {
    return peek.call(this, change(address));
  });
  vi.spyOn(MemoryStore.prototype, "put").mockImplementation(function (this: MemoryStore, address, entry) {
    return put.call(this, change(address), entry);
  });
}

/** Seals, and opens, as if it were for another owner, or under another name. */
function sealed(change: (owner: Owner, name: string) => [Owner, string]): void {
  const { seal, open } = Vault.prototype;
  vi.spyOn(Vault.prototype, "seal").mockImplementation(function (this: Vault, owner, name, text) {
    return seal.call(this, ...change(owner, name), text);
  });
  vi.spyOn(Vault.prototype, "open").mockImplementation(function (this: Vault, owner, name, value) {
    return open.call(this, ...change(owner, name), value);
  });
}

/** Values in KV are moved all the time. */
const MOVING: Build = { disturbances: 0.1 };

const NOBODY: Owner = { originId: "", partition: { scope: "public" } };

test.each<[string, Build, (() => void)?]>([
  ["heeds no tenant", { callers: ({ tenant: _, ...person }) => person }],
  ["heeds no scopes", { callers: ({ scopes: _, ...person }) => person }],
  ["takes all of a tenant for one", { callers: (person) => ({ ...person, subject: "somebody" }) }],
  ["heeds no role", {}, () => void vi.spyOn(Rights.prototype, "may").mockReturnValue(true)],
  [
    "keeps in memory without saying whose it is",
    {},
    () =>
      inMemory((address) =>
        address.partition.scope === "public"
          ? address
          : { ...address, text: address.text.replaceAll(JSON.stringify(address.partition.principal), '"x"') },
      ),
  ],
  ["lets all who ask the same share a flight", { flightKey: ({ body }) => hexOf(body) }],
  ["seals without the name", MOVING, () => sealed((owner) => [owner, ""])],
  ["seals with one key and without the name", MOVING, () => sealed(() => [NOBODY, ""])],
  [
    "does not seal",
    MOVING,
    () => {
      vi.spyOn(Vault.prototype, "seal").mockImplementation(async (_, __, text) =>
        Uint8Array.from(new TextEncoder().encode(text)),
      );
      vi.spyOn(Vault.prototype, "open").mockImplementation(async (_, __, value) => new TextDecoder().decode(value));
    },
  ],
])("a replica that %s is found out", PATIENCE, async (_, build, spoil) => {
  spoil?.();
  const found = await play(SEED, OPERATIONS, build);
  expect(found.foreign).toBeDefined();
});

/** A text as some hex digits. */
function hexOf(text: string): string {
  let hash = 7;
  for (let at = 0; at < text.length; at++) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return (hash >>> 0).toString(16);
}
