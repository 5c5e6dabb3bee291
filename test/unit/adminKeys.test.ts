import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { KeyDoor } from "../../src/access/KeyDoor.ts";
import { keyRecord } from "../../src/access/keys.ts";
import { AdminLimits } from "../../src/http/admin/AdminLimits.ts";
import { admitAdmin } from "../../src/http/admin/admitAdmin.ts";
import { serveKeys } from "../../src/http/admin/serveKeys.ts";
import type { ReplicaEvent } from "../../src/telemetry/events.ts";

const { KV: kv } = env as { KV: KVNamespace };
const URL = "https://replica.example.com/admin/keys";
const START = 1_800_000_000_000;
const events: ReplicaEvent[] = [];

beforeEach(() => {
  events.length = 0;
  vi.useFakeTimers({ toFake: ["Date"], now: START });
});
afterEach(() => vi.useRealTimers());

const roles = new Map<string, { scopes?: string[] }>([
  ["reader", {}],
  ["writer", { scopes: ["read", "write"] }],
]);

async function ask(request: Request, bindings: object = {}, access: object = { keys: true, roles }) {
  const serving = {
    replica: { access: access as { keys: boolean } },
    report: (event: ReplicaEvent) => void events.push(event),
  };
  const response = await serveKeys(serving, request, { KV: kv, KEY_PEPPER: "pepper", ...bindings } as never);
  const body = (await response.json()) as any;
  return { status: response.status, code: body.error?.data.code, message: body.error?.message, body, response };
}
/** What is listed, page by page: other tests may have made more than there are on one. */
async function allKeys(): Promise<any[]> {
  const listed = [];
  for (let cursor: string | undefined = ""; cursor !== undefined;) {
    const { body }: { body: any } = await ask(
      new Request(`${URL}${cursor && `?cursor=${encodeURIComponent(cursor)}`}`),
    );
    listed.push(...body.keys);
    cursor = body.cursor;
  }
  return listed;
}
const post = (wish: unknown, bindings?: object, access?: object) =>
  ask(
    new Request(URL, { method: "POST", body: typeof wish === "string" ? wish : JSON.stringify(wish) }),
    bindings,
    access,
  );
const letsIn = async (key: string) => {
  const by = { headers: new Headers(), hostname: "replica.example.com", kv, pepper: "pepper", now: Date.now };
  const work: Promise<unknown>[] = [];
  const checked = await new KeyDoor().check(key, { ...by, waitUntil: (one) => void work.push(one) });
  await Promise.all(work);
  return "caller" in checked ? checked.caller : undefined;
};

describe("a key that an operator makes", () => {
  test.each([
    [{}, true],
    [{ scopes: ["read"] }, true],
    [{ scopes: ["write", "read"] }, undefined],
    [{ roles: ["reader"] }, undefined],
  ])("with %j is said to be idle: %s", async (facts, expected) => {
    const { body } = await post({ do: "create", name: "n", ...facts });
    expect(body.isIdle).toBe(expected);
    expect((await post({ do: "rotate", id: body.id })).body.isIdle).toBe(expected);
    expect((await post({ do: "rotate", id: body.id }, {}, { keys: true })).body.isIdle).toBe(undefined);
    // A list has fifty of those that there are.
    await post({ do: "revoke", id: body.id });
  });

  test("is shown this once, has what was asked for, and lets its caller in", async () => {
    const made = await post({
      do: "create",
      name: "agent",
      roles: ["reader"],
      tenant: "acme",
      scopes: ["a"],
      expires: "1d",
    });
    const { key, ...shown } = made.body;
    const expiresAt = START + 86_400_000;
    const { id } = shown;
    const facts = { name: "agent", createdAt: START, roles: ["reader"], tenant: "acme", scopes: ["a"], expiresAt };
    expect(shown).toEqual({ id, ...facts, state: "active" });
    expect(made.response.headers.get("cache-control")).toBe("no-store");
    expect(await letsIn(key)).toEqual({ principal: `key:${id}`, roles: ["reader"], tenant: "acme", scopes: ["a"] });
    const listed = await allKeys();
    expect(listed).toContainEqual({ ...shown, usedAt: START });
    const [, , secret] = key.split("_");
    const record = (await kv.get(keyRecord(id)))!;
    const { hmac } = JSON.parse(record);
    for (const said of [listed, events]) {
      expect(JSON.stringify(said)).not.toContain(secret);
      expect(JSON.stringify(said)).not.toContain(hmac);
    }
    expect(record).not.toContain(secret);
    expect(events).toEqual([{ type: "key", done: "create", id }]);
  });

  test("of a role that there is not is refused, and so is any where there are no roles", async () => {
    const wish = { do: "create", name: "n", roles: ["reader", "admin"] };
    const before = (await allKeys()).length;
    const refused = await post(wish);
    expect([refused.status, refused.code]).toEqual([400, "unknown_role"]);
    expect(refused.message).toBe("There is no role admin in access.roles. There are: reader, writer.");
    expect((await post(wish, {}, { keys: true })).message).toContain("There are none.");
    expect(await allKeys()).toHaveLength(before);
  });

  test.each([
    ["without the pepper", { KEY_PEPPER: undefined }, undefined, "npx wrangler secret put KEY_PEPPER"],
    ["where no keys are let in", {}, { keys: false }, "access: { keys: true }"],
  ])("%s is refused, with what to do", async (_, bindings, access, words) => {
    const refused = await post({ do: "create", name: "n" }, bindings, access);
    expect([refused.status, refused.code]).toEqual([403, "access_not_configured"]);
    expect(refused.message).toContain(words);
  });
});

