import { Webhook } from "standardwebhooks";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { call, codeOf, type Got, modern, said, send } from "./support/wire.ts";

const SECRET = `whsec_${Buffer.from("the origin's own secret").toString("base64")}`;
const OTHER = `whsec_${Buffer.from("another's secret").toString("base64")}`;

const origin = new Fixture();
let replica: Replica;

const config = () => {
  const kept = { ttl: "10m", staleIfError: "1h", scope: "public" } as const;
  const hooked = { url: origin.url, sync: { pulse: "250ms", webhook: { secret: "HOOK" } } } as const;
  return {
    origins: {
      o: {
        ...hooked,
        default: true,
        lists: { defaultTtl: "10m" },
        tools: { t: { cache: { ...kept, tags: ["item:{id}"] } } },
        resources: { "x://*": { cache: kept } },
        prompts: { p: { cache: kept } },
      },
      plain: { url: origin.url },
      broken: { ...hooked, sync: { webhook: { secret: "NOT_SET" } } },
      text: { ...hooked, sync: { webhook: { secret: "TEXT_HOOK" } } },
      busy: hooked,
    },
    hosts: ["replica.test"],
  } as const;
};
const vars = { HOOK: SECRET, TEXT_HOOK: "plain words", ADMIN_TOKEN: "s3cret" };

