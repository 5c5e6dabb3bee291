import { createHmac } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, tool } from "./support/fixture.ts";
import { Issuer, type SigningKey, signingKey } from "./support/issuer.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { left, Scripted, SSE_TYPE } from "./support/scripted.ts";
import { call, codeOf, type Got, initialize, legacyCall, modern, said, send } from "./support/wire.ts";

const HOST = "replica.example.com";
const METADATA = "/.well-known/oauth-protected-resource";
const origin = new Fixture();
const issuer = new Issuer();
const evil = new Issuer();
const stateful = new Scripted({ opensSessions: true });
let strangers: SigningKey;
let replica: Replica;

beforeAll(async () => {
  await Promise.all([origin.start(), issuer.start(), evil.start(), stateful.start()]);
  strangers = await signingKey("k1");
  origin.tools = [tool("mine"), tool("ours")];
  const tools = { mine: { cache: { ttl: "10m" } }, ours: { cache: { ttl: "10m", scope: "public" } } };
  const access = {
    keys: true,
    jwt: { issuer: issuer.url, jwks: issuer.jwks, scopes: ["mcp"] },
    dev: { tokens: { "dev-ann": { subject: "ann", scopes: ["mcp"] } } },
  };
  const origins = {
    a: { url: origin.url, tools, default: true },
    b: { url: origin.url, tools },
    s: { url: stateful.url },
  };
  const vars = { REPLICA_LOG: "json", KEY_PEPPER: PEPPER };
  replica = await startReplica({ origins, access, hosts: [HOST] } as never, { vars, instances: 3 });
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await replica?.close();
  await Promise.all([origin.stop(), issuer.stop(), evil.stop(), stateful.stop()]);
});

/** A good token for `/mcp`, but for what the test changes. */
const token = (claims?: object, header?: object, key?: SigningKey) => issuer.token(replica.mcp, claims, header, key);
const ask = (sent: string, url = replica.mcp) => call(url, "ours", {}, bearer(sent));
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const sentOn = () => JSON.stringify(origin.seen);

/** Each is refused alike, whatever is wrong with it, and the origin hears nothing of it. */
async function refused(tokens: (string | Promise<string>)[]): Promise<void> {
  for (const sent of await Promise.all(tokens)) {
    const got = await ask(sent);
    expect([sent, got.status, codeOf(got), got.cache]).toEqual([sent, 401, "unauthorized", undefined]);
    expect(got.headers["www-authenticate"]).toMatch(/^Bearer error="invalid_token", /);
    expect(got.body.error.message).toBe(
      "A valid API key or access token is needed: send it as Authorization: Bearer <key or token>.",
    );
  }
  expect(origin.seen).toEqual([]);
}

