import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createLocalJWKSet, decodeJwt, jwtVerify } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type BearerOrigin, startBearerOrigin } from "./support/bearerOrigin.ts";
import { Fixture, tool } from "./support/fixture.ts";
import { Issuer } from "./support/issuer.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { makeStateful } from "./support/stateful.ts";
import { TokenServer } from "./support/tokenServer.ts";
import { writtenIn } from "./support/writtenIn.ts";
import { call, codeOf, type Got, initialize, legacyCall, modern, said, send, until } from "./support/wire.ts";

const issuer = new Issuer();
/** Whose tokens name a tenant. */
const tenants = new Issuer();
const exchange = new TokenServer();
const stateful = new Fixture();
const redirecting = new Fixture();
const elsewhere = new Fixture();
let origin: BearerOrigin;
let state: string;
let replica: Replica;
const tokens: string[] = [];
const told: string[] = [];
const at = (id: string) => `${replica.url}/mcp/${id}`;
const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
/** Origins that are asked with the caller's own token, or with one for it. */
const PERSONAL = ["exchanged", "forwarded"];

beforeAll(async () => {
  await Promise.all([issuer, tenants, exchange, stateful, redirecting, elsewhere].map((one) => one.start()));
  state = await mkdtemp(path.join(tmpdir(), "personal-test-"));
  const verify = async (token: string) => {
    const { keys } = decodeJwt(token).iss === tenants.url ? tenants : issuer;
    return jwtVerify(token, createLocalJWKSet({ keys: keys.map(({ jwk }) => jwk) }), { audience: origin.url });
  };
  exchange.subjectOf = async (token) => {
    const { sub } = (await verify(token)).payload;
    if (sub === "mallory") throw new Error("nothing for this one");
    return `${sub} by exchange`;
  };
  origin = await startBearerOrigin(async (token) => {
    const grant = exchange.verify(token);
    if (grant) return { ...grant, expiresAt: Math.ceil(grant.expiresAt / 1_000) };
    const payload = await verify(token).then(
      ({ payload }) => payload,
      () => undefined,
    );
    return payload && { subject: payload.sub!, expiresAt: payload.exp!, resource: payload.aud as string };
  });
  stateful.tools = [tool("whoami")];
  makeStateful(stateful, {
    "tools/call": ({ headers }) => ({
      result: { content: [{ type: "text", text: String(decodeJwt(headers.authorization!.slice(7)).sub) }] },
    }),
  });
  const tools = {
    whoami: { cache: { ttl: "1h", staleIfError: "1h" } },
    shared: { cache: { ttl: "1h", scope: "public" } },
    "list_*": { cache: { ttl: "1h", scope: "public" } },
  } as const;
  const { tokenEndpoint, clientId } = exchange;
  const own = { url: origin.url, tools, lists: { defaultTtl: "1h" }, sync: { listen: "auto" } } as const;
  const forward = { forward: true, sameResource: true } as const;
  replica = await startReplica(
    {
      origins: {
        exchanged: { ...own, auth: { exchange: { tokenEndpoint, clientId, secret: "CLIENT_SECRET" } } },
        forwarded: { ...own, auth: forward },
        sessions: {
          url: stateful.url,
          modernize: "always",
          auth: forward,
          tools: { whoami: { cache: { ttl: "1h" } } },
        },
        redirecting: { url: redirecting.url, auth: forward },
        plain: { url: elsewhere.url },
      },
      access: {
        keys: true,
        jwt: [
          { issuer: issuer.url, jwks: issuer.jwks, audience: origin.url },
          {
            issuer: tenants.url,
            jwks: tenants.jwks,
            audience: origin.url,
            claims: { tenant: "tenant" },
            clockTolerance: "0s",
          },
        ],
        dev: { tokens: { "dev-ann": { subject: "ann" } } },
      },
    },
    { state, vars: { REPLICA_LOG: "json", KEY_PEPPER: PEPPER, CLIENT_SECRET: exchange.clientSecret } },
  );
});
beforeEach(() => {
  exchange.reset();
  origin.seen.length = 0;
  stateful.seen = [];
  redirecting.reset();
  elsewhere.seen = [];
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([issuer, tenants, exchange, stateful, redirecting, elsewhere].map((one) => one.stop()));
  await origin?.close();
  await rm(state, { recursive: true });
});

