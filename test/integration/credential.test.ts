import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OriginConfig } from "../../src/config/types.ts";
import { type BearerOrigin, startBearerOrigin } from "./support/bearerOrigin.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { TokenServer, type Trouble } from "./support/tokenServer.ts";
import { writtenIn } from "./support/writtenIn.ts";
import { call, codeOf, type Got, legacyCall, modern, said, send, until } from "./support/wire.ts";

const issuer = new TokenServer();
let origin: BearerOrigin;
let state: string;
let login: string;
let replica: Replica;
const told: string[] = [];
const lines: string[] = [];
const at = (id: string) => `${replica.url}/mcp/${id}`;

/** Each is an origin of its own, which knows no token of another. */
const NAMES = ["first", "many", "withdrawn", "down", ...Array.from({ length: 11 }, (_, n) => `odd-${n}`)];
const CC = "client_credentials";
const REFRESH = "refresh_token";

beforeAll(async () => {
  await issuer.start();
  state = await mkdtemp(path.join(tmpdir(), "credential-test-"));
  origin = await startBearerOrigin((token) => {
    const grant = issuer.verify(token);
    return grant && { ...grant, expiresAt: Math.ceil(grant.expiresAt / 1_000) };
  });
  login = issuer.login(origin.url);
  replica = await start();
});
beforeEach(() => {
  issuer.reset();
  origin.seen.length = 0;
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([issuer.stop(), origin?.close()]);
  await rm(state, { recursive: true });
});

function start(secrets: Record<string, string> = {}): Promise<Replica> {
  const { tokenEndpoint, clientId, clientSecret } = issuer;
  const client = { tokenEndpoint, clientId, secret: "CLIENT_SECRET" };
  const withAuth = (auth: OriginConfig["auth"]): OriginConfig => ({
    url: origin.url,
    tools: { whoami: { cache: { ttl: "1h" } }, shared: { cache: { ttl: "0s", staleIfError: "1h" } } },
    auth: auth!,
  });
  const own = NAMES.map((name) => [name, withAuth({ clientCredentials: { ...client, scope: name } })]);
  const unlike = { tokenEndpoint: "https://169.254.169.254/token", clientId: "c", refreshToken: "r3fresh-me" };
  return startReplica(
    {
      origins: {
        ...(Object.fromEntries(own) as Record<string, OriginConfig>),
        heard: {
          ...withAuth({ clientCredentials: { ...client, scope: "heard" } }),
          sync: { listen: "auto", pulse: "250ms" },
        },
        login: withAuth({ login: { secret: "LOGIN" } }),
        elsewhere: withAuth({ clientCredentials: { ...client, resource: "https://elsewhere.example/mcp" } }),
        unset: withAuth({ clientCredentials: { ...client, secret: "NOT_SET" } }),
        unlike: withAuth({ login: { secret: "UNLIKE" } }),
        mistaken: withAuth({ clientCredentials: { ...client, secret: "MISTAKEN" } }),
      },
    },
    {
      state,
      vars: {
        CLIENT_SECRET: clientSecret,
        MISTAKEN: "s3cret-of-another",
        LOGIN: login,
        UNLIKE: JSON.stringify(unlike),
        REPLICA_LOG: "json",
        ...secrets,
      },
    },
  );
}

async function restart(secrets: Record<string, string> = {}): Promise<void> {
  lines.push(...replica.lines);
  await replica.close();
  replica = await start(secrets);
}

/** Remembers what callers were told, to look through it for secrets at the end. */
async function ask(asked: Promise<Got>): Promise<Got> {
  const got = await asked;
  told.push(JSON.stringify(got.headers), got.text);
  return got;
}

/** How many requests with a method the origin has taken. */
function executed(method: string): number {
  return origin.seen.filter((one) => one.status === 200 && one.method === method).length;
}