describe("a caller with a token", () => {
  test("is let in from anywhere, in every era, and known again without the issuer", async () => {
    const mine = await token();
    expect(said(await ask(mine))).toContain("ours");
    expect((await legacyCall(replica.mcp, "ours", {}, bearer(mine))).cache?.status).toBe("hit");
    const aud = `https://${HOST}/mcp`;
    const headers = { authorization: `bearer ${await issuer.token(aud)}`, host: HOST };
    expect((await call(replica.mcp, "ours", {}, { headers })).cache?.status).toBe("hit");
    expect((await initialize(replica.mcp, "2025-11-25", bearer(mine))).status).toBe(200);
    expect(issuer.asked.filter((path) => path === "/jwks")).toHaveLength(1);
  });

  test("whose token was refreshed finds what is kept for them, and nobody else does", async () => {
    const first = await call(replica.mcp, "mine", {}, bearer(await token()));
    const refreshed = await token({ jti: "another", iat: Math.floor(Date.now() / 1_000) - 5 });
    const again = await call(replica.mcp, "mine", {}, bearer(refreshed));
    expect([said(again), again.cache?.status]).toEqual([said(first), "hit"]);
    const others = [
      token({ sub: "bob" }),
      token({ scope: "mcp more" }),
      issuer.token(`${replica.url}/mcp/a`, { sub: "ann2" }),
    ];
    const [bob, more, elsewhere] = await Promise.all(others);
    for (const [url, sent] of [
      [replica.mcp, bob],
      [replica.mcp, more],
      [`${replica.url}/mcp/a`, elsewhere],
      [replica.mcp, "dev-ann"],
      [replica.mcp, (await makeKey(replica)).key],
    ] as const) {
      const got = await call(url, "mine", {}, bearer(sent!));
      expect([got.status, got.cache?.status]).toEqual([200, "miss"]);
      expect(said(got)).not.toBe(said(first));
    }
  });

  test("does not have it sent on, nor logged", async () => {
    const mine = await token({ sub: "ann-of-the-log" });
    await call(replica.mcp, "mine", { q: 1 }, bearer(mine));
    await ask(`${mine}x`);
    await expect.poll(() => replica.lines.join("\n")).toContain("not-let-in");
    for (const part of mine.split(".")) {
      expect(sentOn()).not.toContain(part);
      expect(replica.lines.join("\n")).not.toContain(part);
    }
    const told = replica.lines.filter((line) => line.includes("not-let-in")).map((line) => JSON.parse(line));
    expect(told.at(-1)).toEqual({ type: "not-let-in", reason: "token: malformed", correlationId: expect.any(String) });
  });

  test("that was granted more goes on with its session, in which nobody else does", async () => {
    const url = `${replica.url}/mcp/s`;
    const sent = async (claims: object) => bearer(await issuer.token(url, claims));
    const { headers } = await initialize(url, "2025-11-25", await sent({}));
    const inSession = (who: { headers: Record<string, string> }) =>
      legacyCall(url, "any", {}, { headers: { ...who.headers, "mcp-session-id": headers["mcp-session-id"]! } });
    expect((await inSession(await sent({ scope: "mcp more" }))).status).toBe(200);
    for (const claims of [{ sub: "bob" }, { sub: "bob", scope: "mcp more" }])
      expect((await inSession(await sent(claims))).status).toBe(404);
  });

  test("that lapses listens no longer in a session, at the replica and at the origin", async () => {
    const url = `${replica.url}/mcp/s`;
    let gone: Promise<void> | undefined;
    stateful.on("GET", (_, response) => {
      gone = left(response);
      response.writeHead(200, SSE_TYPE).write(": open\n\n");
    });
    // Clocks may differ by half a minute, so that is how long it is good beyond its end.
    const exp = Math.floor(Date.now() / 1_000) - 25;
    const authorization = `Bearer ${await issuer.token(url, { exp })}`;
    const { headers } = await initialize(url, "2025-11-25", { headers: { authorization } });
    const session = { "mcp-session-id": headers["mcp-session-id"]!, "mcp-protocol-version": "2025-11-25" };
    const listening = await fetch(url, { headers: { authorization, accept: "text/event-stream", ...session } });
    expect(listening.status).toBe(200);
    expect(await listening.text()).toBe(": open\n\n");
    await gone;
    expect((await call(url, "x", {}, { headers: { authorization } })).status).toBe(401);
  });

  test("that was granted too little is told what to ask for", async () => {
    const got = await ask(await token({ scope: "other" }));
    expect([got.status, codeOf(got)]).toEqual([403, "insufficient_scope"]);
    expect(got.headers["www-authenticate"]).toBe(
      `Bearer error="insufficient_scope", scope="mcp", resource_metadata="${replica.url}${METADATA}/mcp"`,
    );
    expect(origin.seen).toEqual([]);
  });
});