async function tokenOf(sub: string, aud = origin.url): Promise<string> {
  const token = await issuer.token(aud, { sub, jti: `${sub} ${tokens.length}` });
  tokens.push(token);
  return token;
}

/** A call with a token of a caller that nobody has seen yet. */
async function as(sub: string, id: string, name: string, args = {}): Promise<Got> {
  return ask(call(at(id), name, args, bearer(await tokenOf(sub))));
}

async function ask(asked: Promise<Got>): Promise<Got> {
  const got = await asked;
  told.push(JSON.stringify(got.headers), got.text);
  return got;
}

describe.each(PERSONAL)("an origin that is asked in the caller's name: %s", (id) => {
  test("answers each for themselves, and what is kept is theirs, also with a refreshed token", async () => {
    const [ann, bob] = [await as("ann", id, "whoami"), await as("bob", id, "whoami")];
    expect(said(ann)).toMatch(/^ann/);
    expect(said(bob)).toMatch(/^bob/);
    for (const [sub, first] of [
      ["ann", ann],
      ["bob", bob],
    ] as const) {
      const again = await as(sub, id, "whoami");
      expect([again.cache?.status, said(again)]).toEqual(["hit", said(first)]);
    }
  });

  test("is asked so for who has a tenant, and knows each in each", async () => {
    const by = async (sub: string, tenant: string) => {
      const token = await tenants.token(origin.url, { sub, tenant, jti: `${sub} ${tenant} ${tokens.length}` });
      tokens.push(token);
      return ask(call(at(id), "whoami", {}, bearer(token)));
    };
    const callers = [
      ["ann", "acme"],
      ["bob", "acme"],
      ["ann", "globex"],
    ] as const;
    for (const status of ["miss", "hit"]) {
      for (const [sub, tenant] of callers) {
        const got = await by(sub, tenant);
        expect([got.cache?.status, said(got)]).toEqual([status, expect.stringMatching(new RegExp(`^${sub}`))]);
      }
    }
  });

  test("is given nothing public but by its name, lists included", async () => {
    for (const sub of ["ann", "bob"]) {
      const listed = await ask(modern(at(id), "tools/list", {}, bearer(await tokenOf(sub))));
      expect([listed.cache?.status, listed.body.result.cacheScope]).toEqual(["miss", "private"]);
      expect(said(await as(sub, id, "list_of_mine"))).toMatch(new RegExp(`^${sub}`));
      expect((await as(sub, id, "list_of_mine")).cache?.status).toBe("hit");
    }
    const shared = await as("ann", id, "shared");
    expect(said(await as("bob", id, "shared"))).toBe(said(shared));
    const { keys } = await replica.store.list({ prefix: `e1/${id}/` });
    const open = keys.filter(({ name }) => name.includes("/public/")).map(({ name }) => name.split("/")[2]);
    expect(open).toEqual(["tools"]);
  });

  test("is not asked for callers who have no such token", async () => {
    const { key } = await makeKey(replica);
    for (const who of [bearer(key), bearer("dev-ann")]) {
      for (const got of [
        await ask(call(at(id), "shared", {}, who)),
        await ask(legacyCall(at(id), "plain", {}, who)),
        await ask(initialize(at(id), "2025-11-25", who)),
        await ask(send(at(id), { method: "DELETE", headers: { ...who.headers, "mcp-session-id": "s" } })),
      ]) {
        expect([got.status, codeOf(got)]).toEqual([401, "token_needed"]);
        expect(got.headers["www-authenticate"]).toContain(`resource_metadata="${replica.url}/.well-known/`);
      }
    }
    const warmed = await send(`${replica.url}/admin/warm`, {
      body: JSON.stringify({ origin: id, tool: "shared", arguments: [{ q: "warm" }] }),
    });
    expect(warmed.text).toContain("token_needed");
    expect(origin.seen).toEqual([]);
  });

  test("has no stream held open by nobody, and says why", async () => {
    const got = await send(`${replica.url}/admin/status?origin=${id}`, { method: "GET" });
    const status = JSON.parse(got.text);
    expect(status.origins[id].listen).toMatchObject({ state: "callers-only", covers: { lists: [], uris: 0 } });
    expect(status.origins[id].health.state).toBe("up");
    expect(origin.seen.filter(({ method }) => method === "subscriptions/listen" || method === "GET")).toEqual([]);
  });
});

