import fc from "fast-check";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Authenticator, type Credentials } from "../../src/access/authenticate.ts";
import { keyHmac, keyId, keyRecord, newKey } from "../../src/access/keys.ts";
import { sameText } from "../../src/access/sameText.ts";
import { wireError, type Told, type Trouble } from "../../src/http/errors.ts";
import { guard } from "../../src/http/guard.ts";
import { consoleReporter } from "../../src/telemetry/consoleReporter.ts";
import type { OperationState } from "../../src/outbox/Operation.ts";
import type { OperationView } from "../../src/outbox/Submission.ts";
import type { ReplicaEvent } from "../../src/telemetry/events.ts";

const kv = (env as { KV: KVNamespace }).KV;
const told: Told = { id: 7, isRequest: true, isToolCall: false, isModern: true, correlationId: "c".repeat(32) };
const origin = (failure: Extract<Trouble, { kind: "origin" }>["failure"]): Trouble => ({ kind: "origin", failure });
const OPERATION = `er-op-${"a".repeat(32)}`;
const written = (state: OperationState): OperationView => ({
  id: OPERATION,
  seq: 1,
  principal: "p",
  tool: "put",
  orderKey: null,
  ifStuck: "park",
  idempotency: { kind: "none" },
  tags: [],
  isQueued: true,
  isAwaited: false,
  state,
  attempts: 0,
  acceptedAt: 0,
  updatedAt: 0,
  dueAt: 0,
  givesUpAt: 0,
});
const refused = (refusal: Extract<Trouble, { kind: "write-refused" }>["refusal"]): Trouble => ({
  kind: "write-refused",
  tool: "put",
  refusal,
});

const TROUBLES: [Trouble, number, string, number][] = [
  [origin({ kind: "unreachable" }), 200, "origin_unavailable", -31000],
  [origin({ kind: "timeout", afterMs: 5 }), 200, "origin_timeout", -31000],
  [origin({ kind: "status", status: 503 }), 200, "origin_unavailable", -31000],
  [origin({ kind: "status", status: 429, retryAfterMs: 7_000 }), 200, "origin_rate_limited", -31000],
  [origin({ kind: "refused", status: 401 }), 200, "origin_refused", -31000],
  [origin({ kind: "garbage", detail: "a redirect" }), 200, "origin_invalid", -31000],
  [origin({ kind: "misconfigured", detail: "the secret X is not set" }), 200, "misconfigured", -31000],
  [origin({ kind: "busy", retryAfterMs: 9 }), 200, "origin_busy", -31000],
  [origin({ kind: "limited", retryAfterMs: 9 }), 200, "rate_limited", -31000],
  [origin({ kind: "too-many-calls" }), 200, "too_many_calls", -31000],
  [origin({ kind: "shed", retryAfterMs: 9 }), 200, "shed", -31000],
  [origin({ kind: "over-budget", of: "tokens", most: 9 }), 200, "over_budget", -31000],
  [{ kind: "over-limit", retryAfterMs: 9 }, 200, "rate_limited", -31000],
  [{ kind: "cursor-gone" }, 200, "cursor_gone", -32602],
  [{ kind: "over-limit", tool: "t", retryAfterMs: 9 }, 200, "rate_limited", -31000],
  [{ kind: "not-cached" }, 200, "not_cached", -31000],
  [{ kind: "denied", what: "the tool t" }, 200, "denied", -32602],
  [{ kind: "insufficient-scope", scopes: ["mcp:read"] }, 403, "insufficient_scope", -32600],
  [
    { kind: "rejected", status: 400, code: -32020, reason: "header", message: "m", data: { a: 1 } },
    400,
    "header",
    -32020,
  ],
  [{ kind: "unauthorized" }, 401, "unauthorized", -32600],
  [{ kind: "insufficient-scope", scopes: ["mcp:write"] }, 403, "insufficient_scope", -32600],
  [{ kind: "issuer-unavailable", issuer: "https://login.example.com" }, 503, "issuer_unavailable", -32600],
  [{ kind: "closed" }, 403, "open_on_loopback_only", -32600],
  [{ kind: "unconfigured", detail: "d" }, 403, "access_not_configured", -32600],
  [{ kind: "bad-host" }, 403, "host_not_served", -32600],
  [{ kind: "bad-origin" }, 403, "origin_not_allowed", -32600],
  [{ kind: "unknown-path", known: ["/mcp"] }, 404, "not_found", -32600],
  [{ kind: "method-not-allowed" }, 405, "method_not_allowed", -32600],
  [{ kind: "unsupported-media-type" }, 415, "unsupported_media_type", -32600],
  [{ kind: "too-large", maxBytes: 5 }, 413, "body_too_large", -32600],
  [{ kind: "not-json" }, 400, "not_json", -32700],
  [{ kind: "too-deep", maxDepth: 64 }, 400, "too_deep", -32600],
  [{ kind: "keys-unavailable" }, 503, "keys_unavailable", -32600],
  [{ kind: "bad-key", detail: "d" }, 400, "bad_key", -32600],
  [{ kind: "unknown-key", id: "0" }, 404, "unknown_key", -32600],
  [{ kind: "unknown-role", role: "r", known: [] }, 400, "unknown_role", -32600],
  [{ kind: "defect" }, 200, "internal", -32603],
  [{ kind: "write-queued", operation: written("accepted"), retryAfterMs: 9 }, 200, "write_queued", -31000],
  [{ kind: "write-unanswered", operation: written("ambiguous") }, 200, "write_ambiguous", -31000],
  [{ kind: "write-unanswered", operation: written("dead") }, 200, "write_dead", -31000],
  [{ kind: "write-unanswered", operation: written("discarded") }, 200, "write_discarded", -31000],
  [{ kind: "write-unanswered", operation: written("cancelled") }, 200, "write_cancelled", -31000],
  [{ kind: "write-unanswered", operation: written("done") }, 200, "outcome_lost", -31000],
  [refused({ why: "down", retryAfterMs: 9 }), 200, "origin_unavailable", -31000],
  [refused({ why: "late", retryAfterMs: 9 }), 200, "write_late", -31000],
  [refused({ why: "parked", id: OPERATION }), 200, "order_parked", -31000],
  [refused({ why: "full", retryAfterMs: 9 }), 200, "queue_full", -31000],
  [refused({ why: "principal-full", retryAfterMs: 9 }), 200, "queue_full", -31000],
  [refused({ why: "key-reused" }), 200, "idempotency_key_reused", -31000],
  [refused({ why: "cancelled" }), 200, "write_cancelled", -31000],
  [{ kind: "outbox-unavailable", operationId: OPERATION }, 200, "outbox_unavailable", -31000],
  [{ kind: "idempotency-key-invalid", detail: "d" }, 200, "idempotency_key_invalid", -31000],
  [{ kind: "idempotency-unsupported" }, 200, "idempotency_unsupported", -31000],
];