describe("a key that is rotated", () => {
  const pair = async (overlap?: string) => {
    const first = (await post({ do: "create", name: "n", tenant: "t" })).body;
    const second = await post({ do: "rotate", id: first.id, overlap });
    return { first, second };
  };

  test("is the same caller, and the old one works for a day", async () => {
    const { first, second } = await pair();
    const { key, isIdle: _, ...shown } = second.body;
    const day = 86_400_000;
    expect(shown).toEqual({
      id: first.id,
      name: "n",
      createdAt: START,
      tenant: "t",
      state: "rotating",
      oldUntil: START + day,
    });
    expect(key).not.toBe(first.key);
    for (const one of [first.key, key])
      expect(await letsIn(one)).toEqual({ principal: `key:${first.id}`, tenant: "t" });
    vi.setSystemTime(START + day);
    expect([await letsIn(first.key), await letsIn(key)]).toEqual([
      undefined,
      { principal: `key:${first.id}`, tenant: "t" },
    ]);
    expect((await allKeys()).find(({ id }) => id === first.id)).toMatchObject({ state: "active" });
  });

  test("without an overlap leaves the old one nothing, and twice leaves the oldest nothing", async () => {
    const { first, second } = await pair("0s");
    expect(second.body).toMatchObject({ state: "active" });
    expect(await letsIn(first.key)).toBeUndefined();
    const third = (await post({ do: "rotate", id: first.id })).body;
    const fourth = (await post({ do: "rotate", id: first.id })).body;
    expect(await letsIn(second.body.key)).toBeUndefined();
    for (const { key } of [third, fourth]) expect(await letsIn(key)).toBeDefined();
    const last = (await post({ do: "rotate", id: first.id, overlap: "0s" })).body;
    expect([await letsIn(third.key), await letsIn(fourth.key)]).toEqual([undefined, undefined]);
    expect(await letsIn(last.key)).toBeDefined();
  });

  test("and has expired gets no new life", async () => {
    const { id } = (await post({ do: "create", name: "n", expires: "1m" })).body;
    vi.setSystemTime(START + 60_000);
    const refused = await post({ do: "rotate", id });
    expect([refused.code, refused.message]).toEqual([
      "bad_key",
      expect.stringContaining("has expired: create another"),
    ]);
    expect((await allKeys()).find((one) => one.id === id)).toMatchObject({ state: "expired" });
  });
});

test("a key that is revoked is gone, with what is known of its use, and one that cannot be read can be", async () => {
  const { id, key } = (await post({ do: "create", name: "n" })).body;
  await kv.put(`key-used/${id}`, String(START));
  expect((await post({ do: "revoke", id })).body).toMatchObject({ id, name: "n" });
  expect(await letsIn(key)).toBeUndefined();
  expect([await kv.get(keyRecord(id)), await kv.get(`key-used/${id}`)]).toEqual([null, null]);
  for (const wish of [
    { do: "revoke", id },
    { do: "rotate", id },
  ])
    expect(await post(wish)).toMatchObject({ status: 404, code: "unknown_key" });
  await kv.put(keyRecord(id), "{");
  expect((await post({ do: "rotate", id })).code).toBe("unknown_key");
  expect(await allKeys()).toContainEqual({ id, state: "unreadable", usedAt: null });
  expect((await post({ do: "revoke", id })).body).toEqual({ id, state: "unreadable" });
  expect(await kv.get(keyRecord(id))).toBeNull();
});

