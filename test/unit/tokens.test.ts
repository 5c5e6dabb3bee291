import { env } from "cloudflare:workers";
import fc from "fast-check";
import { base64url, exportJWK, exportSPKI, generateKeyPair, SignJWT, type JWTPayload } from "jose";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Authenticator, type Credentials } from "../../src/access/authenticate.ts";
import { callerIn, claimIn } from "../../src/access/callerIn.ts";
import { COOLDOWN_MS, KNOWN_MS } from "../../src/access/Jwks.ts";
import { isCanonical, readToken } from "../../src/access/readToken.ts";
import { REMEMBERED_MS } from "../../src/access/Remembered.ts";
import { ALGORITHMS, type JwtAlgorithm, type PublicJwk } from "../../src/config/publicJwk.ts";
import { resolve } from "../../src/config/resolve.ts";
import type { ReplicaEvent } from "../../src/telemetry/events.ts";
import { runs } from "../support/runs.ts";

const kv = (env as { KV: KVNamespace }).KV;
const ISSUER = "https://login.example.com";
const RESOURCE = "https://replica.example.com/mcp";
const NOW = 1_800_000_000_000;
const S = NOW / 1_000;

interface Key {
  alg: string;
  kid: string;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  jwk: PublicJwk;
}

let rsa: Key;
let ec: Key;
let strangers: Key;
const keyOf = async (alg: string, kid: string): Promise<Key> => {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, publicKey, jwk: { ...(await exportJWK(publicKey)), kid } as PublicJwk };
};
beforeAll(async () => {
  [rsa, ec, strangers] = await Promise.all([keyOf("RS256", "r1"), keyOf("ES256", "e1"), keyOf("RS256", "r1")]);
});

const CLAIMS: JWTPayload = { iss: ISSUER, aud: RESOURCE, sub: "ann", iat: S, exp: S + 3_600, scope: "b a" };
const sign = (claims: object = {}, header: object = {}, key: Key = rsa) =>
  new SignJWT({ ...CLAIMS, ...claims } as JWTPayload)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: "at+jwt", ...header })
    .sign(key.privateKey);
const text = (value: unknown) => base64url.encode(typeof value === "string" ? value : JSON.stringify(value));
/** A token put together by hand: whatever its header says, it is signed, or not, by `by`. */
const forge = async (
  header: unknown,
  claims: unknown,
  by: (input: Uint8Array<ArrayBuffer>) => Promise<ArrayBuffer | string>,
) => {
  const input = `${text(header)}.${text(claims)}`;
  const signature = await by(new TextEncoder().encode(input) as Uint8Array<ArrayBuffer>);
  return `${input}.${typeof signature === "string" ? signature : base64url.encode(new Uint8Array(signature))}`;
};
const byRsa = (input: Uint8Array<ArrayBuffer>) => crypto.subtle.sign("RSASSA-PKCS1-v1_5", rsa.privateKey, input);
const unsigned = async () => "";
const without = (...names: string[]) =>
  Object.fromEntries(Object.entries(CLAIMS).filter(([name]) => !names.includes(name)));
const HEADER = { alg: "RS256", kid: "r1", typ: "at+jwt" };

const doorFor = (jwt: object = {}, more: object = {}, report?: (event: ReplicaEvent) => void) => {
  const issuer = { issuer: ISSUER, jwks: { keys: [rsa.jwk, ec.jwk] }, ...jwt };
  const { access } = resolve({ origins: { o: { url: "https://o.example.com" } }, access: { jwt: issuer, ...more } });
  return new Authenticator(access, report ? { report } : {});
};
const by = (authorization: string | null, more: Partial<Credentials> = {}): Credentials => ({
  headers: new Headers(authorization === null ? {} : { authorization }),
  hostname: "replica.example.com",
  resource: RESOURCE,
  kv,
  pepper: "pepper",
  now: () => NOW,
  waitUntil: () => {},
  ...more,
});
const callerOf = async (door: Authenticator, token: string, more?: Partial<Credentials>) => {
  const found = await door.authenticate(by(`Bearer ${token}`, more));
  return "caller" in found ? found.caller : found.refusal;
};
const PRINCIPAL = JSON.stringify(["jwt", ISSUER, "ann", null, ["a", "b"]]);