describe("errors on the wire", () => {
  test.each(TROUBLES)("%j has status %i, data.code %s and JSON-RPC code %i", (trouble, status, code, rpcCode) => {
    const error = wireError(trouble, told);
    expect(error).toMatchObject({ status, code });
    expect(JSON.parse(error.body)).toMatchObject({
      jsonrpc: "2.0",
      id: 7,
      error: { code: rpcCode, message: expect.stringMatching(/\w/), data: { code, correlationId: told.correlationId } },
    });
  });

  test("whoever is refused a write is told that nothing was sent; whoever has an operation, its id", () => {
    for (const [trouble] of TROUBLES) {
      const { message, data } = JSON.parse(wireError(trouble, told).body).error;
      if (trouble.kind === "write-refused") expect(message).toContain("Nothing of this call was sent");
      const isOfOne = ["write-queued", "write-unanswered", "outbox-unavailable"].includes(trouble.kind);
      expect(data.operationId).toBe(isOfOne ? OPERATION : undefined);
    }
  });

  test("what the caller of a tool can act on is a tool result, in the caller's era", () => {
    const trouble = origin({ kind: "status", status: 429, retryAfterMs: 7_000 });
    const modern = JSON.parse(wireError(trouble, { ...told, isToolCall: true }).body);
    expect(modern.result).toMatchObject({
      isError: true,
      resultType: "complete",
      content: [{ type: "text" }],
      _meta: {
        "edge-replica/error": { code: "origin_rate_limited", retryAfterMs: 7_000, correlationId: told.correlationId },
      },
    });
    const legacy = JSON.parse(wireError(trouble, { ...told, isToolCall: true, isModern: false }).body);
    expect(legacy.result).not.toHaveProperty("resultType");
  });

  test.each([
    [origin({ kind: "limited", retryAfterMs: 9 }), 429],
    [origin({ kind: "too-many-calls" }), 429],
    [{ kind: "over-limit", retryAfterMs: 9 } as const, 429],
    [origin({ kind: "shed", retryAfterMs: 9 }), 503],
    [origin({ kind: "over-budget", of: "bytes", most: 9 }), 502],
  ])("what has no answer is told of %j by the status %i", (trouble, status) => {
    const error = wireError(trouble, { ...told, id: null, isRequest: false });
    expect(error.status).toBe(status);
  });

  test("a malformed tool call is no tool result", () => {
    const error = wireError({ kind: "too-deep", maxDepth: 64 }, { ...told, isToolCall: true, id: null });
    expect(JSON.parse(error.body)).toMatchObject({ id: null, error: { data: { code: "too_deep" } } });
  });
});

