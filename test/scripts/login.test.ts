import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseEnv } from "node:util";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AuthorizationServer, startAuthorizationServer } from "../integration/support/authorizationServer.ts";
import { type BearerOrigin, startBearerOrigin } from "../integration/support/bearerOrigin.ts";
import { startReplica } from "../integration/support/replica.ts";
import { awaitCode } from "../../scripts/replica/awaitCode.ts";
import { call, said, send } from "../integration/support/wire.ts";
import { type Running, runScript, tempFolder } from "./runScript.ts";

let server: AuthorizationServer;
let origin: BearerOrigin;
const folder = tempFolder();
const secrets = path.join(folder, "vars");
const config = path.join(folder, "replica.config.mjs");

beforeAll(async () => {
  server = await startAuthorizationServer();
  const keys = createRemoteJWKSet(new URL(server.jwks));
  origin = await startBearerOrigin(
    async (token) => {
      const found = await jwtVerify(token, keys, { issuer: server.url }).catch(() => undefined);
      return (
        found && { subject: found.payload.sub!, expiresAt: found.payload.exp!, resource: String(found.payload.aud) }
      );
    },
    (url) => ({ resource: url, authorization_servers: [server.url], scopes_supported: ["mcp"] }),
  );
  const origins = {
    "my-catalog": { url: origin.url },
    named: { url: origin.url, auth: { login: { secret: "NAMED" } } },
    open: { url: `${server.url}/jwks` },
  };
  writeFileSync(config, `export default ${JSON.stringify({ origins, access: { open: true } })};`);
});
afterAll(async () => {
  await Promise.all([server?.close(), origin?.close()]);
});

function login(args: string[], env: Record<string, string> = {}): Running {
  const all = ["login", ...args, "--config", config, "--no-browser"];
  return runScript("scripts/replica/main.ts", args.includes("--remote") ? all : [...all, "--secrets", secrets], env);
}

/** Where a browser is to be sent. */
async function urlOf(running: Running): Promise<{ url: URL; redirect: string; state: string }> {
  const [, href = ""] = await running.line(/Log in here:\n {2}(http\S+)\n/);
  const { searchParams: asked } = new URL(href);
  return { url: new URL(href), redirect: asked.get("redirect_uri")!, state: asked.get("state")! };
}

/** Does what somebody's browser would, to the end. */
async function logIn(running: Running, person: string): Promise<void> {
  const { url, redirect } = await urlOf(running);
  const query = await server.logIn(url, person, redirect);
  expect((await fetch(`${redirect}?${query}`)).status).toBe(200);
}