beforeAll(async () => {
  await origin.start();
  replica = await startReplica(config() as never, { instances: 2, vars });
});
beforeEach(() => {
  origin.reset();
  origin.tools = [tool("t")];
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const statusOf = ({ cache }: Got) => cache?.status;
const at = (instance: number) => `${replica.urls[instance]}/mcp`;
let ids = 0;
const fresh = () => ({ id: `${++ids}` });
const newId = () => `msg_${++ids}`;

interface Hook {
  id?: string;
  /** Seconds from now. */
  sent?: number;
  secrets?: string[];
  to?: string;
  url?: string;
  headers?: Record<string, string | null>;
}

/** The headers with which the reference implementation signs. */
function signature(body: string, { id = newId(), sent = 0, secrets = [SECRET] }: Hook): Record<string, string> {
  const date = new Date(Math.floor(Date.now() / 1_000 + sent) * 1_000);
  return {
    "webhook-id": id,
    "webhook-timestamp": String(date.getTime() / 1_000),
    "webhook-signature": secrets.map((secret) => new Webhook(secret).sign(id, date, body)).join(" "),
  };
}

function deliver(what: object | string, hook: Hook = {}): Promise<Got> {
  const body = typeof what === "string" ? what : JSON.stringify(what);
  const { to = "o", url = replica.url, headers } = hook;
  return send(`${url}/sync/${to}`, { headers: { ...signature(body, hook), ...headers }, body });
}

/** Has both instances keep an answer. */
async function kept(ask: (instance: number) => Promise<Got>): Promise<void> {
  for (const instance of [0, 1]) {
    await ask(instance);
    await expect.poll(async () => statusOf(await ask(instance))).toBe("hit");
  }
}

/** Waits until an instance answers with what was asked for later, within some pulses. */
async function anew(ask: (instance: number) => Promise<Got>, instance: number, than: number): Promise<void> {
  await expect.poll(async () => (await ask(instance)).cache?.storedAt, { timeout: 5_000 }).toBeGreaterThan(than);
}

describe("what the origin says has changed", () => {
  test("is asked for anew here at once, and elsewhere within a pulse", async () => {
    const args = fresh();
    const ask = (instance: number) => call(at(instance), "t", args);
    await kept(ask);
    const { status, body } = await deliver({ tools: ["t"] });
    expect([status, body]).toEqual([
      200,
      { origin: "o", tags: ["tool:t"], hard: false, feedId: expect.any(String), seq: expect.any(Number) },
    ]);
    expect(statusOf(await ask(0))).toBe("miss");
    await expect.poll(async () => said(await ask(1)), { timeout: 5_000 }).toBe("t 2");
  });

  test.each([
    [
      "a tag",
      (id: string) => ({ tags: [`item:${id}`] }),
      (instance: number, id: string) => call(at(instance), "t", { id }),
    ],
    [
      "a resource",
      () => ({ resources: ["x://1"] }),
      (instance: number) => modern(at(instance), "resources/read", { uri: "x://1" }),
    ],
    ["a prompt", () => ({ prompts: ["p"] }), (instance: number) => modern(at(instance), "prompts/get", { name: "p" })],
    ["a list", () => ({ lists: ["tools"] }), (instance: number) => modern(at(instance), "tools/list")],
  ])("%s is, and nothing else", async (_, news, ask) => {
    const { id } = fresh();
    const asked = (instance: number) => ask(instance, id);
    const other = (instance: number) => call(at(instance), "t", { id: "another" });
    const tools = [tool("t")];
    origin.on("tools/list", () => ({ result: { tools, ttlMs: 600_000, cacheScope: "public" } }));
    await kept(asked);
    await kept(other);
    const than = Math.max((await asked(0)).cache!.storedAt, (await asked(1)).cache!.storedAt);
    await deliver(news(id));
    for (const instance of [0, 1]) await anew(asked, instance, than);
    for (const instance of [0, 1]) expect(statusOf(await other(instance))).toBe("hit");
  });

  test("hard, is answered no more", async () => {
    const args = fresh();
    await kept((instance) => call(at(instance), "t", args));
    expect((await deliver({ tags: [`item:${args.id}`], hard: true })).body.hard).toBe(true);
    const cached = { headers: { "cache-control": "only-if-cached" } };
    expect(codeOf(await call(at(0), "t", args, cached))).toBe("not_cached");
  });
});

describe("a delivery is taken", () => {
  test("signed by one of several secrets, while they change", async () => {
    expect((await deliver({ tags: ["a"] }, { secrets: [OTHER, SECRET] })).status).toBe(200);
  });

  test("signed with the bytes of a secret that is no base64", async () => {
    const secret = `whsec_${Buffer.from("plain words").toString("base64")}`;
    expect((await deliver({ tags: ["a"] }, { to: "text", secrets: [secret] })).status).toBe(200);
  });

  test("in pieces, without a stated length, and in any UTF-8", async () => {
    const body = JSON.stringify({ tags: ["é", "日本"] });
    const { "webhook-id": id, ...rest } = signature(body, {});
    const bytes = Buffer.from(body);
    const got = await send(`${replica.url}/sync/o`, {
      headers: { "webhook-id": id!, ...rest },
      chunks: [bytes.subarray(0, 11), bytes.subarray(11)],
    });
    expect([got.status, got.body.tags]).toEqual([200, ["é", "日本"]]);
  });

  test("once: again, here or elsewhere, or signed anew, it does nothing", async () => {
    const id = newId();
    const body = JSON.stringify({ tags: ["a"] });
    const headers = signature(body, { id });
    const first = await send(`${replica.url}/sync/o`, { headers, body });
    expect([first.status, first.body.duplicate]).toEqual([200, undefined]);
    for (const url of replica.urls) {
      const again = await send(`${url}/sync/o`, { headers, body });
      expect([again.status, again.body]).toEqual([200, { ...first.body, duplicate: true }]);
    }
    const anew = await deliver({ tags: ["a"] }, { id, sent: 5 });
    expect(anew.body).toMatchObject({ seq: first.body.seq, duplicate: true });
  });

  test("once, also by a replica that was restarted in between", async () => {
    const state = await mkdtemp(path.join(tmpdir(), "replica-state-"));
    const body = JSON.stringify({ tags: ["a"] });
    const headers = signature(body, {});
    const given: unknown[] = [];
    try {
      for (let start = 0; start < 2; start++) {
        const own = await startReplica(config() as never, { vars, state });
        try {
          given.push((await send(`${own.url}/sync/o`, { headers, body })).body);
        } finally {
          await own.close();
        }
      }
    } finally {
      await rm(state, { recursive: true });
    }
    expect(given[1]).toEqual({ ...(given[0] as object), duplicate: true });
  });
});

describe("a delivery is refused", () => {
  test.each([
    ["without an id", { headers: { "webhook-id": null } }, "webhook_unsigned"],
    ["without a timestamp", { headers: { "webhook-timestamp": null } }, "webhook_unsigned"],
    ["without a signature", { headers: { "webhook-signature": null } }, "webhook_unsigned"],
    ["sent six minutes ago", { sent: -360 }, "webhook_stale"],
    ["sent in six minutes", { sent: 360 }, "webhook_stale"],
    ["signed by another", { secrets: [OTHER] }, "webhook_signature"],
    ["with another's id", { headers: { "webhook-id": "msg_another" } }, "webhook_signature"],
    ["signed in another version", { headers: { "webhook-signature": "v2,AAAA" } }, "webhook_signature"],
    [
      "with the operator's token instead",
      { secrets: [OTHER], headers: { authorization: "Bearer s3cret" } },
      "webhook_signature",
    ],
    ["from a page, even here", { headers: { origin: "http://localhost:3000" } }, "origin_not_allowed"],
    ["to a name that is not served", { headers: { host: "evil.test" } }, "host_not_served"],
  ] as [string, Hook, string][])("%s", async (_, hook, code) => {
    const before = (await deliver({ tags: ["a"] })).body.seq;
    const got = await deliver({ tags: ["a"] }, hook);
    expect([got.status, codeOf(got)]).toEqual([403, code]);
    expect(got.text).not.toContain(SECRET);
    // Nothing of it came to be.
    expect((await deliver({ tags: ["a"] })).body.seq).toBe(before + 1);
  });

  test("whose body is not the one that was signed", async () => {
    const headers = signature('{"tags":["a"]}', {});
    const got = await send(`${replica.url}/sync/o`, { headers, body: '{"tags":["b"]}' });
    expect([got.status, codeOf(got)]).toEqual([403, "webhook_signature"]);
  });

  test("at an origin without a webhook, at one whose secret is not set, at none: all alike", async () => {
    const told = new Set<string>();
    for (const to of ["plain", "broken", "elsewhere", "constructor"]) {
      const got = await deliver({ tags: ["a"] }, { to });
      expect([got.status, codeOf(got)]).toEqual([404, "webhook_not_configured"]);
      told.add(got.body.error.message);
    }
    expect(told.size).toBe(1);
  });

  test.each([
    ["of nothing", {}, "names no tag"],
    ["of nothing, at length", { tags: [], tools: [] }, "names no tag"],
    ["of what it does not know", { tools: ["t"], origin: "o" }, "origin"],
    ["of an empty name", { tags: [""] }, "tags.0: a name"],
    ["of a list that is none", { lists: ["roots"] }, "lists.0: one of tools, prompts, resources"],
    ["of more than a hundred things", { tags: Array(60).fill("a"), tools: Array(41).fill("b") }, "101"],
    ["that is a list", [], "the body"],
    ["that is no JSON", "{", "not JSON"],
  ])("%s, with what is wrong", async (_, what, words) => {
    const got = await deliver(what as object | string);
    expect([got.status, codeOf(got)]).toEqual([400, "bad_webhook"]);
    expect(got.body.error.message).toContain(words);
  });

  test("that is larger than 64 KB, stated or not, before its signature is looked at", async () => {
    const body = JSON.stringify({ tags: ["a".repeat(66_000)] });
    const stated = await deliver(body, { secrets: [OTHER] });
    expect([stated.status, codeOf(stated)]).toEqual([413, "body_too_large"]);
    const unstated = await send(`${replica.url}/sync/o`, { headers: signature(body, {}), chunks: [body] });
    expect([unstated.status, codeOf(unstated)]).toEqual([413, "body_too_large"]);
  });

  test("in another way than a POST", async () => {
    const got = await send(`${replica.url}/sync/o`, { method: "GET" });
    expect([got.status, got.headers["allow"]]).toEqual([405, "POST"]);
  });

  test("where too much has come that is not signed, from that address alone", async () => {
    const from = (address: string, secrets = [OTHER]) =>
      deliver({ tags: ["a"] }, { secrets, headers: { "cf-connecting-ip": address } });
    let refused: Got | undefined;
    for (let nth = 0; nth < 2_000 && refused?.status !== 429; nth++) refused = await from("192.0.2.1");
    expect([refused!.status, codeOf(refused!)]).toEqual([429, "rate_limited"]);
    expect(Number(refused!.headers["retry-after"])).toBeGreaterThan(0);
    expect((await from("192.0.2.2", [SECRET])).status).toBe(200);
  });

  test("where an origin says too much in a short time, however many isolates it says it to", async () => {
    const got: Got[] = [];
    for (let nth = 0; nth < 90 && got.at(-1)?.status !== 429; nth++) {
      got.push(await deliver({ tags: ["a"] }, { to: "busy", url: replica.urls[nth % 2]! }));
    }
    expect(got.length).toBeGreaterThan(60);
    expect([got.at(-1)!.status, codeOf(got.at(-1)!)]).toEqual([429, "rate_limited"]);
    expect(Number(got.at(-1)!.headers["retry-after"])).toBe(1);
    // The others are not in its way.
    expect((await deliver({ tags: ["a"] })).status).toBe(200);
  });
});
