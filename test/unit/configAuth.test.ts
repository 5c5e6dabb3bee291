import { describe, expect, test } from "vitest";
import { ConfigError, type ConfigProblem } from "../../src/config/ConfigError.ts";
import { impersonal } from "../../src/config/originAuth.ts";
import { policyOf } from "../../src/config/policy.ts";
import type { Origin } from "../../src/config/replica.ts";
import { resolve } from "../../src/config/resolve.ts";

const URL_OK = "https://mcp.example.com/mcp";
const CLIENT = { tokenEndpoint: "https://auth.example.com/token", clientId: "c", secret: "CLIENT_SECRET" };
const JWT = { jwt: { issuer: "https://auth.example.com", jwks: "https://auth.example.com/jwks" } };

function file(auth: unknown, more: object = {}, access: object = JWT): object {
  return { origins: { o: { url: URL_OK, auth, ...more } }, access };
}

function originOf(auth: unknown, more: object = {}): Origin {
  return resolve(file(auth, more)).origins.get("o")!;
}

function problemsOf(config: object): ConfigProblem[] {
  try {
    resolve(config);
  } catch (error) {
    if (error instanceof ConfigError) return [...error.problems];
    throw error;
  }
  return [];
}

describe("with what an origin is asked", () => {
  test("has its defaults filled in", () => {
    expect(originOf({ clientCredentials: CLIENT }).settings.auth).toEqual({
      kind: "client-credentials",
      resource: URL_OK,
      ...CLIENT,
    });
    expect(originOf({ login: { secret: "LOGIN" } }).settings.auth).toEqual({
      kind: "login",
      secret: "LOGIN",
      allowPrivate: false,
    });
    expect(originOf({ exchange: CLIENT }).settings.auth).toEqual({ kind: "exchange", resource: URL_OK, ...CLIENT });
    const { resource: _, ...audience } = { ...CLIENT, audience: "origin", resource: "" };
    expect(originOf({ exchange: audience }).settings.auth).toEqual({ kind: "exchange", ...audience });
    const unsaid = { ...CLIENT, resource: false };
    expect(originOf({ clientCredentials: unsaid }).settings.auth).toEqual({ kind: "client-credentials", ...CLIENT });
    expect(originOf({ exchange: unsaid }).settings.auth).toEqual({ kind: "exchange", ...CLIENT });
    expect(originOf({ exchange: { ...CLIENT, audience: "a", resource: "r" } }).settings.auth).toMatchObject({
      audience: "a",
      resource: "r",
    });
    expect(originOf({ forward: true, sameResource: true }).settings.auth).toEqual({ kind: "forward" });
  });

  test("is shown in a header that says nothing else", () => {
    for (const name of ["Host", "content-type", "Mcp-Session-Id", "Accept"]) {
      expect(problemsOf({ origins: { o: { url: URL_OK, auth: { header: { name, secret: "S" } } } } })).toHaveLength(1);
    }
    expect(originOf({ header: { name: "X-Api-Key", secret: "S" } }).settings.auth).toMatchObject({
      header: "x-api-key",
    });
  });

  test("makes another origin of it, whatever of it is another", () => {
    const auths = [
      undefined,
      { bearer: { secret: "CLIENT_SECRET" } },
      { clientCredentials: CLIENT },
      { clientCredentials: { ...CLIENT, clientId: "d" } },
      { clientCredentials: { ...CLIENT, scope: "s" } },
      { clientCredentials: { ...CLIENT, secret: "OTHER" } },
      { exchange: CLIENT },
      { exchange: { ...CLIENT, audience: "a" } },
      { login: { secret: "CLIENT_SECRET" } },
      { forward: true, sameResource: true },
    ];
    expect(new Set(auths.map((auth) => originOf(auth).settings.identity)).size).toBe(auths.length);
  });

  test("makes its answers private where it is the caller's own, but for what is public by its name", () => {
    const cache = { ttl: "1m", scope: "public" };
    const more = {
      tools: { exact: { cache }, "wild_*": { cache } },
      resources: { "x://one": { cache }, "x://*": { cache } },
      prompts: { "*": { cache } },
      annotated: { ttl: "1m" },
    };
    const scopes = (auth: unknown) => {
      const origin = originOf(auth, more);
      const asked: [string, string | null][] = [
        ["tools/list", null],
        ["server/discover", null],
        ["initialize", null],
        ["tools/call", "exact"],
        ["tools/call", "wild_1"],
        ["tools/call", "other"],
        ["resources/read", "x://one"],
        ["resources/read", "x://two"],
        ["resources/read", "y://any"],
        ["prompts/get", "p"],
      ];
      return asked.map(([method, target]) => {
        const policy = policyOf(origin, method, target);
        return "rule" in policy ? policy.rule.scope : policy.kind;
      });
    };
    const own = [
      "private",
      "private",
      "private",
      "public",
      "private",
      "private",
      "public",
      "private",
      "private",
      "private",
    ];
    expect(scopes({ exchange: CLIENT })).toEqual(own);
    expect(scopes({ forward: true, sameResource: true })).toEqual(own);
    const shared = [
      "origin",
      "origin",
      "origin",
      "public",
      "origin",
      "private",
      "public",
      "origin",
      "origin",
      "origin",
    ];
    expect(scopes({ clientCredentials: CLIENT })).toEqual(shared);
  });

  test("lets the replica listen there where the credential is its own", () => {
    expect(originOf({ login: { secret: "LOGIN" } }).listens).toBe(true);
    expect(originOf({ exchange: CLIENT }, { sync: { listen: "auto" } }).listens).toBe(false);
    expect(originOf({ forward: true, sameResource: true }).listens).toBe(false);
  });

  test("is not written down with anybody's token", () => {
    const { settings } = originOf({ exchange: CLIENT });
    expect(impersonal({ ...settings, caller: { principal: "p", token: "t", lapsesAt: 1 } })).toEqual(settings);
  });

  test.each([
    [
      "auth.clientCredentials.tokenEndpoint",
      { clientCredentials: { ...CLIENT, tokenEndpoint: "http://auth.example.com/" } },
    ],
    [
      "auth.clientCredentials.tokenEndpoint",
      { clientCredentials: { ...CLIENT, tokenEndpoint: "https://10.0.0.1/s3cret" } },
    ],
    ["auth.exchange.tokenEndpoint", { exchange: { ...CLIENT, tokenEndpoint: "https://u:s3cret@auth.example.com/" } }],
    ["auth.exchange.tokenEndpoint", { exchange: { ...CLIENT, tokenEndpoint: "s3cret" } }],
    ["auth.sameResource", { forward: true }],
    ["auth", { forward: false }],
    ["auth", { forward: true, sameResource: false }],
    ["auth.clientCredentials.secret", { clientCredentials: { ...CLIENT, secret: "s3cret" } }],
    ["auth.clientCredentials.clientSecret", { clientCredentials: { ...CLIENT, clientSecret: "s3cret" } }],
    ["auth.clientCredentials.clientId", { clientCredentials: { ...CLIENT, clientId: "a\nb" } }],
    ["auth.login.secret", { login: { secret: "s3cret" } }],
    ["auth", { login: { secret: "LOGIN" }, forward: true }],
    ["auth.exchange.audience", { exchange: { ...CLIENT, audience: "" } }],
    ["auth", {}],
  ])("is refused at %s where it is %j, and nothing of it is repeated", (path, auth) => {
    const problems = problemsOf(file(auth));
    expect(problems.map((one) => one.path)).toEqual([`origins.o.${path}`]);
    expect(JSON.stringify(problems)).not.toContain("s3cret");
  });

  test.each(["ADMIN_TOKEN", "ENTRY_SECRET", "KEY_PEPPER"])("is never the replica's own secret %s", (secret) => {
    for (const auth of [{ bearer: { secret } }, { header: { name: "x-key", secret } }, { login: { secret } }])
      expect(problemsOf(file(auth)), JSON.stringify(auth)).toHaveLength(1);
    for (const kind of ["clientCredentials", "exchange"])
      expect(problemsOf(file({ [kind]: { ...CLIENT, secret } }))).toMatchObject([
        { path: `origins.o.auth.${kind}.secret`, expected: "a secret of its own: this one is the replica's" },
      ]);
    expect(problemsOf(file(undefined, { sync: { webhook: { secret } } }))).toHaveLength(1);
  });

  test("may be at a private address where the operator says so", () => {
    const auth = { clientCredentials: { ...CLIENT, tokenEndpoint: "https://10.0.0.1/token" } };
    expect(problemsOf(file(auth, { allowPrivate: true }))).toEqual([]);
  });

  test.each([[{}], [{ keys: true }], [{ open: true }]])(
    "is the caller's own only with callers who have one, not with %j alone",
    (access) => {
      for (const auth of [{ exchange: CLIENT }, { forward: true, sameResource: true }]) {
        const [problem] = problemsOf(file(auth, {}, access));
        expect(problem).toMatchObject({ path: `origins.o.auth.${Object.keys(auth)[0]}`, found: "no access.jwt" });
        expect(problemsOf(file(auth, {}, { ...access, ...JWT }))).toEqual([]);
      }
    },
  );
});
