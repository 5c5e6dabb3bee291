import { describe, expect, test } from "vitest";
import type { ConfigError } from "../../src/config/ConfigError.ts";
import { policyOf } from "../../src/config/policy.ts";
import type { Origin } from "../../src/config/replica.ts";
import { resolve } from "../../src/config/resolve.ts";

const file = (origin: object, more: object = {}) => ({
  origins: { a: { url: "https://mcp.example.com/mcp", ...origin } },
  ...more,
});
const originOf = (origin: object): Origin => resolve(file(origin)).origins.get("a")!;
const withTool = (tool: object, origin: object = {}) => file({ ...origin, tools: { t: tool } });
const withWrite = (write: object, origin?: object) => withTool({ write }, origin);
const ruleOf = (write: object) => originOf({ tools: { t: { write } } }).tools.find("t")!.value.write;

function problemsOf(config: object): string[] {
  try {
    resolve(config);
    return [];
  } catch (error) {
    return (error as ConfigError).problems.map(
      ({ path, found, expected }) => `${path.replace(/^origins\.a\.(tools\.t\.)?/, "")}: ${found} | ${expected}`,
    );
  }
}

describe("how the calls of a tool get to the origin", () => {
  test("is by relay, unless the operator says queue or idempotent", () => {
    for (const write of [{ invalidates: ["a"] }, { invalidates: ["a"], idempotent: false }])
      expect(ruleOf(write)).toEqual({ invalidates: ["a"], isAwaited: false });
    const { outbox, hasWrites } = originOf({ tools: { t: { write: { invalidates: ["a"] } } } });
    expect([outbox, hasWrites]).toEqual([undefined, true]);
  });

  test("is through the outbox with either, and what it changes need not be said then", () => {
    const rule = { queue: undefined, orderBy: null, idempotent: "no", unlessTask: "refuse", ifStuck: "park" };
    const outboxOf = (write: object) => ruleOf(write)!.outbox;
    expect(ruleOf({ queue: "when-down" })).toEqual({
      invalidates: [],
      isAwaited: false,
      outbox: { ...rule, queue: "when-down" },
    });
    expect(outboxOf({ queue: "always", idempotent: true, orderBy: false, unlessTask: "notify" })).toEqual({
      ...rule,
      queue: "always",
      idempotent: "yes",
      orderBy: false,
      unlessTask: "notify",
    });
    expect(outboxOf({ idempotent: "annotated" })).toEqual({ ...rule, idempotent: "annotated" });
    expect(outboxOf({ idempotent: { argument: "request_id" }, orderBy: "product:{sku}", ifStuck: "skip" })).toEqual({
      ...rule,
      idempotent: { argument: "request_id" },
      orderBy: "product:{sku}",
      ifStuck: "skip",
    });
    expect(outboxOf({ idempotent: { header: "Idempotency-Key" } })).toEqual({
      ...rule,
      idempotent: { header: "idempotency-key" },
    });
  });

  test("may be said of a pattern, and what it changes is still invalidated and awaited", () => {
    const a = originOf({
      tools: {
        "save_*": { write: { queue: "when-down", invalidates: ["product:{sku}"] } },
        get: { cache: { ttl: "1m", tags: ["product:{sku}"] } },
      },
    });
    const policy = policyOf(a, "tools/call", "save_product");
    expect(policy).toMatchObject({
      kind: "write",
      write: { invalidates: ["product:{sku}"], isAwaited: true, outbox: { queue: "when-down" } },
    });
    expect(a.hasWrites).toBe(true);
  });

  test("goes with a limit", () => {
    expect(problemsOf(withTool({ write: { queue: "when-down" }, limit: "WRITE_LIMIT" }))).toEqual([]);
  });
});

describe("the bounds of the outbox", () => {
  const tools = { t: { write: { queue: "when-down" } } };

  test("have defaults, of which one caller's are no more than all's", () => {
    const limits = {
      depth: 10_000,
      bytes: 67_108_864,
      callerDepth: 1_000,
      callerBytes: 16_777_216,
      maxAgeMs: 86_400_000,
      retentionMs: 86_400_000,
    };
    expect(originOf({ tools }).outbox).toEqual(limits);
    expect(originOf({ tools: { t: { write: { idempotent: "annotated" } } } }).outbox).toEqual(limits);
    expect(originOf({ tools, outbox: { depth: 10, bytes: "1MB" } }).outbox).toEqual({
      ...limits,
      depth: 10,
      bytes: 1_048_576,
      callerDepth: 10,
      callerBytes: 1_048_576,
    });
  });

  test("are the operator's", () => {
    const outbox = {
      depth: 1_000_000,
      bytes: "1024MB",
      callerDepth: 5_000,
      callerBytes: "64MB",
      maxAge: "1m",
      retention: "30d",
    };
    expect(originOf({ tools, outbox }).outbox).toEqual({
      depth: 1_000_000,
      bytes: 1_073_741_824,
      callerDepth: 5_000,
      callerBytes: 67_108_864,
      maxAgeMs: 60_000,
      retentionMs: 2_592_000_000,
    });
  });
});