test("who asks how the replica stands sends nobody's token anywhere, and hears that such origins are there", async () => {
  const { origins } = JSON.parse((await send(`${replica.url}/readyz`, { method: "GET" })).text);
  for (const id of PERSONAL) expect(origins[id].reachable).toBe(true);
  const probes = origin.seen.map(({ method, authorization, status }) => [method, authorization, status]);
  expect(probes).toEqual(PERSONAL.map(() => ["server/discover", undefined, 401]));
});

describe("tokens that are exchanged", () => {
  test("are asked for once for a principal, with its own token, and shown to the origin in its stead", async () => {
    const mine = await tokenOf("carol");
    const asks = Array.from({ length: 40 }, (_, n) => ask(call(at("exchanged"), "plain", { q: `${n}` }, bearer(mine))));
    for (const got of await Promise.all(asks)) expect(said(got)).toMatch(/^carol by exchange/);
    expect(exchange.seen.map(({ params }) => params)).toEqual([
      {
        grant_type: EXCHANGE,
        subject_token: mine,
        subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
        requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
        resource: origin.url,
      },
    ]);
    expect(said(await as("carol", "exchanged", "plain"))).toMatch(/^carol by exchange/);
    expect(exchange.seen).toHaveLength(1);
    for (const { authorization } of origin.seen) expect(tokens).not.toContain(authorization?.slice(7));
  });

  test("are good for no longer than what they were exchanged for", async () => {
    const by = async (exp: object) => {
      const token = await tenants.token(origin.url, { sub: "kim", tenant: "acme", ...exp });
      tokens.push(token);
      return ask(call(at("exchanged"), "plain", {}, bearer(token)));
    };
    expect(said(await by({ exp: Math.floor(Date.now() / 1_000) + 3 }))).toMatch(/^kim by exchange/);
    const seen = await until(
      async () => (await by({}), exchange.seen.length),
      (count) => count > 1,
    );
    expect(seen).toBe(2);
  });

  test("that were withdrawn are exchanged anew, once", async () => {
    await as("dave", "exchanged", "plain");
    exchange.revoke();
    expect(said(await as("dave", "exchanged", "plain"))).toMatch(/^dave by exchange/);
    expect(exchange.seen).toHaveLength(2);
    const made = origin.seen.filter(({ method, status }) => method === "tools/call" && status === 200);
    expect(made).toHaveLength(2);
  });

  test("that one caller is refused are that one's affair", async () => {
    const [refused, ann] = await Promise.all([
      as("mallory", "exchanged", "shared", { q: "m" }),
      as("ann", "exchanged", "shared", { q: "m" }),
    ]);
    expect([refused.status, codeOf(refused)]).toEqual([200, "origin_not_granted"]);
    expect(said(refused)).toContain(`the authorization server ${exchange.host} gives you no access (invalid_grant)`);
    expect(said(ann)).toMatch(/^ann by exchange/);
    // It may have what all may have, but nothing is asked for it, and it is not asked about again at once.
    expect(said(await as("mallory", "exchanged", "shared", { q: "m" }))).toBe(said(ann));
    expect(codeOf(await as("mallory", "exchanged", "plain"))).toBe("origin_not_granted");
    expect(exchange.seen.filter(({ params }) => decodeJwt(params["subject_token"]!).sub === "mallory")).toHaveLength(1);
  });

  test("cannot be had while the authorization server is down: what is kept stands in, for its own caller", async () => {
    const kept = await as("erin", "exchanged", "whoami");
    exchange.revoke();
    await exchange.stop();
    const headers = { ...bearer(await tokenOf("erin")).headers, "cache-control": "no-cache" };
    const stale = await ask(call(at("exchanged"), "whoami", {}, { headers }));
    expect([stale.cache?.status, said(stale)]).toEqual(["stale", said(kept)]);
    const frank = await as("frank", "exchanged", "whoami");
    expect([frank.status, codeOf(frank)]).toEqual([200, "origin_unavailable"]);
    expect(said(frank)).toContain(`the authorization server ${exchange.host} cannot be reached`);
    await exchange.start();
  });
});