describe("the guard", () => {
  const hosts = new Set(["replica.example.com"]);

  test.each([
    ["http://127.0.0.1:8787/mcp", null, undefined],
    ["http://localhost/mcp", "http://localhost:3000", undefined],
    ["http://[::1]:8787/mcp", null, undefined],
    ["https://replica.example.com/mcp", "https://replica.example.com", undefined],
    ["http://127.0.0.1/mcp", "https://replica.example.com", undefined],
    ["https://evil.example.com/mcp", null, "bad-host"],
    ["http://127.0.0.1.evil.example/mcp", null, "bad-host"],
    ["http://localhost.evil.example/mcp", null, "bad-host"],
    ["http://127.0.0.1/mcp", "https://evil.example.com", "bad-origin"],
    ["http://127.0.0.1/mcp", "null", "bad-origin"],
    ["http://127.0.0.1/mcp", "", "bad-origin"],
    ["https://replica.example.com/mcp", "http://localhost:3000", "bad-origin"],
  ])("of %s with Origin %j says %s", (url, page, expected) => {
    expect(guard(new URL(url), page, hosts)?.kind).toBe(expected);
  });
});

describe("API keys", () => {
  const PEPPER = "pepper";
  const make = () => newKey((bytes) => crypto.getRandomValues(new Uint8Array(bytes)));
  const by = (authorization: string | null, now = 0): Credentials => ({
    headers: new Headers(authorization === null ? {} : { authorization }),
    hostname: "replica.example.com",
    resource: "https://replica.example.com/mcp",
    kv,
    pepper: PEPPER,
    now: () => now,
    waitUntil: () => {},
  });
  const store = async ({ id, key }: { id: string; key: string }) =>
    kv.put(keyRecord(id), JSON.stringify({ name: "n", hmac: await keyHmac(key, PEPPER), createdAt: 0 }));
  const access = { open: false, openOnPurpose: false, keys: true };

  test("let in the principal of their id, and nobody else", async () => {
    const [mine, other] = [make(), make()];
    await store(mine);
    const door = new Authenticator(access);
    expect(await door.authenticate(by(`Bearer ${mine.key}`))).toEqual({ caller: { principal: `key:${mine.id}` } });
    const forged = mine.key.slice(0, -1) + (mine.key.endsWith("0") ? "1" : "0");
    for (const wrong of [
      null,
      "",
      "Bearer",
      mine.key,
      `Basic ${mine.key}`,
      `Bearer ${other.key}`,
      `Bearer ${forged}`,
      `Bearer ${mine.key} x`,
    ]) {
      expect(await door.authenticate(by(wrong)), String(wrong)).toMatchObject({ refusal: { kind: "unauthorized" } });
    }
  });

  test("that are taken back work for a minute more at most", async () => {
    const mine = make();
    await store(mine);
    const door = new Authenticator(access);
    await door.authenticate(by(`Bearer ${mine.key}`, 0));
    await kv.delete(keyRecord(mine.id));
    expect(await door.authenticate(by(`Bearer ${mine.key}`, 59_999))).toHaveProperty("caller");
    expect(await door.authenticate(by(`Bearer ${mine.key}`, 60_000))).toHaveProperty("refusal");
  });

  test("without a pepper let nobody in, and say so", async () => {
    const door = new Authenticator(access);
    const refused = await door.authenticate({ ...by(`Bearer ${make().key}`), pepper: undefined });
    expect(refused).toEqual({
      refusal: { kind: "unconfigured", detail: expect.stringContaining("the secret KEY_PEPPER is not set") },
    });
  });

  test("have 256 random bits and a form of their own", () => {
    const { id, key } = make();
    expect(key).toMatch(/^erk_[0-9a-f]{12}_[0-9a-f]{64}$/);
    expect(keyId(key)).toBe(id);
    expect(keyId(`${key}0`)).toBeUndefined();
    expect(sameText("ab", "ab")).toBe(true);
    expect(sameText("ab", "aB")).toBe(false);
    expect(sameText("ab", "abc")).toBe(false);
  });

  test.each([
    [{ open: true, openOnPurpose: false, keys: false }, "127.0.0.1", "anonymous"],
    [{ open: true, openOnPurpose: false, keys: false }, "replica.example.com", "closed"],
    [{ open: true, openOnPurpose: true, keys: false }, "replica.example.com", "anonymous"],
    [{ open: true, openOnPurpose: false, keys: true }, "replica.example.com", "unauthorized"],
    [{ open: false, openOnPurpose: false, keys: false }, "127.0.0.1", "unconfigured"],
  ])("with access %j, a caller without a key at %s is %s", async (rules, hostname, expected) => {
    const outcome = await new Authenticator(rules).authenticate({ ...by(null), hostname });
    expect("caller" in outcome ? outcome.caller.principal : outcome.refusal.kind).toBe(expected);
  });

  test("open access on loopback is not for what comes through Cloudflare, whatever name a tunnel gives it", async () => {
    const door = new Authenticator({ open: true, openOnPurpose: false, keys: false });
    const from = (address: string) => {
      const headers = new Headers({ "cf-connecting-ip": address });
      return door.authenticate({ ...by(null), hostname: "localhost", headers });
    };
    expect(from("192.0.2.1")).toEqual({ refusal: { kind: "closed" } });
    expect(from("127.0.0.1")).toHaveProperty("caller");
  });
});