test("kept answers that queued writes are about to change are refused only where the operator says so", () => {
  const cache = { ttl: "1m" };
  const { tools, resources, prompts } = originOf({
    tools: { a: { cache, readPending: "refuse" }, b: { cache, readPending: "stale" }, c: { cache } },
    resources: { "x://*": { cache, readPending: "refuse" } },
    prompts: { p: { cache, readPending: "refuse" } },
  });
  const refuses = ["a", "b", "c"].map((name) => tools.find(name)!.value.refusesPending);
  expect([...refuses, resources.find("x://1")!.value.refusesPending, prompts.find("p")!.value.refusesPending]).toEqual([
    true,
    false,
    false,
    true,
    true,
  ]);
});

const FORMS = 'true, false, "annotated", { argument: "request_id" } or { header: "Idempotency-Key" }';
const ORDER = "a template of 1 to 128 printable characters without spaces, such as product:{sku}";
const ARGUMENT = "the name of one argument, without braces, dots and slashes";
const SIZE = 'more than "0B", at most "1024MB"';
const queue = "when-down";
const personal = { exchange: { tokenEndpoint: "https://as.example/token", clientId: "c", secret: "S" } };
const jwt = { issuer: "https://as.example", jwks: "https://as.example/jwks" };

test.each<[string, object, string]>([
  // The shape.
  ["another queue", withWrite({ queue: "maybe" }), 'write.queue: "maybe" | one of "when-down", "always"'],
  ["no order but by false", withWrite({ queue, orderBy: true }), `write.orderBy: true | ${ORDER}; or false`],
  ["an order by nothing", withWrite({ queue, orderBy: "" }), `write.orderBy: "" | ${ORDER}`],
  ["an order with spaces", withWrite({ queue, orderBy: "a b" }), `write.orderBy: "a b" | ${ORDER}`],
  ["another word", withWrite({ idempotent: "yes" }), `write.idempotent: "yes" | ${FORMS}`],
  ["no name", withWrite({ idempotent: { argument: "" } }), `write.idempotent.argument: "" | ${ARGUMENT}`],
  ["a path", withWrite({ idempotent: { argument: "a.id" } }), `write.idempotent.argument: "a.id" | ${ARGUMENT}`],
  ["a template", withWrite({ idempotent: { argument: "{id}" } }), `write.idempotent.argument: "{id}" | ${ARGUMENT}`],
  [
    "the prototype",
    withWrite({ idempotent: { argument: "__proto__" } }),
    `write.idempotent.argument: "__proto__" | ${ARGUMENT}`,
  ],
  ["no header", withWrite({ idempotent: { header: "a b" } }), 'write.idempotent.header: "a b" | an HTTP header name'],
  [
    "a header of the protocol's",
    withWrite({ idempotent: { header: "Mcp-Name" } }),
    'write.idempotent.header: "Mcp-Name" | a header that says nothing else, such as X-Api-Key',
  ],
  ...["Authorization", "cookie", "X-Forwarded-For", "CF-Connecting-IP", "Proxy-Authorization", "tracestate"].map(
    (header): [string, object, string] => [
      `the header ${header}`,
      withWrite({ idempotent: { header } }),
      `write.idempotent.header: "${header}" | a header of its own, such as Idempotency-Key`,
    ],
  ),
  ["another notice", withWrite({ queue, unlessTask: "x" }), 'write.unlessTask: "x" | one of "refuse", "notify"'],
  ["another end", withWrite({ queue, ifStuck: "stop" }), 'write.ifStuck: "stop" | one of "park", "skip"'],
  ["no depth", withWrite({ queue }, { outbox: { depth: 0 } }), "outbox.depth: 0 | a whole number of 1 to 1000000"],
  ["no bytes", withWrite({ queue }, { outbox: { bytes: "0B" } }), `outbox.bytes: "0B" | ${SIZE}`],
  ["more than fits", withWrite({ queue }, { outbox: { bytes: "1025MB" } }), `outbox.bytes: "1025MB" | ${SIZE}`],
  ["no time", withWrite({ queue }, { outbox: { maxAge: "59s" } }), 'outbox.maxAge: "59s" | "1m" to "30d"'],
  ["too much time", withWrite({ queue }, { outbox: { maxAge: "31d" } }), 'outbox.maxAge: "31d" | "1m" to "30d"'],
  [
    "a short memory",
    withWrite({ queue }, { outbox: { retention: "23h" } }),
    'outbox.retention: "23h" | "24h" to "30d"',
  ],
  [
    "another word for reads",
    withTool({ cache: { ttl: "1m" }, readPending: "wait" }),
    'readPending: "wait" | one of "stale", "refuse"',
  ],
  // What does not go together.
  ["nothing at all", withWrite({}), "write.invalidates: nothing | at least one tag, or queue or idempotent"],
  [
    "nothing but false",
    withWrite({ idempotent: false }),
    "write.invalidates: nothing | at least one tag, or queue or idempotent",
  ],
  [
    "an order of what is relayed",
    withWrite({ invalidates: ["a"], orderBy: "a:{b}" }),
    'write.orderBy: "a:{b}" | queue or idempotent with it',
  ],
  [
    "the same beside a false",
    withWrite({ invalidates: ["a"], orderBy: false, idempotent: false }),
    "write.orderBy: false | queue or idempotent with it",
  ],
  [
    "a notice where nothing is queued",
    withWrite({ idempotent: true, unlessTask: "notify" }),
    'write.unlessTask: "notify" | queue with it',
  ],
  [
    "an end of what is relayed",
    withWrite({ invalidates: ["a"], ifStuck: "skip" }),
    'write.ifStuck: "skip" | queue or idempotent with it',
  ],
  [
    "an end where nothing stands behind anything",
    withWrite({ queue, orderBy: false, ifStuck: "skip" }),
    'write.ifStuck: "skip" | an order with it',
  ],
  [
    "a brace that stands alone",
    withWrite({ queue, orderBy: "a:{b" }),
    'write.orderBy: "a:{b" | arguments in braces, such as product:{sku}',
  ],
  [
    "a budget",
    withTool({ write: { queue }, budget: { bytes: "1KB" } }),
    'write.queue: "when-down" | no budget with it',
  ],
  [
    "a budget of what is repeated",
    withTool({ write: { idempotent: true }, budget: { bytes: "1KB" } }),
    "write.idempotent: true | no budget with it",
  ],
  [
    "what is expensive",
    withTool({ write: { queue }, expensive: true }),
    'write.queue: "when-down" | no expensive with it',
  ],
  ["what is denied", withTool({ write: { queue }, deny: true }), 'write.queue: "when-down" | no deny with it'],
  ["a cache", withTool({ write: { queue }, cache: { ttl: "1m" } }), "write: an object | no cache with it"],
  [
    "callers with credentials of their own",
    file({ auth: personal, tools: { t: { write: { queue } } } }, { access: { jwt } }),
    'write.queue: "when-down" | an origin that is not asked with each caller\'s own credential: none is kept',
  ],
  [
    "tokens that are sent on",
    file(
      { auth: { forward: true, sameResource: true }, tools: { t: { write: { idempotent: true } } } },
      { access: { jwt } },
    ),
    "write.idempotent: true | an origin that is not asked with each caller's own credential: none is kept",
  ],
  [
    "the key in the header of the credential",
    withWrite({ idempotent: { header: "X-Key" } }, { auth: { header: { name: "x-key", secret: "S" } } }),
    'write.idempotent.header: "X-Key" | another header than that of the origin\'s auth',
  ],
  [
    "bounds of nothing",
    withWrite({ invalidates: ["a"] }, { outbox: {} }),
    "outbox: an object | a tool with write.queue or write.idempotent",
  ],
  [
    "more for one than for all",
    withWrite({ queue }, { outbox: { depth: 10, callerDepth: 11 } }),
    "outbox.callerDepth: 11 | at most the depth, 10",
  ],
  [
    "more for one than for all by default",
    withWrite({ queue }, { outbox: { callerBytes: "65MB" } }),
    'outbox.callerBytes: "65MB" | at most the bytes, 67108864',
  ],
  [
    "a word for reads of a tool that keeps none",
    withTool({ readPending: "stale" }),
    'readPending: "stale" | cache or answer with it',
  ],
  [
    "the same of a write",
    withTool({ write: { queue }, readPending: "refuse" }),
    'readPending: "refuse" | cache or answer with it',
  ],
  [
    "the same of a resource",
    file({ resources: { "x://1": { readPending: "refuse" } } }),
    'resources.x://1.readPending: "refuse" | cache with it',
  ],
  [
    "the same of a prompt",
    file({ prompts: { p: { readPending: "refuse" } } }),
    'prompts.p.readPending: "refuse" | cache with it',
  ],
])("%s is refused", (_, config, problem) => {
  expect(problemsOf(config)).toEqual([problem]);
});

test("another header may hold the key beside the origin's credential", () => {
  const auth = { header: { name: "X-Key", secret: "S" } };
  expect(problemsOf(withWrite({ idempotent: { header: "Idempotency-Key" } }, { auth }))).toEqual([]);
  expect(problemsOf(withWrite({ idempotent: { header: "X-Request" } }, { auth: { bearer: { secret: "S" } } }))).toEqual(
    [],
  );
});