describe("a token of the issuer", () => {
  test("lets in whom it stands for, with what was granted, and then without any waiting", async () => {
    const door = doorFor();
    const token = await sign();
    const first = door.authenticate(by(`Bearer ${token}`));
    expect(first).toBeInstanceOf(Promise);
    expect(await first).toEqual({
      caller: { principal: PRINCIPAL, roles: [], scopes: ["a", "b"], lapsesAt: NOW + 3_630_000 },
    });
    expect(door.authenticate(by(`Bearer ${token}`))).toEqual(await first);
  });

  test("that was refreshed is the same principal's; other subjects, scopes, tenants and issuers are others", async () => {
    const door = doorFor();
    const principal = async (claims: object) =>
      ((await callerOf(door, await sign(claims))) as { principal: string }).principal;
    expect(await principal({ iat: S - 1, exp: S + 9, jti: "2", scope: "a  b a" })).toBe(PRINCIPAL);
    const others = await Promise.all(
      [{ sub: "bob" }, { scope: "a" }, { scope: undefined }, { sub: 'ann",null,["a"]]' }].map(principal),
    );
    expect(new Set([PRINCIPAL, ...others]).size).toBe(5);
    const ofTenant = doorFor({ claims: { tenant: "org" } });
    const inTenant = async (org: string) =>
      ((await callerOf(ofTenant, await sign({ org }))) as { principal: string }).principal;
    expect(new Set([await inTenant("x"), await inTenant("y"), PRINCIPAL]).size).toBe(3);
  });

  test.each(Object.keys(ALGORITHMS) as JwtAlgorithm[])("signed with %s is good, where that is allowed", async (alg) => {
    const key = await keyOf(alg, "k");
    const token = await sign({}, {}, key);
    const jwks = { keys: [key.jwk] };
    expect(await callerOf(doorFor({ jwks }), token)).toHaveProperty("principal");
    const others = (Object.keys(ALGORITHMS) as JwtAlgorithm[]).filter((one) => one !== alg);
    expect(await callerOf(doorFor({ jwks, algorithms: others }), token)).toMatchObject({ reason: "token: algorithm" });
  });

  test("without a kid is tried with each key of its kind, and no other", async () => {
    const token = await sign({}, { kid: undefined });
    const second = doorFor({ jwks: { keys: [ec.jwk, strangers.jwk, rsa.jwk] } });
    expect(await callerOf(second, token)).toHaveProperty("principal");
    expect(await callerOf(doorFor({ jwks: { keys: [ec.jwk, strangers.jwk] } }), token)).toMatchObject({
      reason: "token: signature",
    });
    expect(await callerOf(doorFor({ jwks: { keys: [ec.jwk] } }), token)).toMatchObject({ reason: "token: key" });
  });

  test.each([
    ["application/at+jwt", undefined, true],
    ["AT+JWT", undefined, true],
    ["JWT", undefined, false],
    [undefined, undefined, false],
    ["JWT", "JWT", true],
    ["at+jwt", "JWT", false],
  ])("of type %s, where %s is asked for: %s", async (typ, asked, isGood) => {
    const found = await callerOf(doorFor({ typ: asked }), await sign({}, { typ }));
    expect("principal" in found).toBe(isGood);
  });

  test("is good for its own audience only: an endpoint's URL, or what the operator names", async () => {
    const at = (resource: string) => ({ resource });
    const a = await sign({ aud: ["https://other.example.com", `${RESOURCE}/a`] });
    const door = doorFor();
    expect(await callerOf(door, a, at(`${RESOURCE}/a`))).toHaveProperty("principal");
    for (const other of [`${RESOURCE}/b`, RESOURCE, `${RESOURCE}/a/`, "https://evil.example.com/mcp/a"])
      expect(await callerOf(door, a, at(other)), other).toMatchObject({ reason: "token: aud" });
    const named = doorFor({ audience: ["api", "api2"] });
    expect(await callerOf(named, await sign({ aud: "api2" }), at(`${RESOURCE}/b`))).toHaveProperty("principal");
    expect(await callerOf(named, await sign())).toMatchObject({ reason: "token: aud" });
  });

  test("may lack a few seconds by the other's clock, and no more", async () => {
    const door = doorFor({ clockTolerance: "10s" });
    const good = [{ exp: S - 9 }, { nbf: S + 10 }, { iat: S + 10 }];
    for (const claims of good)
      expect(await callerOf(door, await sign(claims)), JSON.stringify(claims)).toHaveProperty("principal");
    const bad: [object, string][] = [
      [{ exp: S - 10 }, "exp"],
      [{ nbf: S + 11 }, "nbf"],
      [{ iat: S + 11 }, "iat"],
    ];
    for (const [claims, reason] of bad)
      expect(await callerOf(door, await sign(claims)), reason).toMatchObject({ reason: `token: ${reason}` });
  });

  test("is remembered until shortly before its end, for ten minutes at most", async () => {
    const door = doorFor();
    const isKnown = (token: string, now: number) =>
      !(door.authenticate(by(`Bearer ${token}`, { now: () => now })) instanceof Promise);
    const [short, long] = [await sign({ exp: S + 60 }), await sign({ exp: S + 86_400 })];
    for (const token of [short, long]) await door.authenticate(by(`Bearer ${token}`));
    expect([isKnown(short, NOW + 54_999), isKnown(short, NOW + 55_000)]).toEqual([true, false]);
    expect([isKnown(long, NOW + REMEMBERED_MS - 1), isKnown(long, NOW + REMEMBERED_MS)]).toEqual([true, false]);
    await door.authenticate(by(`Bearer ${long}`));
    expect(door.authenticate(by(`Bearer ${long}`, { resource: `${RESOURCE}/b` }))).toBeInstanceOf(Promise);
  });

  test("must be granted what the operator asks of every token", async () => {
    const door = doorFor({ scopes: ["mcp", "a"] });
    expect(await callerOf(door, await sign({ scope: "x a mcp" }))).toHaveProperty("principal");
    expect(await callerOf(door, await sign())).toEqual({ kind: "insufficient-scope", scopes: ["a", "mcp"] });
    expect(await callerOf(door, await sign({ exp: 1 }))).toMatchObject({ reason: "token: exp" });
  });

  test("of a second issuer is held to that one's rules and keys", async () => {
    const other = { issuer: "https://other.example.com", jwks: { keys: [strangers.jwk] }, algorithms: ["RS256"] };
    const { access } = resolve({
      origins: { o: { url: "https://o.example.com" } },
      access: { jwt: [{ issuer: ISSUER, jwks: { keys: [rsa.jwk] } }, other] },
    });
    const door = new Authenticator(access);
    expect(await callerOf(door, await sign({ iss: other.issuer }, {}, strangers))).toHaveProperty("principal");
    expect(await callerOf(door, await sign({}, {}, strangers))).toMatchObject({ reason: "token: signature" });
    expect(await callerOf(door, await sign({ iss: other.issuer }))).toMatchObject({ reason: "token: signature" });
    expect(await callerOf(door, await sign({ iss: other.issuer }, {}, ec))).toMatchObject({
      reason: "token: algorithm",
    });
  });

  test("is carried on only where an origin is asked with it", async () => {
    const { access } = resolve({
      origins: { o: { url: "https://o.example.com" } },
      access: { jwt: { issuer: ISSUER, jwks: { keys: [rsa.jwk] } } },
    });
    const token = await sign();
    expect(await callerOf(new Authenticator(access, { keepsToken: true }), token)).toMatchObject({ token });
    expect(await callerOf(new Authenticator(access), token)).not.toHaveProperty("token");
  });
});