describe("nobody is let in by", () => {
  test("a token that says it is not signed: none, None, nOnE", async () => {
    const [, payload] = (await token()).split(".");
    const ofAlg = (alg: string) => `${base64url({ alg, typ: "at+jwt", kid: "k1" })}.${payload}`;
    await refused(["none", "None", "nOnE", "NONE"].flatMap((alg) => [`${ofAlg(alg)}.`, `${ofAlg(alg)}.AA`]));
  });

  test("a token signed with the issuer's public key as a secret", async () => {
    const { pem, jwk } = issuer.keys[0]!;
    const [, payload] = (await token()).split(".");
    const input = `${base64url({ alg: "HS256", typ: "at+jwt", kid: "k1" })}.${payload}`;
    const by = (secret: string) => `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
    await refused([by(pem), by(pem.trim()), by(JSON.stringify(jwk)), by(jwk.n!)]);
  });

  test("a token that brings its key along, or says where it is: jwk, jku, x5u, x5c, kid", async () => {
    evil.keys = [strangers];
    const by = (header: object) => token({}, header, strangers);
    const kids = ["../../../dev/null", "' UNION SELECT 'k1", evil.jwks, "__proto__", "k1;cat /etc/passwd"];
    await refused([
      by({}),
      by({ jwk: strangers.jwk }),
      by({ jku: evil.jwks }),
      by({ x5u: evil.jwks }),
      by({ x5c: ["AAAA"] }),
      ...kids.map((kid) => by({ kid })),
      by({ kid: evil.jwks, jku: evil.jwks, jwk: strangers.jwk }),
    ]);
    expect(evil.asked).toEqual([]);
  });

  test("a token of another issuer, or of none", async () => {
    await refused([
      token({ iss: evil.url }),
      token({ iss: `${issuer.url}/` }),
      token({ iss: undefined }),
      token({ iss: [issuer.url] }),
    ]);
    expect(evil.asked).toEqual([]);
  });

  test("a token for somebody else, or for nobody", async () => {
    await refused([
      token({ aud: "https://other.example.com/mcp" }),
      token({ aud: undefined }),
      token({ aud: [] }),
      token({ aud: replica.url }),
      token({ aud: `${replica.mcp}?x=1` }),
      token({ aud: `https://${HOST}/mcp` }),
      token({ sub: undefined }),
    ]);
  });

  test("a token for another endpoint of the same replica", async () => {
    const [a, b] = [`${replica.url}/mcp/a`, `${replica.url}/mcp/b`];
    const forA = await issuer.token(a);
    expect((await ask(forA, a)).status).toBe(200);
    origin.reset();
    for (const url of [b, replica.mcp, `${replica.url}/mcp/%61`]) {
      const got = await ask(forA, url);
      expect([url, got.status, codeOf(got)]).toEqual([url, 401, "unauthorized"]);
    }
    const headers = { authorization: `Bearer ${forA}`, host: HOST };
    expect((await call(a, "ours", {}, { headers })).status).toBe(401);
    await refused([forA]);
  });

  test("a token that has lapsed, never does, or is not good yet", async () => {
    const now = Math.floor(Date.now() / 1_000);
    await refused([
      token({ exp: now - 60 }),
      token({ exp: undefined }),
      token({ exp: String(now + 600) }),
      token({ nbf: now + 600 }),
      token({ iat: now + 600 }),
    ]);
  });

  test("an ID token, or one that asks to be understood otherwise", async () => {
    await refused([
      token({}, { typ: "JWT" }),
      token({}, { typ: undefined }),
      token({}, { crit: ["x"], x: 1 }),
      token({}, { b64: true, crit: ["b64"] }),
    ]);
  });

  test("another spelling of a good token", async () => {
    const good = await token({ jti: "spelled" });
    expect((await ask(good)).status).toBe(200);
    origin.reset();
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const bits = good.slice(0, -1) + alphabet[alphabet.indexOf(good.at(-1)!) + 1];
    expect(Buffer.from(bits.split(".")[2]!, "base64url")).toEqual(Buffer.from(good.split(".")[2]!, "base64url"));
    const [header, payload, signature] = good.split(".");
    await refused([
      bits,
      `${good}==`,
      `${good}.`,
      `.${good}`,
      `${good}%3D`,
      good.slice(0, -1),
      `${header}..${payload}.${signature}`,
      `${header}.${payload}.`,
      `${header}.${payload}`,
      `${header}.${payload}.${signature}.${signature}`,
      `${good},${good}`,
    ]);
    const forms = [`Bearer ${good} ${good}`, `Bearer ${good}, Bearer ${good}`, good, `Basic ${good}`, `DPoP ${good}`];
    for (const authorization of forms) {
      const got = await call(replica.mcp, "ours", {}, { headers: { authorization } });
      expect([authorization, got.status]).toEqual([authorization, 401]);
    }
    expect((await ask("x", `${replica.mcp}?access_token=${good}`)).status).toBe(401);
  });

  test("a token that is huge, or nests deeply", async () => {
    const deep = Buffer.from(`{"iss":"${issuer.url}","a":${"[".repeat(4_000)}${"]".repeat(4_000)}}`);
    await refused([
      token({ x: "x".repeat(9_000) }),
      `${base64url({ alg: "RS256" })}.${deep.toString("base64url")}.AA`,
      `${"A".repeat(6_000)}.AA.AA`,
    ]);
  });
});

describe("the issuer's keys", () => {
  test("are not asked for by made-up names, however many there are", async () => {
    const before = issuer.asked.length;
    const floods = await Promise.all(Array.from({ length: 40 }, (_, nth) => token({}, { kid: `made-up-${nth}` })));
    const got = await Promise.all(floods.map((sent) => ask(sent)));
    expect(new Set(got.map(({ status }) => status))).toEqual(new Set([401]));
    expect(issuer.asked.length - before).toBeLessThanOrEqual(1);
  });

  test("may change: new ones are taken at once where they are met, and old ones no more", async () => {
    const [, second, third] = replica.urls.map((url) => `${url}/mcp`);
    const [old] = issuer.keys;
    // What the first isolate was told is kept for the others.
    await ask(await token());
    await expect.poll(async () => (await replica.store.list({ prefix: "jwks/" })).keys.length).toBe(1);
    const before = issuer.asked.length;
    expect((await ask(await issuer.token(second!), second)).status).toBe(200);
    expect(issuer.asked.length).toBe(before);
    issuer.keys = [await signingKey("k2")];
    expect((await ask(await issuer.token(second!), second)).status).toBe(200);
    expect((await ask(await issuer.token(second!, { jti: "new" }, {}, old), second)).status).toBe(401);
    expect(issuer.asked.length).toBe(before + 1);
    // An isolate that begins while the issuer is down knows what the others were told.
    await expect.poll(async () => JSON.stringify(await kept())).toContain("k2");
    await issuer.stop();
    expect((await ask(await issuer.token(third!), third)).status).toBe(200);
  });

  const kept = async () => {
    const [{ name } = { name: "" }] = (await replica.store.list({ prefix: "jwks/" })).keys;
    return replica.store.get(name);
  };
});