describe("tokens that are sent on", () => {
  test("are the caller's own, as they came, and go to that origin alone", async () => {
    const mine = await tokenOf("grace");
    expect(said(await ask(call(at("forwarded"), "plain", {}, bearer(mine))))).toMatch(/^grace /);
    expect(said(await ask(legacyCall(at("forwarded"), "plain", {}, bearer(mine))))).toMatch(/^grace /);
    for (const { authorization, method } of origin.seen)
      expect([method, authorization]).toEqual([method, `Bearer ${mine}`]);
    await ask(call(at("plain"), "any", {}, bearer(mine)));
    expect(elsewhere.seen.length).toBeGreaterThan(0);
    for (const { headers, text } of elsewhere.seen) expect(JSON.stringify([headers, text])).not.toContain(mine);
  });

  test.each([301, 302, 303, 307, 308])(
    "are sent on to nowhere else, though the origin says so with a %i",
    async (status) => {
      const reply = { status, headers: { location: `${elsewhere.url}/there` }, text: "" };
      for (const method of ["tools/call", "server/discover", "initialize"]) redirecting.on(method, () => reply);
      const got = await as("grace", "redirecting", "any");
      expect([got.status, codeOf(got)]).toEqual([200, "origin_invalid"]);
      expect(redirecting.count("tools/call")).toBe(1);
      expect(elsewhere.seen.filter((seen) => seen.path !== "/mcp")).toEqual([]);
    },
  );

  test("for anything else are not sent on at all", async () => {
    for (const aud of [`${replica.url}/mcp/forwarded`, "https://elsewhere.example/mcp"]) {
      const got = await ask(call(at("forwarded"), "shared", {}, bearer(await tokenOf("ann", aud))));
      expect([got.status, codeOf(got)]).toEqual([401, "unauthorized"]);
    }
    expect(origin.seen).toEqual([]);
  });

  test("that the origin refuses are the caller's affair, and no outage", async () => {
    const token = await issuer.token(origin.url, { sub: "heidi" }, {});
    tokens.push(token);
    const keys = issuer.keys;
    await ask(call(at("forwarded"), "plain", {}, bearer(token)));
    issuer.keys = [];
    const got = await ask(call(at("forwarded"), "plain", {}, bearer(token)));
    issuer.keys = keys;
    expect([got.status, codeOf(got)]).toEqual([200, "origin_not_granted"]);
    expect(said(got)).toContain("HTTP 401");
  });

  test("open a session for each principal, which no other gets into", async () => {
    const callers = ["ann", "bob", "ann", "bob"];
    const got = await Promise.all(callers.map((sub, nth) => as(sub, "sessions", "whoami", { nth })));
    expect(got.map(said)).toEqual(callers);
    const subjects = new Map<string, Set<string>>();
    for (const { headers, method } of stateful.seen) {
      // What came in none, before it was known that the origin wants one, has not been executed.
      if (method !== "tools/call" || headers["mcp-session-id"] === undefined) continue;
      const subject = decodeJwt(headers.authorization!.slice(7)).sub!;
      const session = String(headers["mcp-session-id"]);
      subjects.set(session, (subjects.get(session) ?? new Set()).add(subject));
    }
    expect([...subjects.values()].map((one) => [...one]).toSorted()).toEqual([["ann"], ["bob"]]);
  });
});

test("no token is told to anybody else, logged or written down", async () => {
  const everything = [...told, ...replica.lines, await writtenIn(state)].join("\n");
  // What is looked through is what there is to look through.
  expect(["origin_not_granted", "pooled_session"].filter((word) => !everything.includes(word))).toEqual([]);
  expect(tokens.length).toBeGreaterThan(20);
  expect([...tokens, ...exchange.secrets].filter((secret) => everything.includes(secret))).toEqual([]);
});
