import { describe, expect, test } from "vitest";
import { NOBODY } from "../../src/access/payer.ts";
import { resolve } from "../../src/config/resolve.ts";
import { candidatesOf } from "../../src/lanes/candidates.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { fill } from "../../src/lanes/fill.ts";
import { relay } from "../../src/lanes/relay.ts";
import { bootstrapCall } from "../../src/lanes/surface.ts";
import { MODERN_VERSION } from "../../src/mcp/versions.ts";
import type { Boarding } from "../../src/origin/Flights.ts";
import { FeedView } from "../../src/sync/FeedView.ts";

const META = { "io.modelcontextprotocol/protocolVersion": MODERN_VERSION };

/** A modern request whose caller may leave, to an origin that answers `respond`, or flights that end in `boarding`. */
function setUp(respond: () => Response = () => new Response(null, { status: 503 }), boarding?: Boarding) {
  const leaving = new AbortController();
  const replica = resolve({ origins: { o: { service: "ORIGIN" } }, access: { open: true } });
  const origin = replica.origins.get("o")!;
  const feed = new FeedView(() => "i");
  const body = { jsonrpc: "2.0", id: 1, method: "acme/one", params: { _meta: META } };
  const x = {
    replica,
    origin,
    feed,
    env: {
      ORIGIN: {
        fetch: async () => {
          if (leaving.signal.aborted) throw new Error("The operation was aborted");
          return respond();
        },
      },
      COALESCER: { idFromName: String, get: () => ({ fill: async () => boarding, leave: async () => {} }) },
    },
    isolate: { eras: new Map(), catalogues: new Map(), suspectAt: new Map() },
    trace: { traceId: "0".repeat(32), flags: "00", correlationId: "c" },
    headers: new Headers(),
    scan: { exact: true, duplicates: false },
    httpMethod: "POST",
    body,
    text: JSON.stringify(body),
    caller: { principal: "ann" },
    principal: "ann",
    payer: NOBODY,
    left: () => leaving.signal,
    waitUntil: () => {},
    report: () => {},
    word: () => "",
    now: Date.now,
    random: Math.random,
  } as unknown as Exchange;
  const call = bootstrapCall("server/discover", MODERN_VERSION);
  const ask = () =>
    fill(x, call, origin.lists, candidatesOf(x, call, origin.lists)!, { again: false, previous: undefined });
  return { x, leave: () => leaving.abort(), ask, told: () => feed.health.take() };
}

const FAILED = { kind: "failed", failure: { kind: "unreachable" }, retryAfterMs: 0 } as const;

describe("of the origin's health, a relay tells", () => {
  test("that it failed, once", async () => {
    const { x, told } = setUp();
    await relay(x);
    expect(told()).toMatchObject({ ok: 0, failed: 1, reason: "HTTP 503" });
  });

  test("nothing where its caller has left it", async () => {
    const { x, leave, told } = setUp();
    leave();
    await relay(x);
    expect(told()).toBeUndefined();
  });
});

describe("a fill tells", () => {
  test("that it failed, where it was begun here, and not where it was joined", async () => {
    const begun = setUp(undefined, { ...FAILED, collapsed: false });
    await begun.ask();
    expect(begun.told()).toMatchObject({ ok: 0, failed: 1, reason: "unreachable" });
    const joined = setUp(undefined, { ...FAILED, collapsed: true });
    await joined.ask();
    expect(joined.told()).toBeUndefined();
  });

  test("nothing where its caller has left it, or where nothing was asked", async () => {
    const { leave, ask, told } = setUp(undefined, { ...FAILED, collapsed: false });
    leave();
    await ask();
    expect(told()).toBeUndefined();
    const passed = setUp(undefined, { kind: "pass" });
    await passed.ask();
    expect(passed.told()).toBeUndefined();
  });
});