describe("a forged token", () => {
  const FORGERIES: [name: string, reason: RegExp, make: () => Promise<string> | string][] = [
    ...["none", "None", "nOnE", "NONE", ""].map((alg): (typeof FORGERIES)[number] => [
      `of algorithm ${JSON.stringify(alg)}`,
      /algorithm|malformed/,
      () => forge({ ...HEADER, alg }, CLAIMS, async () => "AA"),
    ]),
    ["of no algorithm, unsigned", /malformed/, () => forge({ ...HEADER, alg: "none" }, CLAIMS, unsigned)],
    ["without an algorithm", /malformed/, () => forge({ kid: "r1", typ: "at+jwt" }, CLAIMS, byRsa)],
    [
      "HS256 with the public key as the secret",
      /algorithm/,
      async () => {
        const secret = new TextEncoder().encode(await exportSPKI(rsa.publicKey));
        const key = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
        return forge({ ...HEADER, alg: "HS256" }, CLAIMS, (input) => crypto.subtle.sign("HMAC", key, input));
      },
    ],
    ["RS256 by the kid of an elliptic key", /key/, () => forge({ ...HEADER, kid: "e1" }, CLAIMS, byRsa)],
    ["PS256 signed as RS256", /signature/, () => forge({ ...HEADER, alg: "PS256" }, CLAIMS, byRsa)],
    ["by a key of the same kid", /signature/, () => sign({}, {}, strangers)],
    ["with its own key in jwk", /signature/, () => sign({}, { jwk: strangers.jwk }, strangers)],
    ["with its own key at jku", /signature/, () => sign({}, { jku: "https://evil.example.com/jwks" }, strangers)],
    ["with its own key at x5u", /signature/, () => sign({}, { x5u: "https://evil.example.com/x" }, strangers)],
    ["with its own certificate in x5c", /signature/, () => sign({}, { x5c: ["AAAA"] }, strangers)],
    ...["../../dev/null", "' OR 1=1--", "https://evil.example.com/jwks", "__proto__", "r1\u0000", "R1", ""].map(
      (kid): (typeof FORGERIES)[number] => [`of kid ${JSON.stringify(kid)}`, /key/, () => sign({}, { kid }, strangers)],
    ),
    ["of a kid that is no text", /malformed/, () => forge({ ...HEADER, kid: ["r1"] }, CLAIMS, byRsa)],
    ["of an endless kid", /malformed/, () => sign({}, { kid: "x".repeat(257) })],
    ["of another issuer", /issuer/, () => sign({ iss: "https://evil.example.com" })],
    ["of an issuer spelled otherwise", /issuer/, () => sign({ iss: `${ISSUER}/` })],
    ["of several issuers", /malformed/, () => sign({ iss: [ISSUER] as never })],
    ["of no issuer", /malformed/, () => forge(HEADER, without("iss"), byRsa)],
    ["for another audience", /aud/, () => sign({ aud: "https://evil.example.com" })],
    ["for no audience", /aud/, () => forge(HEADER, without("aud"), byRsa)],
    ["for an audience that is a part of ours", /aud/, () => sign({ aud: "https://replica.example.com" })],
    ["for an audience in an object", /aud/, () => sign({ aud: { [RESOURCE]: 1 } as never })],
    ["that has lapsed", /exp/, () => sign({ exp: S - 31 })],
    ["that never lapses", /exp/, () => forge(HEADER, without("exp"), byRsa)],
    ["that lapses at no number", /exp/, () => sign({ exp: `${S + 60}` as never })],
    ["that is not good yet", /nbf/, () => sign({ nbf: S + 31 })],
    ["that is good from no number", /nbf/, () => sign({ nbf: "0" as never })],
    ["made in the future", /iat/, () => sign({ iat: S + 3_600 })],
    ["made at no number", /iat/, () => sign({ iat: "now" as never })],
    ["of nobody", /sub/, () => forge(HEADER, without("sub"), byRsa)],
    ["of an empty subject", /sub/, () => sign({ sub: "" })],
    ["of a subject that is no text", /sub/, () => sign({ sub: { id: 1 } as never })],
    ["of an endless subject", /sub/, () => sign({ sub: "x".repeat(513) })],
    [
      "of a subject that is half a character",
      /sub/,
      () => forge(HEADER, JSON.stringify(CLAIMS).replace('"ann"', '"\\ud800"'), byRsa),
    ],
    ["that is an ID token", /typ/, () => sign({}, { typ: "JWT" })],
    ["that is a logout token", /typ/, () => sign({}, { typ: "logout+jwt" })],
    ["of no type", /typ/, () => sign({}, { typ: undefined })],
    ["with something critical", /malformed/, () => forge({ ...HEADER, crit: ["x"], x: 1 }, CLAIMS, byRsa)],
    [
      "with a payload of which it says that it is encoded",
      /malformed/,
      () => forge({ ...HEADER, crit: ["b64"], b64: true }, CLAIMS, byRsa),
    ],
    ["with nothing critical", /malformed/, () => forge({ ...HEADER, crit: [] }, CLAIMS, byRsa)],
    [
      "with a payload that is not encoded",
      /malformed/,
      () => forge({ ...HEADER, crit: ["b64"], b64: false }, CLAIMS, byRsa),
    ],
    [
      "whose signature is another token's",
      /signature/,
      async () => {
        const [mine, other] = await Promise.all([sign(), sign({ sub: "bob" })]);
        return `${mine.slice(0, mine.lastIndexOf("."))}${other.slice(other.lastIndexOf("."))}`;
      },
    ],
    [
      "whose payload was changed",
      /signature/,
      async () => (await sign()).replace(/\.[^.]+\./, `.${text({ ...CLAIMS, sub: "bob" })}.`),
    ],
    ["whose signature is empty", /malformed/, async () => (await sign()).replace(/[^.]+$/, "")],
    ["whose signature is one byte", /signature/, async () => (await sign()).replace(/[^.]+$/, "AA")],
    ["that is cut off", /signature|malformed/, async () => (await sign()).slice(0, -4)],
    ["of two parts", /malformed/, async () => (await sign()).replace(/\.[^.]+$/, "")],
    ["of four parts", /malformed/, async () => `${await sign()}.AA`],
    ["of five parts, encrypted", /malformed/, () => "AA.AA.AA.AA.AA"],
    ["with padding", /malformed/, async () => `${await sign()}==`],
    ["with an escaped character", /malformed/, async () => (await sign()).replace("e", "%65")],
    ["in the other base64", /malformed/, async () => `${(await sign()).slice(0, -1)}+`],
    [
      "with bits after its end",
      /malformed/,
      async () => {
        const token = await sign();
        const last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        return token.slice(0, -1) + last[last.indexOf(token.at(-1)!) + 1];
      },
    ],
    ["whose header is no JSON", /malformed/, () => forge("{", CLAIMS, byRsa)],
    ["whose header is a list", /malformed/, () => forge([HEADER], CLAIMS, byRsa)],
    ["whose payload is a text", /malformed/, () => forge(HEADER, '"x"', byRsa)],
    [
      "whose payload is not UTF-8",
      /malformed/,
      async () => `${text(HEADER)}.${base64url.encode(new Uint8Array([0xff, 0xfe]))}.AA`,
    ],
    ["that nests deeply", /malformed/, () => forge(HEADER, `{"a":${"[".repeat(3_000)}`, byRsa)],
    ["that is huge", /malformed/, () => sign({ x: "x".repeat(8_192) })],
    ["with scopes that are none", /scopes/, () => sign({ scope: { a: true } })],
    [
      "with scopes without number",
      /scopes/,
      () => sign({ scope: Array.from({ length: 129 }, (_, nth) => `${nth}`).join(" ") }),
    ],
  ];
  test.each(FORGERIES)("%s lets nobody in", async (_, reason, make) => {
    const found = await callerOf(doorFor(), await make());
    expect(found).toEqual({ kind: "unauthorized", reason: expect.stringMatching(reason) });
  });

  test.each([
    "Bearer",
    "Bearer ",
    "Basic T",
    "T",
    "Bearer T T",
    "Bearer T, Bearer T",
    "Bearer\tT",
    "DPoP T",
    "Bearer  ",
  ])("nor does a good one sent as %j", async (form) => {
    const found = await doorFor().authenticate(by(form.replaceAll("T", await sign())));
    expect(found).toMatchObject({ refusal: { kind: "unauthorized" } });
  });

  test("of which the log says nothing but what is wrong", async () => {
    const token = await sign({ sub: "s3cret", aud: "s3cret", exp: 1 });
    expect(JSON.stringify(await callerOf(doorFor(), token))).not.toContain("s3cret");
  });

  test("one after the other is not verified without end: an address has so many, and who shows a good one loses none", async () => {
    const door = doorFor();
    const from = (address: string) => ({ headers: new Headers({ "cf-connecting-ip": address }) });
    const show = (token: string, address: string) => {
      const { headers } = from(address);
      headers.set("authorization", `Bearer ${token}`);
      return door.authenticate(by(null, { headers }));
    };
    const forged = await sign({}, {}, strangers);
    for (let nth = 0; nth < 300; nth++)
      expect(await show(await sign({ jti: String(nth) }), "192.0.2.1")).toHaveProperty("caller");
    for (let nth = 0; nth < 100; nth++)
      expect(await show(forged, "192.0.2.1")).toMatchObject({ refusal: { kind: "unauthorized" } });
    expect(await show(forged, "192.0.2.1")).toMatchObject({ refusal: { kind: "rate-limited", retryAfterMs: 200 } });
    expect(await show(forged, "192.0.2.2")).toMatchObject({ refusal: { kind: "unauthorized" } });
  });

  test("that differs from a good one in any character lets nobody in", async () => {
    const good = await sign();
    const changes = fc.asyncProperty(
      fc.nat(good.length - 1),
      fc.integer({ min: 0x21, max: 0x7e }),
      async (at, code) => {
        const changed = good.slice(0, at) + String.fromCharCode(code) + good.slice(at + 1);
        const found = await callerOf(doorFor(), changed);
        return changed === good || ("kind" in found && found.kind === "unauthorized");
      },
    );
    expect(await callerOf(doorFor(), good)).toHaveProperty("principal");
    await fc.assert(changes, { numRuns: runs(200, 20_000) });
  });

  test("the same token has one spelling only", () => {
    for (const good of ["AA", "AAA", "AAAA", "AQ", "_w", "__8", "-_Aa0w"]) expect(isCanonical(good), good).toBe(true);
    for (const bad of ["", "A", "AB", "AAB", "AAAAA", "AA==", "A A", "AA\n", "A+", "A/", "ÀA", "_x"])
      expect(isCanonical(bad), bad).toBe(false);
    for (let byte = 0; byte < 256; byte++)
      expect(isCanonical(base64url.encode(new Uint8Array([byte, byte])))).toBe(true);
    expect(readToken("e30.e30.AA")).toBeUndefined();
  });
});