describe("the log", () => {
  afterEach(() => vi.restoreAllMocks());

  const event: ReplicaEvent = {
    type: "request",
    origin: "o",
    method: "tools/call",
    name: "search",
    result: "hit",
    status: 200,
    ageMs: 1_234,
    durationMs: 0.25,
    correlationId: "0123456789abcdef0123456789abcdef",
  };
  const logged = (form: unknown, what: ReplicaEvent) => {
    vi.restoreAllMocks();
    const log = vi.spyOn(console, "log").mockImplementation(() => {});
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    consoleReporter(form)(what);
    return [...log.mock.calls, ...warn.mock.calls].map(([text]) => text as string);
  };

  test("has a line for a request: method, name, result, age, time, correlation", () => {
    expect(logged("line", event)).toEqual(["tools/call search hit age=1234ms 0.3ms 01234567"]);
  });

  test("has the whole event as JSON, and nothing when it is off", () => {
    expect(JSON.parse(logged("json", event)[0]!)).toEqual(event);
    expect(logged(undefined, event)).toHaveLength(1);
    vi.restoreAllMocks();
    expect(logged("off", event)).toEqual([]);
  });

  test.each([["a\nrequest forged hit"], ["a\r\u2028b"], ["\u001b[31mred"], ["\u202eevil"], ["x".repeat(10_000)]])(
    "cannot be faked by the name %j",
    (name) => {
      const [line = ""] = logged("line", { ...event, name });
      expect(line).toMatch(/^[\x20-\x7e]{1,300}$/);
      expect(JSON.parse(logged("json", { ...event, name }).at(-1)!)).toMatchObject({ name });
    },
  );

  test("is one line of printable ASCII for each event, whatever callers, origins and stores say", () => {
    const text = fc.string({
      unit: fc.constantFrom(
        "a",
        " ",
        '"',
        "\\",
        "=",
        "{",
        "\n",
        "\r",
        "\t",
        "\0",
        "\u001b",
        "\u0085",
        "\u2028",
        "\ud800",
        "é",
      ),
      maxLength: 200,
    });
    const told = fc.oneof(
      fc.record({ name: text, method: text, origin: text, code: text }).map((said) => ({ ...event, ...said })),
      fc
        .record({ origin: text, name: text, message: text })
        .map((said) => ({ type: "policy-warning" as const, ...said })),
      fc
        .record({ origin: text, reason: text })
        .map((said) => ({ type: "origin-health" as const, state: "down" as const, ...said })),
      fc.record({ reason: text, correlationId: text }).map((said) => ({ type: "defect" as const, ...said })),
    );
    fc.assert(
      fc.property(told, (what) => {
        const [line, ...others] = logged("line", what);
        expect(line).toMatch(/^[\x20-\x7e]{1,2000}$/);
        expect(others).toEqual([]);
        const [json = ""] = logged("json", what);
        expect(json).toMatch(/^[\x20-\x7e]+$/);
        expect(JSON.parse(json)).toEqual(what);
      }),
    );
  });

  test("tells other events on one line as well", () => {
    const [line] = logged("line", { type: "store-failed", operation: "put", reason: "KV PUT failed: 500\nx" });
    expect(line).toBe('store-failed operation=put reason="KV PUT failed: 500\\nx"');
  });
});
