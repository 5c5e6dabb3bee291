import { describe, expect, test } from "vitest";
import { ConfigError, type ConfigProblem } from "../../src/config/ConfigError.ts";
import { unsound } from "../../src/config/publicJwk.ts";
import { resolve } from "../../src/config/resolve.ts";

const ISSUER = "https://login.example.com/";
const JWKS = "https://login.example.com/jwks";
const file = (access: object) => ({ origins: { a: { url: "https://mcp.example.com/mcp" } }, access });
const accessOf = (access: object) => resolve(file(access)).access;
const base64url = (bytes: Uint8Array) =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
const modulus = (bits: number) => base64url(new Uint8Array(bits / 8).fill(0xff));
const RSA = { kty: "RSA", n: modulus(2_048), e: "AQAB" };
const EC = { kty: "EC", crv: "P-256", x: "x", y: "y", kid: "1", use: "sig", alg: "ES256" };

function problems(access: object): readonly ConfigProblem[] {
  try {
    resolve(file(access));
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error("This was not refused.");
}

describe("access.jwt", () => {
  test("has defaults: any asymmetric algorithm, access tokens only, 30 s, the endpoint's own URL as audience", () => {
    expect(accessOf({ jwt: { issuer: ISSUER, jwks: JWKS } })).toEqual({
      open: false,
      openOnPurpose: false,
      keys: false,
      jwt: [
        {
          issuer: ISSUER,
          audience: undefined,
          jwks: { url: JWKS },
          algorithms: "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519".split(" "),
          typ: "at+jwt",
          claims: {},
          scopes: [],
          clockToleranceS: 30,
        },
      ],
    });
  });

  test("takes all that it has, of several issuers", () => {
    const whole = {
      issuer: "http://127.0.0.1:9/realm",
      audience: "api",
      jwks: { keys: [RSA, EC] },
      algorithms: ["ES256"],
      typ: "JWT",
      claims: { roles: "/realm_access/roles", scopes: "permissions", tenant: "https://x.example/tenant" },
      scopes: ["mcp:write", "mcp:read", "mcp:read"],
      clockTolerance: "5s",
    };
    const [, second] = accessOf({ jwt: [{ issuer: ISSUER, jwks: JWKS }, whole] }).jwt!;
    expect(second).toEqual({
      ...whole,
      clockTolerance: undefined,
      audience: ["api"],
      scopes: ["mcp:read", "mcp:write"],
      clockToleranceS: 5,
    });
  });

  test("may be an issuer that only a private network knows, where its keys are given", () => {
    const [issuer] = accessOf({ jwt: { issuer: "https://login.internal/realm", jwks: { keys: [EC] } } }).jwt!;
    expect(issuer!.issuer).toBe("https://login.internal/realm");
  });

  const jwt = (more: object) => ({ jwt: { issuer: ISSUER, jwks: JWKS, ...more } });
  const keys = (...keys: unknown[]) => jwt({ jwks: { keys } });
  const cases: [access: object, path: string, expected: RegExp][] = [
    [{ jwt: { jwks: JWKS } }, "access.jwt.issuer", /a string/],
    [{ jwt: [] }, "access.jwt", /at least one issuer/],
    [{ jwt: "x" }, "access.jwt", /an object/],
    [{ jwt: [{ issuer: ISSUER }] }, "access.jwt.0.jwks", /a string/],
    [jwt({ issuer: "login.example.com" }), "access.jwt.issuer", /https URL/],
    [jwt({ issuer: "http://login.example.com" }), "access.jwt.issuer", /https URL/],
    [jwt({ issuer: "https://login.example.com/?a" }), "access.jwt.issuer", /without query/],
    [jwt({ jwks: "http://login.example.com/jwks" }), "access.jwt.jwks", /https URL/],
    [jwt({ jwks: "https://u:p@login.example.com/jwks" }), "access.jwt.jwks", /without user/],
    [jwt({ jwks: "https://169.254.169.254/jwks" }), "access.jwt.jwks", /https URL/],
    [jwt({ jwks: "https://login.internal/jwks" }), "access.jwt.jwks", /https URL/],
    [jwt({ jwks: "file:///etc/passwd" }), "access.jwt.jwks", /https URL/],
    [jwt({ algorithms: ["none"] }), "access.jwt.algorithms.0", /one of "RS256"/],
    [jwt({ algorithms: ["HS256"] }), "access.jwt.algorithms.0", /one of "RS256"/],
    [jwt({ algorithms: [] }), "access.jwt.algorithms", /at least one/],
    [jwt({ audience: [] }), "access.jwt.audience", /1 to 16/],
    [jwt({ clockTolerance: "6m" }), "access.jwt.clockTolerance", /"0s" to "5m"/],
    [jwt({ typ: "" }), "access.jwt.typ", /a type of tokens/],
    [jwt({ scopes: ["a b"] }), "access.jwt.scopes.0", /a scope/],
    [jwt({ claims: { role: "x" } }), "access.jwt.claims.role", /known options/],
    [jwt({ secret: "x" }), "access.jwt.secret", /known options/],
    [{ jwt: [jwt({}).jwt, jwt({}).jwt] }, "access.jwt", /each issuer once/],
    [keys(), "access.jwt.jwks.keys", /at least one key/],
    [keys({ ...EC, d: "x" }), "access.jwt.jwks.keys.0", /a public key/],
    [keys(EC, { ...RSA, n: modulus(1_024) }), "access.jwt.jwks.keys.1", /2048 to 8192 bits/],
  ];
  test.each(cases)("%j is refused at %s", (access, path, expected) => {
    expect(problems(access)).toEqual([{ path, found: expect.any(String), expected: expect.stringMatching(expected) }]);
  });

  test("does not repeat what may be a secret", () => {
    const placed = [
      { jwt: "hunter2" },
      jwt({ jwks: { keys: [{ kty: "oct", k: "hunter2" }] } }),
      jwt({ jwks: "hunter2" }),
      jwt({ secret: "hunter2" }),
      { dev: "hunter2" },
      { keys: "hunter2" },
      { token: "hunter2" },
      { dev: { tokens: { "hunter2 x": { subject: "s" } } } },
      { dev: { tokens: { hunter2: { subject: 1 } } } },
      { dev: { tokens: { hunter2: { subject: "s", x: 1 } } } },
    ];
    for (const access of placed)
      expect(JSON.stringify(problems(access)), JSON.stringify(access)).not.toContain("hunter2");
  });
});

describe("keys of an issuer", () => {
  test.each([
    [RSA],
    [{ ...RSA, n: modulus(8_192), e: "Aw" }],
    [{ ...RSA, key_ops: ["verify"] }],
    [EC],
    [{ kty: "EC", crv: "P-521", x: "x", y: "y" }],
    [{ kty: "OKP", crv: "Ed25519", x: "x" }],
  ])("%j is sound", (key) => expect(unsound(key)).toBeUndefined());

  test.each<[string, unknown]>([
    ["nothing", null],
    ["no object", ["RSA"]],
    ["a secret", { kty: "oct", k: "AAAA" }],
    ["a secret under another type", { ...RSA, k: "AAAA" }],
    ["a private key", { ...RSA, d: "AAAA" }],
    ["a factor", { ...RSA, p: "AAAA" }],
    ["a private key of another kind", { kty: "OKP", crv: "Ed25519", x: "x", d: "d" }],
    ["a short modulus", { ...RSA, n: modulus(2_040) }],
    ["a short modulus behind zeros", { ...RSA, n: `${"A".repeat(512)}${modulus(1_024)}` }],
    ["an endless modulus", { ...RSA, n: modulus(8_200) }],
    ["no modulus", { kty: "RSA", e: "AQAB" }],
    ["a modulus that is none", { ...RSA, n: { length: 400 } }],
    ["the exponent 1", { ...RSA, e: "AQ" }],
    ["the exponent 1 behind zeros", { ...RSA, e: "AAAB" }],
    ["an even exponent", { ...RSA, e: "Ag" }],
    ["no exponent", { ...RSA, e: "AAAA" }],
    ["an exponent that is no base64url", { ...RSA, e: "AQ==" }],
    ["for encryption", { ...RSA, use: "enc" }],
    ["for signing", { ...RSA, key_ops: ["sign"] }],
    ["an unknown curve", { ...EC, crv: "secp256k1" }],
    ["half a point", { ...EC, y: undefined }],
    ["a key for agreement", { kty: "OKP", crv: "X25519", x: "x" }],
    ["a kid that is no text", { ...RSA, kid: 1 }],
  ])("%s is not", (_, key) => expect(unsound(key)).toMatch(/\w/));
});

describe("access.dev", () => {
  test("has who is meant by each token", () => {
    const tokens = { "dev-writer": { subject: "dev-1", roles: ["writer"], tenant: "acme", scopes: ["a"] } };
    expect([...accessOf({ dev: { tokens } }).dev!]).toEqual(Object.entries(tokens));
  });

  test.each([
    [{ "": { subject: "s" } }],
    [{ "a b": { subject: "s" } }],
    [{ ["x".repeat(129)]: { subject: "s" } }],
    [{ ä: { subject: "s" } }],
    [{ a: { subject: "" } }],
    [{ a: {} }],
    [{ a: { subject: "s", scopes: ['"'] } }],
    [{ a: { subject: "s", tenant: "x".repeat(129) } }],
  ])("refuses %j", (tokens) => expect(problems({ dev: { tokens } })[0]!.path).toMatch(/^access\.dev\.tokens\.\*/));
});