describe("a login", () => {
  test("ends in a secret with which the replica calls the origin as who has logged in", async () => {
    writeFileSync(secrets, "OTHER=1\nMY_CATALOG_LOGIN='of old'\n# mine\nMY_CATALOG_LOGIN_TOO=2");
    chmodSync(secrets, 0o644);
    const running = login(["my-catalog"]);
    const { url } = await urlOf(running);
    expect(url.searchParams.get("code_challenge_method")).toBe("S256");
    expect(url.searchParams.get("resource")).toBe(origin.url);
    expect(url.searchParams.get("scope")).toBe("mcp offline_access");
    await logIn(running, "ann");
    expect(await running.ended, running.output()).toBe(0);
    expect(running.output()).toContain('auth: { login: { secret: "MY_CATALOG_LOGIN" } }');
    expect(statSync(secrets).mode & 0o777).toBe(0o600);
    const vars = parseEnv(readFileSync(secrets, "utf8")) as Record<string, string>;
    expect([vars["OTHER"], vars["MY_CATALOG_LOGIN_TOO"]]).toEqual(["1", "2"]);
    expect(readFileSync(secrets, "utf8")).toContain("\n# mine\n");
    const secret = JSON.parse(vars["MY_CATALOG_LOGIN"]!);
    expect(secret).toMatchObject({ tokenEndpoint: `${server.url}/token`, resource: origin.url });
    for (const text of [secret.refreshToken, secret.clientSecret]) expect(running.output()).not.toContain(text);

    const auth = { login: { secret: "MY_CATALOG_LOGIN" } };
    const replica = await startReplica({ origins: { o: { url: origin.url, auth } } }, { vars });
    try {
      expect(said(await call(replica.mcp, "plain"))).toMatch(/^ann /);
    } finally {
      await replica.close();
    }
  });

  test("goes into the secret that the configuration names, and on a deployed replica by no command line", async () => {
    const told = path.join(folder, "told");
    writeFileSync(path.join(folder, "wrangler"), `#!/bin/sh\necho "$@" > ${told}\ncat >> ${told}\n`, { mode: 0o755 });
    const running = login(["named", "--remote"], { PATH: `${folder}:${process.env["PATH"]}` });
    await logIn(running, "bob");
    expect(await running.ended, running.output()).toBe(0);
    const [words, secret = ""] = readFileSync(told, "utf8").split("\n");
    expect(words).toBe("secret put NAMED");
    expect(JSON.parse(secret)).toMatchObject({ resource: origin.url, refreshToken: expect.any(String) });
    expect(running.output()).not.toContain("Write into the configuration");
  });

  test("comes to nothing where another authorization server says that it sends the browser back", async () => {
    const before = readFileSync(secrets, "utf8");
    const running = login(["named"]);
    const { url, redirect } = await urlOf(running);
    const query = await server.logIn(url, "ann", redirect);
    query.set("iss", "https://evil.example");
    await fetch(`${redirect}?${query}`);
    expect(await running.ended).toBe(1);
    expect(running.output()).toMatch(/iss/i);
    expect(readFileSync(secrets, "utf8")).toBe(before);
  });

  test("is refused where there is nothing to log in to, or the secret is not there", async () => {
    const [open, unset] = [
      login(["open"]),
      login(["named", "--client-id", "c", "--client-secret-env", "NOBODY_SET_IT", "--issuer", server.url]),
    ];
    expect([await open.ended, await unset.ended]).toEqual([1, 2]);
    expect(open.output()).toContain("lets in whoever asks");
    expect(unset.output()).toContain("NOBODY_SET_IT is not set");
  });

  test("gives a client's secret to the authorization server that the operator names, and not to one that the origin does", async () => {
    const registered = ["named", "--client-id", "c", "--client-secret-env", "OF_CLIENT"];
    const env = { OF_CLIENT: "s3cret" };
    const [unsaid, other] = [login(registered, env), login([...registered, "--issuer", "https://as.example"], env)];
    expect([await unsaid.ended, await other.ended]).toEqual([2, 1]);
    expect(unsaid.output()).toContain("--client-secret-env takes --issuer with it");
    expect(other.output()).toContain("names another authorization server than --issuer");
    expect(other.output()).not.toContain("Log in here");
  });
});

describe("the way back from an authorization server", () => {
  test("is that of who was sent, once, and for nobody else", async () => {
    const { redirectUrl, returned, close } = await awaitCode();
    const get = (query: string, more: object = {}) => send(`${redirectUrl}?${query}`, { method: "GET", ...more });
    const back = returned("s1", 60_000);
    for (const one of [
      get("code=stolen&state=s2"),
      get("code=stolen"),
      get("code=stolen&state=s1", { method: "POST" }),
      get("code=stolen&state=s1", { headers: { host: "evil.example" } }),
      send(`${new URL(redirectUrl).origin}/elsewhere?code=stolen&state=s1`, { method: "GET" }),
    ]) {
      expect((await one).status).toBe(400);
    }
    expect((await get("code=c&state=s1&iss=i")).status).toBe(200);
    expect(await back).toEqual({ code: "c", iss: "i" });
    expect((await get("code=again&state=s1")).status).toBe(400);
    const refused = expect(returned("s3", 60_000)).rejects.toThrow("has refused: access_denied");
    await get("error=access_denied&state=s3");
    await refused;
    await expect(returned("s4", 1)).rejects.toThrow("Nobody has logged in in time");
    close();
  });
});