describe("what a token says of its caller", () => {
  const rules = (claims: object = {}) => ({ issuer: ISSUER, claims });
  const said = (payload: object, claims?: object) => callerIn({ sub: "s", ...payload }, rules(claims));

  test.each([
    [{ scope: "b a" }, {}, ["a", "b"]],
    [{ scope: ["b", "a", "b"] }, {}, ["a", "b"]],
    [{ scp: ["b", "a"] }, {}, ["a", "b"]],
    [{ scp: "a b" }, {}, ["a", "b"]],
    [{ scope: "a", scp: "b" }, {}, ["a"]],
    [{ scope: "" }, {}, []],
    [{ scope: "a", permissions: ["p"] }, { scopes: "permissions" }, ["p"]],
    [{}, {}, []],
  ])("%j, by %j: granted %j", (payload, claims, scopes) => expect(said(payload, claims)).toMatchObject({ scopes }));

  test.each([
    [{ role: "writer" }, "role", ["writer"]],
    [{ role: "a b" }, "role", ["a b"]],
    [{ "https://x.example/roles": ["b", "a"] }, "https://x.example/roles", ["a", "b"]],
    [{ realm_access: { roles: ["admin"] } }, "/realm_access/roles", ["admin"]],
    [{ a: { "b/c~d": "r" } }, "/a/b~1c~0d", ["r"]],
    [{ "/a": "r" }, "/a", []],
    [{}, "role", []],
    [{}, "constructor", []],
    [{ a: {} }, "/a/toString", []],
    [{ a: ["r"] }, "/a/0", []],
  ])("%j, by %j: of the roles %j", (payload, roles, expected) =>
    expect(said(payload, { roles })).toMatchObject({ roles: expected }),
  );

  test.each([
    [{ role: 1 }, { roles: "role" }, "roles"],
    [{ role: null }, { roles: "role" }, "roles"],
    [{ role: [""] }, { roles: "role" }, "roles"],
    [{ role: [["a"]] }, { roles: "role" }, "roles"],
    [{ role: { a: 1 } }, { roles: "role" }, "roles"],
    [{ role: Array.from({ length: 129 }, (_, nth) => `${nth}`) }, { roles: "role" }, "roles"],
    [{ role: "x".repeat(513) }, { roles: "role" }, "roles"],
    [{}, { tenant: "org" }, "tenant"],
    [{ org: "" }, { tenant: "org" }, "tenant"],
    [{ org: 7 }, { tenant: "org" }, "tenant"],
    [{ org: ["x"] }, { tenant: "org" }, "tenant"],
    [{ org: "x".repeat(129) }, { tenant: "org" }, "tenant"],
    [{ scope: 1 }, {}, "scopes"],
  ])("%j, by %j, cannot be relied on: %s", (payload, claims, fault) =>
    expect(said(payload, claims)).toEqual({ fault }),
  );

  test("nothing is read from what all objects have", () => {
    expect(claimIn(JSON.parse('{"__proto__":{"role":"admin"}}'), "role")).toBeUndefined();
    expect(claimIn({}, "__proto__")).toBeUndefined();
    expect(said({ org: "acme" }, { tenant: "org" })).toMatchObject({ tenant: "acme" });
  });
});