describe("where tokens are to be had", () => {
  const get = (path: string, headers: Record<string, string> = {}) =>
    send(`${replica.url}${path}`, { method: "GET", headers });

  test("is said to who comes without one, and to who comes with a bad one", async () => {
    const challenge = (got: Got) => [got.status, got.headers["www-authenticate"]];
    const metadata = (base: string, path: string) => `resource_metadata="${base}${METADATA}${path}"`;
    expect(challenge(await call(replica.mcp, "ours"))).toEqual([
      401,
      `Bearer scope="mcp", ${metadata(replica.url, "/mcp")}`,
    ]);
    expect(challenge(await modern(`${replica.url}/mcp/nothing`, "server/discover"))).toEqual([
      401,
      `Bearer scope="mcp", ${metadata(replica.url, "/mcp/nothing")}`,
    ]);
    const headers = { host: HOST, authorization: "Bearer x" };
    expect(challenge(await call(replica.mcp, "ours", {}, { headers }))).toEqual([
      401,
      `Bearer error="invalid_token", scope="mcp", ${metadata(`https://${HOST}`, "/mcp")}`,
    ]);
  });

  test("is said of each endpoint under its own name, and alike of one that is none", async () => {
    for (const [path, resource] of [
      [METADATA, "/mcp"],
      [`${METADATA}/mcp`, "/mcp"],
      [`${METADATA}/mcp/a`, "/mcp/a"],
      [`${METADATA}/mcp/nothing`, "/mcp/nothing"],
    ] as const) {
      const got = await get(path);
      expect([got.status, got.headers["content-type"], got.headers["cache-control"]]).toEqual([
        200,
        "application/json",
        "public, max-age=300",
      ]);
      expect(got.body).toEqual({
        resource: replica.url + resource,
        authorization_servers: [issuer.url],
        scopes_supported: ["mcp"],
        bearer_methods_supported: ["header"],
      });
    }
    expect((await get(`${METADATA}/mcp/a`, { host: HOST })).body.resource).toBe(`https://${HOST}/mcp/a`);
    for (const path of ["/admin", "/mcp/A", "/mcp/a/b", `/mcp/${"a".repeat(41)}`, '/mcp/"'])
      expect([path, (await get(METADATA + path)).status]).toEqual([path, 404]);
    const posted = await send(`${replica.url}${METADATA}/mcp`, { method: "POST", body: "{}" });
    expect([posted.status, codeOf(posted), posted.headers["allow"]]).toEqual([405, "method_not_allowed", "GET"]);
  });

  test("is said under served names only, and to pages that are served", async () => {
    const path = `${METADATA}/mcp`;
    expect(codeOf(await get(path, { host: "evil.example.com" }))).toBe("host_not_served");
    expect(codeOf(await get(path, { origin: "https://evil.example.com" }))).toBe("origin_not_allowed");
    const page = `https://${HOST}`;
    const shown = await get(path, { origin: page });
    expect([shown.status, shown.headers["access-control-allow-origin"], shown.headers["vary"]]).toEqual([
      200,
      page,
      "Origin",
    ]);
    const headers = {
      origin: page,
      "access-control-request-method": "GET",
      "access-control-request-headers": "mcp-protocol-version",
    };
    const preflight = await send(`${replica.url}${path}`, { method: "OPTIONS", headers });
    expect([preflight.status, preflight.headers["access-control-allow-headers"]]).toEqual([
      204,
      expect.stringContaining("mcp-protocol-version"),
    ]);
  });
});

test("a development token is good on loopback, and nowhere else", async () => {
  expect((await ask("dev-ann")).status).toBe(200);
  const elsewhere: Record<string, string>[] = [
    { host: HOST },
    { "cf-connecting-ip": "203.0.113.9" },
    { host: "localhost", "cf-connecting-ip": "::2" },
  ];
  for (const more of elsewhere) {
    const got = await call(replica.mcp, "ours", {}, { headers: { authorization: "Bearer dev-ann", ...more } });
    expect([more, got.status, codeOf(got), got.cache]).toEqual([more, 401, "unauthorized", undefined]);
  }
  await expect.poll(() => replica.lines.join("\n")).toContain("a development token, but not on loopback");
  expect(replica.lines.join("\n")).not.toContain("dev-ann");
});