describe("a token of the replica's own", () => {
  test("is got when it is needed, for the origin alone, and serves all callers", async () => {
    expect(said(await ask(call(at("first"), "plain")))).toMatch(/^the replica/);
    expect(said(await ask(legacyCall(at("first"), "plain")))).toMatch(/^the replica/);
    expect(said(await ask(call(at("first"), "whoami")))).toMatch(/^the replica/);
    expect((await ask(modern(at("first"), "tools/list"))).body.result.tools).toHaveLength(4);
    expect(issuer.seen.map(({ params }) => params)).toEqual([{ grant_type: CC, scope: "first", resource: origin.url }]);
    expect(new Set(origin.seen.map(({ authorization }) => authorization)).size).toBe(1);
  });

  test("is asked for once, however many want it", async () => {
    const asks = Array.from({ length: 100 }, (_, n) => ask(call(at("many"), "plain", { q: `${n}` })));
    for (const got of await Promise.all(asks)) expect(said(got)).toMatch(/^the replica/);
    expect(issuer.count(CC)).toBe(1);
  });

  test("that was withdrawn is replaced once for all who meet with it, and each call is made once", async () => {
    await ask(call(at("withdrawn"), "plain"));
    issuer.revoke();
    const asks = Array.from({ length: 30 }, (_, n) => ask(call(at("withdrawn"), "plain", { q: `${n}` })));
    for (const got of await Promise.all(asks)) expect(said(got)).toMatch(/^the replica/);
    expect(issuer.count(CC)).toBe(2);
    expect(executed("tools/call")).toBe(31);
  });

  test("is what the replica listens with, too", async () => {
    const status = await until(
      async () => {
        await ask(call(at("heard"), "plain"));
        const got = await send(`${replica.url}/admin/status?origin=heard`, { method: "GET" });
        return JSON.parse(got.text).origins.heard.listen?.state;
      },
      (state) => state === "listening",
    );
    expect(status).toBe("listening");
    expect(executed("subscriptions/listen")).toBe(1);
    expect(issuer.count(CC)).toBe(1);
  });

  test("that the origin will not have is not asked for again and again", async () => {
    for (let n = 0; n < 5; n++) {
      const got = await ask(call(at("elsewhere"), "plain", { q: `${n}` }));
      expect([got.status, codeOf(got)]).toEqual([200, "origin_refused"]);
    }
    expect(issuer.count(CC)).toBe(2);
    // The first call was tried once more, with another token; none more often than that.
    expect(origin.seen.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 401]);
    expect(new Set(origin.seen.map(({ authorization }) => authorization)).size).toBe(2);
  });
});

