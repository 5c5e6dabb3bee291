import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PUBLIC } from "../../src/cache/key.ts";
import { resolve } from "../../src/config/resolve.ts";
import { land, type FillRequest } from "../../src/origin/land.ts";
import { RetryBudget } from "../../src/origin/RetryBudget.ts";
import { runs } from "../support/runs.ts";

const START = 1_000_000;

describe("the budget of retries", () => {
  const taken = (budget: RetryBudget, now: number) => {
    let count = 0;
    while (budget.take(now)) count++;
    return count;
  };

  test("is ten at first, and never more", () => {
    const budget = new RetryBudget();
    for (let nth = 0; nth < 1_000; nth++) budget.called(START);
    expect(taken(budget, START)).toBe(10);
    expect(taken(budget, START + 86_400_000)).toBe(10);
  });

  test("grows by one for ten calls, to the call", () => {
    const budget = new RetryBudget();
    taken(budget, START);
    for (let nth = 0; nth < 9; nth++) budget.called(START);
    expect(budget.take(START)).toBe(false);
    budget.called(START);
    expect([budget.take(START), budget.take(START)]).toEqual([true, false]);
  });

  test("grows by one in ten seconds, and says how long that is still", () => {
    const budget = new RetryBudget();
    expect(budget.waitMs(START)).toBe(0);
    taken(budget, START);
    expect(budget.waitMs(START)).toBe(10_000);
    budget.called(START + 4_000);
    expect(budget.waitMs(START + 4_000)).toBe(5_000);
    expect(budget.take(START + 8_999)).toBe(false);
    expect([budget.take(START + 9_000), budget.take(START + 9_000)]).toEqual([true, false]);
  });

  test("gets nothing from a clock that is set back, and goes on from there", () => {
    const budget = new RetryBudget();
    taken(budget, START);
    expect(budget.take(START - 500_000)).toBe(false);
    expect(budget.take(START - 490_001)).toBe(false);
    expect(budget.take(START - 490_000)).toBe(true);
  });

  test("lets no more through, whenever and however often is asked, than a tenth of the calls, one in ten seconds, and ten", () => {
    const step = fc.record({ afterMs: fc.nat(30_000), calls: fc.nat(30), tries: fc.nat(30) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const budget = new RetryBudget();
        let [now, calls, passed] = [START, 0, 0];
        for (const { afterMs, calls: more, tries } of steps) {
          now += afterMs;
          for (let nth = 0; nth < more; nth++) budget.called(now);
          calls += more;
          for (let nth = 0; nth < tries; nth++) passed += Number(budget.take(now));
          expect(passed).toBeLessThanOrEqual(10 + calls / 10 + (now - START) / 10_000);
        }
      }),
      { numRuns: runs(100, 10_000) },
    );
  });
});

