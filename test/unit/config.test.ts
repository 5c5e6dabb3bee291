import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { URL_SHAPE } from "../../src/config/address.ts";
import { ConfigError, type ConfigProblem } from "../../src/config/ConfigError.ts";
import { parseDuration } from "../../src/config/duration.ts";
import { defineReplica } from "../../src/config/index.ts";
import { matches, patternTable } from "../../src/config/pattern.ts";
import { policyOf } from "../../src/config/policy.ts";
import type { Origin } from "../../src/config/replica.ts";
import { isLoopback } from "../../src/config/address.ts";
import { PROTOCOL_RULE, resolve, type Vars } from "../../src/config/resolve.ts";
import { parseSize } from "../../src/config/size.ts";
import { LOCATION_HINTS } from "../../src/config/types.ts";

const URL_OK = "https://mcp.example.com/mcp";

/** A file with one origin `a`, and what the test adds to it. */
function withOrigin(origin: object = {}, rest: object = {}): object {
  return { origins: { a: { url: URL_OK, ...origin } }, ...rest };
}

function originOf(origin: object = {}, vars?: Vars): Origin {
  return resolve(withOrigin(origin), vars).origins.get("a")!;
}

function refusal(file: unknown, vars?: Vars): ConfigError {
  try {
    resolve(file, vars);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error(`This file was not refused: ${JSON.stringify(file)}`);
}

function onlyProblem(file: unknown, vars?: Vars): ConfigProblem {
  const { problems } = refusal(file, vars);
  expect(problems).toHaveLength(1);
  return problems[0]!;
}

describe("durations and sizes", () => {
  test("a duration is a whole number and a unit", () => {
    expect(parseDuration("250ms")).toBe(250);
    expect(parseDuration("0s")).toBe(0);
    expect(parseDuration("30s")).toBe(30_000);
    expect(parseDuration("5m")).toBe(300_000);
    expect(parseDuration("1h")).toBe(3_600_000);
    expect(parseDuration("7d")).toBe(7 * 86_400_000);
  });

  test("anything else is no duration", () => {
    const others = [
      "",
      "5",
      "5 s",
      "-5s",
      "1.5s",
      "5S",
      " 5s",
      "5s\n",
      "5w",
      "1e3s",
      "9999999999s",
      "ms",
      "٣s",
      5,
      null,
      undefined,
      {},
      ["5s"],
    ];
    for (const text of others) expect(parseDuration(text), JSON.stringify(text)).toBeUndefined();
  });

  test("a size counts 1,024 bytes to the KB", () => {
    expect(parseSize("500B")).toBe(500);
    expect(parseSize("64KB")).toBe(65_536);
    expect(parseSize("4MB")).toBe(4_194_304);
  });

  test("anything else is no size", () => {
    for (const text of ["", "4", "4 MB", "4mb", "4M", "-4MB", "1.5MB", "4GB", "4MB\n", 4, null, undefined]) {
      expect(parseSize(text), JSON.stringify(text)).toBeUndefined();
    }
  });
});

test.each([
  ["250ms", 250],
  ["1m", 60_000],
])("a pulse of %s is taken", (pulse, ms) => {
  expect(originOf({ sync: { pulse } }).pulseMs).toBe(ms);
});

test.each(["249ms", "61s", "0s", "5", 5_000])("a pulse of %j is not", (pulse) => {
  expect(onlyProblem(withOrigin({ sync: { pulse } }))).toMatchObject({ path: "origins.a.sync.pulse" });
});

test("a webhook names the secret that its deliveries are signed with", () => {
  expect(originOf({ sync: { webhook: { secret: "HOOK" } } }).webhookSecret).toBe("HOOK");
  expect(originOf().webhookSecret).toBeUndefined();
  const words = "the name of a Worker secret, such as CATALOG_TOKEN";
  const problem = { path: "origins.a.sync.webhook.secret", found: "a string", expected: words };
  expect(onlyProblem(withOrigin({ sync: { webhook: { secret: "whsec_abc" } } }))).toEqual(problem);
});

test.each([
  [undefined, true],
  ["auto", true],
  ["off", false],
])("listening at the origin may be %s", (listen, listens) => {
  expect(originOf({ sync: listen === undefined ? {} : { listen } }).listens).toBe(listens);
});

test.each(["on", true, 1])("listening at the origin may not be %j", (listen) => {
  expect(onlyProblem(withOrigin({ sync: { listen } }))).toMatchObject({ path: "origins.a.sync.listen" });
});

test("an option of sync that nobody knows is not one that is yet to be built", () => {
  const { expected } = onlyProblem(withOrigin({ sync: { puls: "5s" } }));
  expect(expected).toBe("one of the known options");
});

describe("defaults", () => {
  test("a file that names only an origin gets every default", () => {
    const replica = resolve(withOrigin());
    const origin = replica.origins.get("a")!;
    expect(replica).toMatchObject({
      access: { open: false, openOnPurpose: false, keys: false },
      ignoreMeta: [],
      limits: { bodyBytes: 4_194_304, depth: 64 },
      enabled: true,
    });
    expect(replica.hosts.size).toBe(0);
    expect(replica.defaultOrigin).toBe(origin);
    expect(origin.settings).toMatchObject({
      id: "a",
      endpoint: { url: URL_OK },
      auth: undefined,
      firstByteMs: 10_000,
      totalMs: 60_000,
      concurrency: 24,
      region: undefined,
      denied: undefined,
      entryBytes: 2_097_152,
    });
    expect(origin.lists).toEqual({ ...PROTOCOL_RULE, defaultTtlMs: 0, staleIfErrorMs: 86_400_000 });
    expect(origin.annotated).toBeUndefined();
    expect(origin.modernize).toBe("auto");
    expect(origin.pulseMs).toBe(5_000);
  });

  test("the rule of an entry that says nothing keeps nothing for longer than the origin says, and private", () => {
    expect(originOf({ tools: { x: { cache: {} } } }).tools.find("x")!.value).toEqual({
      deny: false,
      isMirrored: false,
      refusesPending: false,
      cache: {
        ttlMs: undefined,
        defaultTtlMs: 0,
        staleWhileRevalidateMs: 0,
        staleIfErrorMs: 0,
        scope: "private",
        clientTtlMs: undefined,
        tell: false,
        tags: [],
        strict: false,
      },
    });
  });

  test("every option that is built reaches the resolved replica", () => {
    const file = defineReplica({
      origins: {
        catalog: {
          url: { env: "ORIGIN_URL" },
          default: true,
          auth: { header: { name: "X-Api-Key", secret: "CATALOG_KEY" } },
          timeout: { firstByte: "1s", total: "2m" },
          concurrency: 3,
          region: "weur",
          modernize: "always",
          lists: { defaultTtl: "1m", staleIfError: "7d" },
          annotated: { ttl: "30s" },
          tools: {
            search: {
              cache: {
                ttl: "5m",
                staleWhileRevalidate: "1h",
                staleIfError: "7d",
                scope: "public",
                tags: ["catalog", "product:{sku}"],
                clientTtl: "10s",
                tell: true,
              },
            },
            "admin_*": { deny: true },
          },
          resources: { "catalog://*": { cache: { ttl: "10m" } } },
          prompts: { "*": { cache: { ttl: "20m" } } },
        },
        other: { service: "OTHER", auth: { bearer: { secret: "OTHER_TOKEN" } } },
      },
      access: { open: true, openOnPurpose: true, keys: true },
      hosts: ["replica.example.com", "replica.example.com:8443"],
      ignoreMeta: ["acme/*"],
      limits: { body: "1MB", depth: 8, entry: "64KB" },
      enabled: false,
    });
    const replica = resolve(file, { ORIGIN_URL: "https://origin.example/mcp" });
    const catalog = replica.origins.get("catalog")!;
    expect(replica.defaultOrigin).toBe(catalog);
    expect(catalog.settings).toMatchObject({
      endpoint: { url: "https://origin.example/mcp" },
      auth: { header: "x-api-key", prefix: "", secret: "CATALOG_KEY" },
      firstByteMs: 1_000,
      totalMs: 120_000,
      concurrency: 3,
      region: "weur",
      entryBytes: 65_536,
      denied: { "admin_*": true },
    });
    expect(catalog.lists).toEqual({ ...PROTOCOL_RULE, defaultTtlMs: 60_000, staleIfErrorMs: 7 * 86_400_000 });
    expect(catalog.modernize).toBe("always");
    expect(catalog.annotated).toEqual({ ...PROTOCOL_RULE, ttlMs: 30_000, scope: "private" });
    expect(catalog.tools.find("search")).toEqual({
      key: "search",
      exact: true,
      value: {
        deny: false,
        isMirrored: false,
        refusesPending: false,
        cache: {
          ttlMs: 300_000,
          defaultTtlMs: 0,
          staleWhileRevalidateMs: 3_600_000,
          staleIfErrorMs: 7 * 86_400_000,
          scope: "public",
          clientTtlMs: 10_000,
          tell: true,
          tags: ["catalog", "product:{sku}"],
          strict: false,
        },
      },
    });
    expect(catalog.resources.find("catalog://x")!.value.cache!.ttlMs).toBe(600_000);
    expect(catalog.prompts.find("any")!.value.cache!.ttlMs).toBe(1_200_000);
    expect(replica.origins.get("other")!.settings).toMatchObject({
      endpoint: { service: "OTHER" },
      auth: { header: "authorization", prefix: "Bearer ", secret: "OTHER_TOKEN" },
    });
    expect(replica).toMatchObject({
      access: { open: true, openOnPurpose: true, keys: true },
      ignoreMeta: ["acme/*"],
      limits: { bodyBytes: 1_048_576, depth: 8 },
      enabled: false,
    });
    expect([...replica.hosts]).toEqual(["replica.example.com", "replica.example.com:8443"]);
  });

  test("public holds on an exact name, and on a pattern only where the origin says so too", () => {
    const { tools } = originOf({ tools: { x: { cache: { scope: "public" } }, "y*": { cache: { scope: "public" } } } });
    expect(tools.find("x")!.value.cache!.scope).toBe("public");
    expect(tools.find("y1")!.value.cache!.scope).toBe("origin");
  });

  test("of several origins none is the default unless one is marked", () => {
    const two = { a: { url: URL_OK }, b: { url: URL_OK } };
    expect(resolve({ origins: two }).defaultOrigin).toBeUndefined();
    expect(resolve({ origins: { ...two, b: { url: URL_OK, default: true } } }).defaultOrigin!.settings.id).toBe("b");
    const marked = { a: { url: URL_OK, default: true }, b: { url: URL_OK, default: true } };
    expect(onlyProblem({ origins: marked })).toEqual({
      path: "origins",
      found: "a, b",
      expected: "one default at most",
    });
  });

  test("only the word off in the var REPLICA_CACHE turns the cache off", () => {
    expect(resolve(withOrigin(), { REPLICA_CACHE: "off" }).enabled).toBe(false);
    expect(resolve(withOrigin(), { REPLICA_CACHE: "on" }).enabled).toBe(true);
    expect(resolve(withOrigin({}, { enabled: false }), { REPLICA_CACHE: "on" }).enabled).toBe(false);
  });

  test("the identity changes with endpoint, credential and denied tools, and with nothing else", () => {
    const identity = (origin: object) => originOf(origin).settings.identity;
    const bearer = { auth: { bearer: { secret: "A" } } };
    const identities = [
      identity({}),
      identity({ url: "https://other.example.com/mcp" }),
      identity({ url: undefined, service: "S" }),
      identity(bearer),
      identity({ auth: { bearer: { secret: "B" } } }),
      identity({ auth: { header: { name: "x-key", secret: "A" } } }),
      identity({ tools: { x: { deny: true } } }),
      identity({ tools: { x: { deny: true }, y: { deny: true } } }),
    ];
    expect(new Set(identities).size).toBe(identities.length);
    const denied = (...names: string[]) => ({ tools: Object.fromEntries(names.map((name) => [name, { deny: true }])) });
    expect(identity(denied("x", "y"))).toBe(identity(denied("y", "x")));
    expect(identity({ concurrency: 2, tools: { x: { cache: { ttl: "1m" } } } })).toBe(identity({}));
  });
});

describe("wrong values", () => {
  const DURATION = 'a duration such as "250ms", "30s", "5m", "1h" or "7d"';
  const SIZE = 'a size such as "500B", "64KB" or "4MB"';
  const cache = (rule: unknown) => withOrigin({ tools: { x: { cache: rule } } });
  const cases: [file: unknown, path: string, found: string, expected: string][] = [
    [null, "", "null", "an object"],
    [[], "", "an array", "an object"],
    [{}, "origins", "nothing", "an object"],
    [{ origins: {} }, "origins", "{}", "at least one origin"],
    [{ origins: [] }, "origins", "an array", "an object"],
    [{ origins: { a: null } }, "origins.a", "null", "an object"],
    [
      { origins: { Bad: { url: URL_OK } } },
      "origins.Bad",
      '"Bad"',
      "an origin id of at most 40 characters: a lower-case letter, then letters, digits, hyphens",
    ],
    [{ origins: { a: {} } }, "origins.a", "an object", "exactly one of url and service"],
    [withOrigin({ service: "S" }), "origins.a", "an object", "exactly one of url and service"],
    [withOrigin({ url: 5 }), "origins.a.url", "5", 'a URL, or { env: "NAME" }'],
    [withOrigin({ url: undefined, service: 5 }), "origins.a.service", "5", "a string"],
    [withOrigin({ default: "yes" }), "origins.a.default", '"yes"', "a boolean"],
    [withOrigin({ timeout: { firstByte: 5 } }), "origins.a.timeout.firstByte", "5", DURATION],
    [withOrigin({ timeout: { total: "soon" } }), "origins.a.timeout.total", '"soon"', DURATION],
    [
      withOrigin({ timeout: { firstByte: "0s" } }),
      "origins.a.timeout.firstByte",
      '"0s"',
      'more than "0s" and at most "15m"',
    ],
    [withOrigin({ timeout: { total: "30d" } }), "origins.a.timeout.total", '"30d"', 'more than "0s" and at most "15m"'],
    [{ ...withOrigin({}), limits: { entry: "25MB" } }, "limits.entry", '"25MB"', 'at most "16MB"'],
    [withOrigin({ concurrency: 0 }), "origins.a.concurrency", "0", "a whole number of 1 to 1000"],
    [withOrigin({ concurrency: 1_001 }), "origins.a.concurrency", "1001", "a whole number of 1 to 1000"],
    [withOrigin({ concurrency: 1.5 }), "origins.a.concurrency", "1.5", "a whole number"],
    [withOrigin({ concurrency: "3" }), "origins.a.concurrency", '"3"', "a number"],
    [
      withOrigin({ region: "mars" }),
      "origins.a.region",
      '"mars"',
      `one of ${LOCATION_HINTS.map((hint) => `"${hint}"`).join(", ")}`,
    ],
    [withOrigin({ modernize: true }), "origins.a.modernize", "true", 'one of "auto", "always", "never"'],
    [withOrigin({ lists: { defaultTtl: 1 } }), "origins.a.lists.defaultTtl", "1", DURATION],
    [withOrigin({ lists: { staleIfError: true } }), "origins.a.lists.staleIfError", "true", DURATION],
    [withOrigin({ annotated: {} }), "origins.a.annotated.ttl", "nothing", DURATION],
    [withOrigin({ tools: [] }), "origins.a.tools", "an array", "an object"],
    [withOrigin({ tools: { x: { deny: 1 } } }), "origins.a.tools.x.deny", "1", "a boolean"],
    [cache(true), "origins.a.tools.x.cache", "true", "an object"],
    [cache({ ttl: 60 }), "origins.a.tools.x.cache.ttl", "60", DURATION],
    [cache({ staleWhileRevalidate: "1" }), "origins.a.tools.x.cache.staleWhileRevalidate", '"1"', DURATION],
    [cache({ staleIfError: null }), "origins.a.tools.x.cache.staleIfError", "null", DURATION],
    [cache({ clientTtl: "" }), "origins.a.tools.x.cache.clientTtl", '""', DURATION],
    [cache({ scope: "all" }), "origins.a.tools.x.cache.scope", '"all"', 'one of "public", "private"'],
    [cache({ tell: "yes" }), "origins.a.tools.x.cache.tell", '"yes"', "a boolean"],
    [cache({ tags: "t" }), "origins.a.tools.x.cache.tags", '"t"', "an array"],
    [
      cache({ tags: ["a b"] }),
      "origins.a.tools.x.cache.tags.0",
      '"a b"',
      "a tag of 1 to 128 printable characters without spaces",
    ],
    [cache({ tags: Array(33).fill("t") }), "origins.a.tools.x.cache.tags", "an array", "at most 32 tags"],
    [withOrigin({ resources: { x: { cache: { ttl: 1 } } } }), "origins.a.resources.x.cache.ttl", "1", DURATION],
    [withOrigin({ prompts: { x: { cache: { ttl: 1 } } } }), "origins.a.prompts.x.cache.ttl", "1", DURATION],
    [withOrigin({}, { access: true }), "access", "true", "an object"],
    [withOrigin({}, { access: { open: 1 } }), "access.open", "1", "a boolean"],
    [withOrigin({}, { access: { keys: "k" } }), "access.keys", "a string", "a boolean"],
    [
      withOrigin({}, { access: { openOnPurpose: true } }),
      "access.openOnPurpose",
      "true",
      "access.open to be true with it",
    ],
    [
      withOrigin({}, { hosts: ["A.example"] }),
      "hosts.0",
      '"A.example"',
      "a host name in lower case, such as replica.example.com",
    ],
    [withOrigin({}, { hosts: "a" }), "hosts", '"a"', "an array"],
    [withOrigin({}, { ignoreMeta: [""] }), "ignoreMeta.0", '""', "a _meta key or pattern"],
    [withOrigin({}, { limits: { body: "4mb" } }), "limits.body", '"4mb"', SIZE],
    [withOrigin({}, { limits: { entry: 4 } }), "limits.entry", "4", SIZE],
    [withOrigin({}, { limits: { depth: 3 } }), "limits.depth", "3", "a whole number of 4 to 256"],
    [withOrigin({}, { limits: { depth: 257 } }), "limits.depth", "257", "a whole number of 4 to 256"],
    [withOrigin({}, { enabled: "off" }), "enabled", '"off"', "a boolean"],
  ];

  test.each(cases)("%j is refused at %s: found %s, expected %s", (file, path, found, expected) => {
    expect(onlyProblem(file)).toEqual({ path, found, expected });
  });

  test("all problems are told at once, a line each", () => {
    const error = refusal(withOrigin({ concurrency: 0 }, { enabled: "off" }));
    expect(error.message).toBe(
      'origins.a.concurrency: found 0, expected a whole number of 1 to 1000\nenabled: found "off", expected a boolean',
    );
    expect(refusal(null).message).toBe("the file: found null, expected an object");
  });

  test("what was found is cut where it is long", () => {
    const { found } = onlyProblem(withOrigin({ region: "x".repeat(1_000) }));
    expect(found).toHaveLength(60);
  });

  test("unknown options are refused everywhere", () => {
    const unknown: [string, object][] = [
      ["colour", withOrigin({}, { colour: 1 })],
      ["origins.a.colour", withOrigin({ colour: 1 })],
      ["origins.a.timeout.colour", withOrigin({ timeout: { colour: 1 } })],
      ["origins.a.lists.colour", withOrigin({ lists: { colour: 1 } })],
      ["origins.a.annotated.colour", withOrigin({ annotated: { ttl: "1s", colour: 1 } })],
      ["origins.a.tools.x.colour", withOrigin({ tools: { x: { colour: 1 } } })],
      ["origins.a.outbox.colour", withOrigin({ outbox: { colour: 1 } })],
      ["origins.a.tools.x.write.colour", withOrigin({ tools: { x: { write: { colour: 1 } } } })],
      ["origins.a.tools.x.cache.colour", withOrigin({ tools: { x: { cache: { colour: 1 } } } })],
      ["origins.a.resources.x.deny", withOrigin({ resources: { x: { deny: true } } })],
      ["origins.a.resources.x.cache.tell", withOrigin({ resources: { x: { cache: { tell: true } } } })],
      ["origins.a.prompts.x.write", withOrigin({ prompts: { x: { write: 1 } } })],
      ["access.colour", withOrigin({}, { access: { colour: 1 } })],
      ["limits.colour", withOrigin({}, { limits: { colour: 1 } })],
    ];
    for (const [path, file] of unknown) {
      const problem = onlyProblem(file);
      expect(problem.path).toBe(path);
      expect(problem.expected).toMatch(/^one of the known options/);
    }
  });

  test("tools may be called constructor, cache, toString or hasOwnProperty", () => {
    const names = ["constructor", "cache", "toString", "hasOwnProperty", "write", "prototype"];
    const { tools, settings } = originOf({ tools: Object.fromEntries(names.map((name) => [name, { deny: true }])) });
    for (const name of names) expect(tools.find(name)!.value.deny, name).toBe(true);
    expect(Object.keys(settings.denied!).sort()).toEqual([...names].sort());
    expect(originOf().tools.find("constructor")).toBeUndefined();
  });

  test("an entry called __proto__ is refused rather than lost", () => {
    for (const kind of ["tools", "resources", "prompts"]) {
      const file: unknown = JSON.parse(`{"origins":{"a":{"url":"${URL_OK}","${kind}":{"__proto__":{}}}}}`);
      expect(onlyProblem(file)).toMatchObject({ path: `origins.a.${kind}.__proto__`, found: '"__proto__"' });
    }
    expect(onlyProblem(JSON.parse(`{"origins":{"a":{"url":"${URL_OK}"}},"__proto__":{}}`)).path).toBe("__proto__");
  });
});

describe("where the origin is", () => {
  const vars = (url: unknown) => ({ ORIGIN_URL: url });

  test.each([
    "https://mcp.example.com/mcp",
    "https://mcp.example.com:8443/mcp?x=1",
    "http://localhost:3000/mcp",
    "http://127.0.0.1:3000/mcp",
    "http://[::1]:3000/mcp",
  ])("%s is an endpoint, written out or in a var", (url) => {
    expect(originOf({ url }).settings.endpoint).toEqual({ url });
    expect(originOf({ url: { env: "ORIGIN_URL" } }, vars(url)).settings.endpoint).toEqual({ url });
  });

  test.each([
    "http://mcp.example.com/mcp",
    "http://localhost.example.com/mcp",
    "http://10.0.0.1/mcp",
    "ftp://localhost/mcp",
    "file:///etc/hosts",
    "javascript:alert(1)",
    "https://user:hunter2@mcp.example.com/mcp",
    "https://hunter2@mcp.example.com/mcp",
    "https://mcp.example.com/mcp#hunter2",
    "mcp.example.com/mcp",
    "",
  ])("%j is none, and is not repeated in the message", (url) => {
    for (const error of [
      refusal(withOrigin({ url })),
      refusal(withOrigin({ url: { env: "ORIGIN_URL" } }), vars(url)),
    ]) {
      expect(error.problems).toHaveLength(1);
      expect(error.problems[0]).toMatchObject({
        path: "origins.a.url",
        expected: URL_SHAPE,
      });
      expect(error.message).not.toMatch(/hunter2/);
    }
  });

  test("a var that is missing or no text is named in the message", () => {
    for (const value of [undefined, 5, {}]) {
      expect(onlyProblem(withOrigin({ url: { env: "ORIGIN_URL" } }), vars(value)).found).toBe(
        "no such URL in the var ORIGIN_URL",
      );
    }
    expect(onlyProblem(withOrigin({ url: { env: "toString" } }), {}).path).toBe("origins.a.url");
  });

  test("a credential in the wrong place is never repeated in the message", () => {
    const misplaced = [
      withOrigin({ service: "S", url: "https://u:hunter2@x.example/" }),
      withOrigin({ auth: { bearer: { secret: "hunter2" } } }),
      withOrigin({ auth: { bearer: { token: "hunter2" } } }),
      withOrigin({ auth: { bearer: "hunter2" } }),
      withOrigin({ auth: { header: { name: "hunter2 x", secret: "A" } } }),
      withOrigin({ auth: "hunter2" }),
      withOrigin({ url: ["https://u:hunter2@x.example/"] }),
      withOrigin({ url: { env: "A", fallback: "hunter2" } }),
      withOrigin({ token: "hunter2" }),
      withOrigin({ sync: { webhook: { secret: "hunter2" } } }),
      withOrigin({ sync: { webhook: "hunter2" } }),
      withOrigin({ headers: { authorization: "hunter2" } }),
      { origins: { Bad: { url: "https://u:hunter2@x.example/" } } },
      { origins: [{ url: "https://u:hunter2@x.example/" }] },
      withOrigin({}, { origin: { url: "https://u:hunter2@x.example/" } }),
      withOrigin({}, { access: { jwt: "hunter2" } }),
    ];
    for (const file of misplaced) expect(refusal(file).message, JSON.stringify(file)).not.toMatch(/hunter2/);
  });

  test("only this machine's own names are loopback", () => {
    for (const name of ["localhost", "127.0.0.1", "[::1]"]) expect(isLoopback(name)).toBe(true);
    for (const name of ["", "127.0.0.2", "0.0.0.0", "localhost.", "a.localhost", "::1", "example.com"])
      expect(isLoopback(name)).toBe(false);
  });
});

describe("patterns", () => {
  /** Letters of which some are special in regular expressions, so that runs and repeats are likely. */
  const letter = fc.constantFrom("a", "b", ".", "$", "é", "\n");
  const name = fc.string({ unit: letter, maxLength: 12 });
  const pattern = fc.string({ unit: fc.oneof(letter, fc.constant("*")), maxLength: 8 });

  function oracle(text: string, candidate: string): boolean {
    const source = text.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(`^${source.join("[^]*")}$`).test(candidate);
  }

  test("a pattern matches what the regular expression of it matches", () => {
    fc.assert(
      fc.property(pattern, name, (text, candidate) => {
        expect(matches(text, candidate)).toBe(oracle(text, candidate));
      }),
      { numRuns: 3_000 },
    );
  });

  test("a pattern matches what its stars were filled to make", () => {
    fc.assert(
      fc.property(pattern, fc.infiniteStream(name), (text, fillings) => {
        expect(
          matches(
            text,
            text.replace(/\*/g, () => fillings.next().value!),
          ),
        ).toBe(true);
      }),
    );
  });

  test("parts of a pattern do not share letters of the name", () => {
    expect(matches("ab*ba", "aba")).toBe(false);
    expect(matches("ab*b*ba", "abba")).toBe(false);
    expect(matches("ab*b*ba", "abbba")).toBe(true);
  });

  test("exact beats pattern, and longer beats shorter, whatever the order of the file", () => {
    const entries = ["*", "get_*", "get_product*", "get_product", "*product", "?"];
    fc.assert(
      fc.property(fc.shuffledSubarray(entries, { minLength: entries.length }), (order) => {
        const table = patternTable(Object.fromEntries(order.map((entry) => [entry, entry])));
        expect(table.find("get_product")).toEqual({ key: "get_product", value: "get_product", exact: true });
        expect(table.find("get_products")).toEqual({ key: "get_product*", value: "get_product*", exact: false });
        expect(table.find("get_x")).toEqual({ key: "get_*", value: "get_*", exact: false });
        expect(table.find("a_product")).toEqual({ key: "*product", value: "*product", exact: false });
        expect(table.find("else")).toEqual({ key: "*", value: "*", exact: false });
      }),
      { numRuns: 30 },
    );
  });

  test("patterns of one length are tried in one order, whatever the order of the file", () => {
    expect(patternTable({ "a*": 1, "*a": 2 }).find("aa")).toEqual(patternTable({ "*a": 2, "a*": 1 }).find("aa"));
  });

  test("what no entry names is not found, prototypes included", () => {
    const table = patternTable({ a: 1 });
    for (const missing of ["b", "", "constructor", "__proto__"]) expect(table.find(missing)).toBeUndefined();
  });
});

describe("policy", () => {
  const origin = originOf({
    lists: { defaultTtl: "1m" },
    annotated: { ttl: "30s" },
    tools: {
      search: { cache: { ttl: "5m" } },
      "get_*": { cache: { ttl: "1m" } },
      get_secret: { deny: true },
      "admin_*": { deny: true },
      admin_help: { cache: { ttl: "1h" } },
      plain: {},
    },
    resources: { "x://*": { cache: { ttl: "10m" } }, "x://none": {} },
    prompts: { greet: { cache: { ttl: "10m" } }, quiet: {} },
  });
  const ttl = (method: string, target: string | null) => {
    const policy = policyOf(origin, method, target);
    return "rule" in policy ? [policy.kind, policy.rule.ttlMs] : [policy.kind];
  };

  test("discover, initialize and the four lists follow the lists' rule", () => {
    for (const method of [
      "server/discover",
      "initialize",
      "tools/list",
      "prompts/list",
      "resources/list",
      "resources/templates/list",
    ]) {
      expect(policyOf(origin, method, null)).toEqual({ kind: "cache", rule: origin.lists });
    }
  });

  test("a tool is cached by name; by pattern or annotation only if it only reads", () => {
    expect(ttl("tools/call", "search")).toEqual(["cache", 300_000]);
    expect(ttl("tools/call", "get_x")).toEqual(["cache-if-read-only", 60_000]);
    expect(ttl("tools/call", "unnamed")).toEqual(["cache-if-read-only", 30_000]);
    expect(ttl("tools/call", "plain")).toEqual(["relay"]);
    expect(policyOf(originOf(), "tools/call", "unnamed")).toEqual({ kind: "relay" });
  });

  test("a denied tool is denied, unless a closer name says otherwise", () => {
    expect(ttl("tools/call", "admin_drop")).toEqual(["deny"]);
    expect(ttl("tools/call", "get_secret")).toEqual(["deny"]);
    expect(ttl("tools/call", "admin_help")).toEqual(["cache", 3_600_000]);
  });

  test("a resource follows its entry, else the protocol", () => {
    expect(ttl("resources/read", "x://1")).toEqual(["cache", 600_000]);
    for (const uri of ["x://none", "y://1"]) {
      expect(policyOf(origin, "resources/read", uri)).toEqual({ kind: "cache", rule: PROTOCOL_RULE });
    }
  });

  test("a prompt is cached only where an entry says so", () => {
    expect(ttl("prompts/get", "greet")).toEqual(["cache", 600_000]);
    expect(ttl("prompts/get", "quiet")).toEqual(["relay"]);
    expect(ttl("prompts/get", "other")).toEqual(["relay"]);
  });

  test("everything else is relayed", () => {
    for (const method of [
      "ping",
      "tasks/get",
      "completion/complete",
      "subscriptions/listen",
      "constructor",
      "__proto__",
      "",
    ]) {
      expect(policyOf(origin, method, "search")).toEqual({ kind: "relay" });
    }
  });
});