describe("the keys of an issuer", () => {
  const URL = "https://login.example.com/jwks";
  let now = NOW;
  let served: PublicJwk[] | Error | Response;
  let asked = 0;
  let events: ReplicaEvent[] = [];
  const door = () => doorFor({ jwks: URL }, {}, (event) => events.push(event));
  const ask = async (at: Authenticator, token: string) => {
    const kept: Promise<unknown>[] = [];
    const found = await callerOf(at, token, { now: () => now, waitUntil: (work) => void kept.push(work) });
    await Promise.all(kept);
    return "principal" in found ? "in" : "reason" in found ? found.reason : found.kind;
  };
  const later = (ms: number, more: object = {}) => {
    now += ms;
    return sign({ exp: now / 1_000 + 3_600, iat: now / 1_000, ...more });
  };

  beforeEach(async () => {
    [now, asked, events, served] = [NOW, 0, [], [rsa.jwk]];
    for (const { name } of (await kv.list({ prefix: "jwks/" })).keys) await kv.delete(name);
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
      asked++;
      expect([String(input), init?.redirect]).toEqual([URL, "manual"]);
      if (served instanceof Error) throw served;
      return served instanceof Response ? served : Response.json({ keys: served });
    });
  });
  afterEach(() => vi.restoreAllMocks());

  test("are asked for once in ten minutes, and by no isolate that finds them in KV", async () => {
    const first = door();
    for (const sub of ["a", "b", "c"]) expect(await ask(first, await sign({ sub }))).toBe("in");
    expect(await ask(door(), await sign())).toBe("in");
    expect(asked).toBe(1);
    expect(await ask(first, await later(599_999))).toBe("in");
    expect(asked).toBe(1);
    expect(await ask(first, await later(1))).toBe("in");
    expect(asked).toBe(2);
  });

  test("are asked for anew when a token names one that is not known: a new one is taken, one that is gone is not", async () => {
    const at = door();
    await ask(at, await sign());
    served = [ec.jwk];
    now += COOLDOWN_MS;
    expect(await ask(at, await sign({ sub: "new" }, {}, ec))).toBe("in");
    expect(await ask(at, await sign({ sub: "old" }))).toBe("token: key");
    expect(asked).toBe(2);
  });

  test("may change under the same name: so they are asked for anew where a signature is none of theirs", async () => {
    const at = door();
    await ask(at, await sign());
    served = [strangers.jwk];
    const renewed = await sign({ sub: "new" }, {}, strangers);
    expect(await ask(at, renewed)).toBe("token: signature");
    now += COOLDOWN_MS;
    expect(await ask(at, renewed)).toBe("in");
    for (let nth = 0; nth < 20; nth++) expect(await ask(at, await sign({ sub: `${nth}` }))).toBe("token: signature");
    expect(asked).toBe(2);
  });

  test("are not asked for by made-up names more than once in ten seconds", async () => {
    const at = door();
    await ask(at, await sign());
    for (let nth = 0; nth < 50; nth++) expect(await ask(at, await sign({}, { kid: `x${nth}` }))).toBe("token: key");
    expect(asked).toBe(1);
    now += COOLDOWN_MS;
    await Promise.all(Array.from({ length: 50 }, async (_, nth) => ask(at, await sign({}, { kid: `y${nth}` }))));
    expect(asked).toBe(2);
  });

  test("go on serving for a day while the issuer is down, and it is told", async () => {
    const at = door();
    await ask(at, await sign());
    served = new Error("down");
    expect(await ask(at, await later(600_000))).toBe("in");
    expect(await ask(door(), await sign({ exp: now / 1_000 + 60 }))).toBe("in");
    expect(events).toContainEqual({ type: "issuer-failed", issuer: ISSUER, reason: "Error: down" });
    expect(await ask(at, await later(KNOWN_MS - 600_001))).toBe("in");
    expect(await ask(at, await later(1))).toBe("issuer-unavailable");
    served = [rsa.jwk];
    expect(await ask(at, await later(COOLDOWN_MS))).toBe("in");
  });

  test("that cannot be had let nobody in, and say so", async () => {
    const failures: (typeof served)[] = [
      new Error("down"),
      [],
      new Response("{}"),
      new Response("nothing"),
      new Response(null, { status: 302, headers: { location: "https://evil.example.com/jwks" } }),
      Response.json({ keys: [rsa.jwk] }, { status: 404 }),
      Response.json({ keys: [rsa.jwk], x: "x".repeat(262_144) }),
      [{ kty: "oct", k: "AAAA", kid: "r1" } as never],
      [{ ...rsa.jwk, d: "AAAA" }],
    ];
    for (const failure of failures) {
      served = failure;
      expect(await ask(door(), await sign())).toBe("issuer-unavailable");
    }
    expect(asked).toBe(failures.length);
  });

  test("are waited for by those who come while they are asked for, without asking again", async () => {
    let answer = () => {};
    served = new Response(
      new ReadableStream({
        start(controller) {
          answer = () => {
            controller.enqueue(new TextEncoder().encode(JSON.stringify({ keys: [rsa.jwk] })));
            controller.close();
          };
        },
      }),
    );
    const at = door();
    const tokens = await Promise.all(["a", "b", "c"].map((sub) => sign({ sub })));
    const found = tokens.map((token) => ask(at, token));
    await vi.waitFor(() => expect(asked).toBe(1));
    answer();
    expect(await Promise.all(found)).toEqual(["in", "in", "in"]);
    expect(asked).toBe(1);
  });

  test("that somebody has just asked for are not lost to those who have looked in vain where they are kept", async () => {
    const at = door();
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const slow = { get: async (name: string) => kv.get(name).then(() => held) } as unknown as KVNamespace;
    const late = callerOf(at, await sign({ sub: "late" }), { kv: slow });
    expect(await ask(at, await sign())).toBe("in");
    release();
    expect(await late).toHaveProperty("principal");
    expect(await ask(at, await sign({ sub: "next" }))).toBe("in");
    expect(asked).toBe(1);
  });

  test("that lie corrupt in KV are asked for", async () => {
    await ask(door(), await sign());
    const [{ name } = { name: "" }] = (await kv.list({ prefix: "jwks/" })).keys;
    for (const value of [
      "nothing",
      "[]",
      '{"keys":[]}',
      JSON.stringify({ keys: [{ kty: "oct", k: "AA" }], readAt: NOW }),
    ]) {
      await kv.put(name, value);
      const before = asked;
      expect(await ask(door(), await sign())).toBe("in");
      expect(asked).toBe(before + 1);
    }
  });
});