describe("a fill", () => {
  const { settings: origin, lists } = resolve({
    origins: { o: { service: "ORIGIN", lists: { defaultTtl: "1m" } } },
  }).origins.get("o")!;
  const request: FillRequest = {
    origin,
    key: "k",
    addresses: { private: { text: "[]", originId: "o", method: "tools/list", target: null, partition: PUBLIC } },
    method: "tools/list",
    era: "legacy",
    hints: true,
    rule: lists,
    tags: [],
    isWrapped: false,
    isLegacyOnly: true,
    laterPage: false,
    headers: {},
    id: 1,
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }),
    again: false,
  };
  const text = JSON.stringify({ jsonrpc: "2.0", id: 1, result: { tools: [] } });
  const json = { "content-type": "application/json" };
  const sse = { "content-type": "text/event-stream" };
  const good = () => new Response(text, { headers: json });
  const refuse = (): Response => {
    throw new Error("connection refused");
  };
  /** A body that breaks off after a text. */
  const broken = (begun: string, headers: Record<string, string>) => () => {
    let isBegun = false;
    const pull = (controller: ReadableStreamDefaultController) => {
      if (isBegun) controller.error(new Error("connection lost"));
      else controller.enqueue(new TextEncoder().encode(begun));
      isBegun = true;
    };
    return new Response(new ReadableStream({ pull }), { headers });
  };
  const brokenJson = broken(text.slice(0, 20), json);

  /** Lets it be answered so, one after the other, the last ever after: how it ended, and how often the origin was asked. */
  async function asked(answers: (() => Response | Promise<Response>)[], more: Partial<FillRequest> = {}, tools = {}) {
    let count = 0;
    const seen: unknown[] = [];
    const fetch = async (url: string, init: RequestInit) => {
      seen.push([url, init.method, init.body, init.headers]);
      return answers[Math.min(count++, answers.length - 1)]!();
    };
    const landing = await land(
      { ...request, ...more },
      {
        bindings: { ORIGIN: { fetch } },
        now: () => START,
        random: () => 0.5,
        pool: async ({ name }) => ({ session: { serial: name, id: undefined, version: "2025-06-18" } }),
        waitUntil: () => {},
        retries: new RetryBudget(),
        ...tools,
      },
    );
    return { landing, count, seen };
  }

  test.each([
    ["there was no connection", refuse],
    ["it broke in the middle", brokenJson],
    ["a stream broke", broken(": hi\n\n", sse)],
    ["a stream ended without the answer", () => new Response(": hi\n\n", { headers: sse })],
  ])("is made once more where %s, in the same words", async (_, answer) => {
    const { landing, count, seen } = await asked([answer, good]);
    expect([landing.kind, count]).toEqual(["entry", 2]);
    expect(seen[1]).toEqual(seen[0]);
    const failed = await asked([answer]);
    expect([failed.landing, failed.count]).toEqual([
      { kind: "failed", failure: { kind: "unreachable" }, retryAfterMs: 0 },
      2,
    ]);
  });

  test("ends as the second has ended", async () => {
    const { landing, count } = await asked([refuse, () => new Response("", { status: 503 })]);
    expect([landing, count]).toMatchObject([{ kind: "failed", failure: { kind: "status", status: 503 } }, 2]);
  });

  test.each([
    ["answers", good],
    ["answers with an error", () => Response.json({ jsonrpc: "2.0", id: 1, error: { code: -32603, message: "no" } })],
    ["is not well", () => new Response("", { status: 503 })],
    ["wants to be left alone", () => new Response("", { status: 429 })],
    ["refuses the credential", () => new Response("", { status: 401 })],
    ["says what is no MCP", () => new Response("<html>", { headers: json })],
  ])("is not made again where the origin %s", async (_, answer) => {
    expect((await asked([answer])).count).toBe(1);
  });

  test("is not made again where the origin takes too long", async () => {
    let count = 0;
    // As with a connection, it is left by its signal.
    const fetch = (_: string, { signal }: RequestInit) => {
      count++;
      return new Promise((_resolve, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
    };
    const impatient = { ...origin, firstByteMs: 20 };
    const { landing } = await asked([good], { origin: impatient }, { bindings: { ORIGIN: { fetch } } });
    expect({ landing, count }).toMatchObject({ landing: { kind: "failed", failure: { kind: "timeout" } }, count: 1 });
  });

  test("is not made again where it took long until it broke", async () => {
    for (const [tookMs, times] of [
      [origin.firstByteMs, 2],
      [origin.firstByteMs + 1, 1],
    ] as const) {
      let now = START;
      const breaks = () => {
        now += tookMs;
        return refuse();
      };
      expect((await asked([breaks, good], {}, { now: () => now })).count).toBe(times);
    }
  });

  test("is not made again when nobody waits any more", async () => {
    const controller = new AbortController();
    const leave = () => {
      controller.abort();
      return refuse();
    };
    expect((await asked([leave, good], {}, { abandoned: controller.signal })).count).toBe(1);
  });

  test("is not made again in a session, pooled or the caller's own", async () => {
    expect((await asked([refuse, good], { pool: "a" })).count).toBe(1);
    expect((await asked([refuse, good], { headers: { "mcp-session-id": "s" } })).count).toBe(1);
  });

  test("is not made again where the budget is spent, or there is none", async () => {
    const retries = new RetryBudget();
    const counts: number[] = [];
    for (let nth = 0; nth < 12; nth++) counts.push((await asked([refuse], {}, { retries })).count);
    // The twelve calls bring the eleventh retry, and not the twelfth.
    expect(counts).toEqual([2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]);
    expect((await asked([refuse, good], {}, { retries: undefined })).count).toBe(1);
  });

  test("may have its budget of bytes for the second answer, of which nothing was taken by the first", async () => {
    const budget = { bytes: text.length };
    expect((await asked([brokenJson, good], { budget })).landing.kind).toBe("entry");
    expect((await asked([brokenJson, good], { budget: { bytes: text.length - 1 } })).landing).toMatchObject({
      failure: { kind: "over-budget" },
    });
  });
});