test.each([
  ["{", "the body is not JSON"],
  [[], "the body"],
  [{ do: "steal" }, "do: one of create, revoke, rotate"],
  [{ do: "create" }, "name"],
  [{ do: "create", name: "a\nb" }, "name: 1 to 64 letters"],
  [{ do: "create", name: "n", hmac: "a" }, "hmac"],
  [{ do: "create", name: "n", key: "erk_" }, "key"],
  [{ do: "create", name: "n", roles: "reader" }, "roles"],
  [{ do: "create", name: "n", tenant: "" }, "tenant: 1 to 128 characters"],
  [{ do: "create", name: "n", tenant: "😀".repeat(65) }, "tenant: 1 to 128 characters"],
  [{ do: "create", name: "n", scopes: ["a b"] }, "scopes.0: a scope"],
  [{ do: "create", name: "n", expires: "soon" }, 'expires: a duration of "1m" to "3650d"'],
  [{ do: "create", name: "n", expires: "0s" }, "expires"],
  [{ do: "create", name: "n", expires: "999999999d" }, "expires"],
  [{ do: "rotate", id: "../key" }, "id: a key's id"],
  [{ do: "rotate", id: "0".repeat(12), overlap: "31d" }, 'overlap: a duration of "0s" to "30d"'],
  [{ do: "revoke", id: ["0".repeat(12)] }, "id"],
])("%j is refused with what is wrong", async (wish, words) => {
  const refused = await post(wish);
  expect([refused.status, refused.code]).toEqual([400, "bad_key"]);
  expect(refused.message).toContain(words);
});

test("while KV does not answer, that is said, and the log knows why", async () => {
  const failing = () => Promise.reject(new Error("KV failed: 500"));
  const broken = { KV: { get: failing, put: failing, list: failing } };
  for (const got of [await ask(new Request(URL), broken), await post({ do: "create", name: "n" }, broken)])
    expect(got).toMatchObject({ status: 503, code: "keys_unavailable" });
  expect(events.filter(({ type }) => type === "store-failed")).toHaveLength(2);
});

describe("what operators may ask", () => {
  const hosts = new Set(["replica.example.com"]);
  const admit = async (limits: AdminLimits, headers: Record<string, string>, url = URL) => {
    const trouble = await admitAdmin({ hosts }, limits, { url, headers: new Headers(headers) }, "s3cret");
    return trouble?.kind ?? "in";
  };
  const here = { "cf-connecting-ip": "192.0.2.1" };
  const token = (text: string) => ({ authorization: `Bearer ${text}` });
  const times = async (count: number, ask: () => Promise<string>) => {
    const kinds: string[] = [];
    for (let time = 0; time < count; time++) kinds.push(await ask());
    return kinds;
  };

  test("is not asked long by who guesses tokens: an address has ten guesses, and one a second", async () => {
    const limits = new AdminLimits();
    const guess = (nth: number) => admit(limits, { ...here, ...token(`guess-${nth}`) });
    expect(new Set(await times(10, () => guess(1)))).toEqual(new Set(["admin-unauthorized"]));
    expect(await times(3, () => guess(2))).toEqual(Array(3).fill("rate-limited"));
    // Nor is it learnt there that a guess was right.
    expect(await admit(limits, { ...here, ...token("s3cret") })).toBe("rate-limited");
    expect(await admit(limits, { "cf-connecting-ip": "192.0.2.2", ...token("s3cret") })).toBe("in");
    vi.setSystemTime(START + 1_000);
    expect(await times(2, () => guess(3))).toEqual(["admin-unauthorized", "rate-limited"]);
  });

  test("has a bound for all of them together, that strangers do not use up", async () => {
    const limits = new AdminLimits();
    await times(50, () => admit(limits, { ...here, ...token("wrong") }));
    let nth = 0;
    const right = () => admit(limits, { "cf-connecting-ip": `198.51.100.${nth++}`, ...token("s3cret") });
    expect(new Set(await times(100, right))).toEqual(new Set(["in"]));
    expect(await right()).toBe("rate-limited");
    vi.setSystemTime(START + 1_000);
    expect(await times(11, right)).toEqual([...Array(10).fill("in"), "rate-limited"]);
  });

  test.each([
    [null, undefined],
    ["127.0.0.1", undefined],
    ["::1", undefined],
    ["192.0.2.1", "admin-closed"],
    ["2001:db8::1", "admin-closed"],
    ["127.0.0.1.example.com", "admin-closed"],
    ["", "admin-closed"],
  ])("without a token is for this machine alone, by its name and from the address %j", async (address, expected) => {
    const headers = new Headers(address === null ? {} : { "cf-connecting-ip": address });
    const request = { url: "http://localhost:8787/admin/keys", headers };
    expect((await admitAdmin({ hosts }, new AdminLimits(), request, undefined))?.kind).toBe(expected);
  });

  test("takes no guess away from who has the token", async () => {
    const limits = new AdminLimits();
    const right = () => admit(limits, { ...here, ...token("s3cret") });
    expect(new Set(await times(30, right))).toEqual(new Set(["in"]));
  });

  test("is not counted on this machine", async () => {
    const limits = new AdminLimits();
    const local = "http://127.0.0.1:8787/admin/keys";
    expect(new Set(await times(30, () => admit(limits, token("wrong"), local)))).toEqual(
      new Set(["admin-unauthorized"]),
    );
    expect(new Set(await times(120, () => admit(limits, token("s3cret"), local)))).toEqual(new Set(["in"]));
  });
});