describe("an authorization server", () => {
  test("that is down is named, and left alone for a while; what is stored stands in", async () => {
    await issuer.stop();
    const got = await ask(call(at("down"), "plain"));
    expect([got.status, codeOf(got)]).toEqual([200, "origin_unavailable"]);
    expect(said(got)).toContain(`the authorization server ${issuer.host} cannot be reached`);
    expect(got.body.result._meta["edge-replica/error"].retryAfterMs).toBeGreaterThan(0);
    await issuer.start();
    const served = await until(
      () => ask(call(at("down"), "shared")),
      (one) => codeOf(one) === undefined,
    );
    expect(served.cache?.status).toBe("miss");
    issuer.revoke();
    await issuer.stop();
    const outage = await ask(call(at("down"), "shared"));
    expect([outage.cache?.status, said(outage)]).toEqual(["stale", said(served)]);
    expect(codeOf(await ask(call(at("down"), "plain")))).toBe("origin_unavailable");
    expect(executed("tools/call")).toBe(1);
    await issuer.start();
  });

  const TROUBLES: [how: string, code: string, trouble: Trouble][] = [
    ["sends elsewhere", "origin_unavailable", (to) => to.writeHead(307, { location: `http://${issuer.host}/x` }).end()],
    ["is not well", "origin_unavailable", (to) => to.writeHead(503, { "retry-after": "2" }).end("s3cret")],
    ["wants a day", "origin_unavailable", (to) => to.writeHead(503, { "retry-after": "86400" }).end()],
    ["has no room", "origin_unavailable", (to) => to.writeHead(429).end('{"error":"slow_down"}')],
    ["says what is no JSON", "origin_unavailable", (to) => to.end("<html>s3cret")],
    ["does not end", "origin_unavailable", (to) => void to.write(Buffer.alloc(1_000_000, "x"))],
    ["gives another kind of token", "origin_unavailable", give({ access_token: "s3cret", token_type: "mac" })],
    ["gives none", "origin_unavailable", give({ token_type: "Bearer", expires_in: 60 })],
    ["gives one with a line break", "origin_unavailable", give({ access_token: "a\r\nx: y", token_type: "Bearer" })],
    ["refuses the replica", "misconfigured", refuse("invalid_client", "s3cret")],
    ["refuses in words of its own", "origin_unavailable", refuse("<b>s3cret</b>", "s3cret")],
  ];
  let nth = 0;
  test.each(TROUBLES)("that %s is told of without its words, as %s", async (_, code, trouble) => {
    issuer.trouble = trouble;
    const got = await ask(call(at(`odd-${nth++}`), "plain"));
    expect([got.status, codeOf(got)]).toEqual([200, code]);
    expect(said(got)).toContain(issuer.host);
    expect(got.text).not.toContain("s3cret");
    // Nobody waits longer than a minute for it.
    const { retryAfterMs = 0 } = got.body.result._meta["edge-replica/error"];
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
    expect(origin.seen).toEqual([]);
    expect(issuer.seen).toHaveLength(1);
  });

  test("that does not know the secret is a clear error, and so is a secret that is not there, or says something else", async () => {
    expect(said(await ask(call(at("mistaken"), "plain")))).toContain("refuses the replica (invalid_client)");
    expect(said(await ask(call(at("unset"), "plain")))).toContain("the secret NOT_SET is not set");
    const unlike = await ask(call(at("unlike"), "plain"));
    expect([codeOf(unlike), said(unlike)]).toEqual(["misconfigured", expect.stringContaining("UNLIKE")]);
    expect(issuer.seen).toHaveLength(1);
    expect(origin.seen).toEqual([]);
  });
});

describe("a login", () => {
  test("is renewed with each refresh token once, also over a restart, and a newly set secret wins", async () => {
    expect(said(await ask(call(at("login"), "plain")))).toMatch(/^who logged in/);
    const [first] = issuer.seen.map(({ params }) => params);
    expect(first).toEqual({ grant_type: REFRESH, refresh_token: JSON.parse(login).refreshToken, resource: origin.url });
    issuer.revoke();
    expect(said(await ask(call(at("login"), "plain")))).toMatch(/^who logged in/);
    await restart();
    // What is kept is good still: nobody has to be asked.
    expect(said(await ask(call(at("login"), "plain")))).toMatch(/^who logged in/);
    expect(issuer.count(REFRESH)).toBe(2);
    issuer.revoke();
    expect(said(await ask(call(at("login"), "plain")))).toMatch(/^who logged in/);
    const used = issuer.seen.map(({ params }) => params["refresh_token"]);
    expect(new Set(used).size).toBe(3);
    login = issuer.login(origin.url);
    issuer.revoke();
    await restart();
    expect(said(await ask(call(at("login"), "plain")))).toMatch(/^who logged in/);
    expect(issuer.seen.at(-1)!.params["refresh_token"]).toBe(JSON.parse(login).refreshToken);
  });

  test("that has ended says what to do", async () => {
    issuer.login(origin.url);
    issuer.revoke();
    const got = await ask(call(at("login"), "plain"));
    expect(codeOf(got)).toBe("misconfigured");
    expect(said(got)).toContain("refuses the replica (invalid_grant): it may be that npm run replica -- login");
  });
});

test("no token and no secret is told to anybody, logged or written down", async () => {
  const everything = [...told, ...lines, ...replica.lines, await writtenIn(state)].join("\n");
  expect(everything.includes("misconfigured")).toBe(true);
  expect(issuer.secrets.length).toBeGreaterThan(10);
  expect(issuer.secrets.filter((secret) => everything.includes(secret))).toEqual([]);
});

function give(answer: object): Trouble {
  return (to) => to.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
}

function refuse(error: string, description: string): Trouble {
  const body = JSON.stringify({ error, error_description: description });
  return (to) => to.writeHead(401, { "content-type": "application/json" }).end(body);
}