describe("a development token", () => {
  const dev = {
    tokens: {
      "dev-writer": { subject: "dev-1", roles: ["writer"], tenant: "acme", scopes: ["b", "a"] },
      other: { subject: "dev-2" },
    },
  };
  const at = (hostname: string, headers: object = {}) => ({
    hostname,
    headers: new Headers({ authorization: "Bearer dev-writer", ...headers }),
  });
  const here = at("127.0.0.1");

  test("stands on loopback for whom the operator says", async () => {
    const door = doorFor({}, { dev });
    const principal = JSON.stringify(["dev", "dev-1", "acme", ["a", "b"]]);
    expect(await callerOf(door, "", here)).toEqual({
      principal,
      roles: ["writer"],
      scopes: ["a", "b"],
      tenant: "acme",
    });
    for (const hostname of ["localhost", "[::1]"])
      expect(await callerOf(door, "", at(hostname))).toHaveProperty("principal");
    expect(await callerOf(door, "", at("localhost", { "cf-connecting-ip": "127.0.0.1" }))).toHaveProperty("principal");
  });

  test("is refused elsewhere, and where Cloudflare's edge stands before loopback", async () => {
    const door = doorFor({}, { dev });
    const places = [
      at("replica.example.com"),
      at("127.0.0.1.example.com"),
      at("localhost", { "cf-connecting-ip": "203.0.113.9" }),
      at("127.0.0.1", { "cf-connecting-ip": "127.0.0.1, 203.0.113.9" }),
    ];
    for (const place of places)
      expect(await callerOf(door, "", place)).toEqual({
        kind: "unauthorized",
        reason: "a development token, but not on loopback",
      });
  });

  test("must be the whole of one", async () => {
    const door = doorFor({}, { dev });
    for (const token of ["dev-write", "dev-writerx", "DEV-WRITER", "dev-writer,other", "__proto__", "constructor"])
      expect(await callerOf(door, token, { hostname: "127.0.0.1" }), token).toMatchObject({ kind: "unauthorized" });
  });

  test("goes with tokens and keys: each credential is looked at as what it is", async () => {
    const door = doorFor({}, { dev, keys: true });
    expect(await callerOf(door, "", here)).toHaveProperty("principal");
    expect(await callerOf(door, await sign())).toHaveProperty("principal");
    expect(await callerOf(door, `erk_${"0".repeat(12)}_${"0".repeat(64)}`)).toMatchObject({
      reason: "key: unknown, or past its end",
    });
    expect(await callerOf(doorFor({}, { open: true }), "x", { hostname: "127.0.0.1" })).toMatchObject({
      kind: "unauthorized",
    });
    expect(await doorFor({}, { open: true }).authenticate(by(null, { hostname: "127.0.0.1" }))).toMatchObject({
      caller: { principal: "anonymous" },
    });
    expect(await door.authenticate(by(null))).toEqual({ refusal: { kind: "unauthorized" } });
  });
});
