import { describe, expect, test } from "vitest";
import type { OriginSettings } from "../../src/config/replica.ts";
import type { OriginFailure } from "../../src/origin/failure.ts";
import { conclusionOf } from "../../src/outbox/conclusionOf.ts";
import type { Ending } from "../../src/outbox/Ending.ts";
import { endingOfCall } from "../../src/outbox/endingOfCall.ts";
import { eventLines } from "../../src/outbox/eventLines.ts";
import { Readiness } from "../../src/outbox/Readiness.ts";
import { Sealing } from "../../src/outbox/Sealing.ts";
import { Told } from "../../src/outbox/Told.ts";
import type { Health } from "../../src/sync/Health.ts";
import type { OutboxNews, OutboxWord } from "../../src/sync/OutboxWord.ts";

const UNREACHABLE: OriginFailure = { kind: "unreachable" };

describe("readiness", () => {
  function readinessOf() {
    const world = { now: 1_000_000, failure: UNREACHABLE as OriginFailure | undefined, probes: 0, random: 0.5 };
    const health: { now: Health | undefined } = { now: { state: "up", since: 0 } };
    const ended: unknown[] = [];
    const readiness = new Readiness({
      health: async () => health.now,
      probe: async () => {
        world.probes++;
        return world.failure;
      },
      ended: (ending) => ended.push(ending),
      now: () => world.now,
      random: () => world.random,
    });
    return { world, health, ended, readiness };
  }

  test("an answer counts for ten seconds, and not when a call has failed since, or the clock was set back", () => {
    const { world, readiness } = readinessOf();
    expect(readiness.isReady).toBe(false);
    readiness.called(undefined, world.now);
    world.now += 9_999;
    expect(readiness.isReady).toBe(true);
    world.now += 1;
    expect(readiness.isReady).toBe(false);
    readiness.called({ kind: "status", status: 429 }, world.now);
    expect(readiness.isReady).toBe(true);
    world.now -= 1;
    expect(readiness.isReady).toBe(false);
    world.now += 2;
    readiness.called({ kind: "status", status: 503 }, world.now);
    expect(readiness.isReady).toBe(false);
    // What says nothing of the origin changes nothing.
    readiness.called(undefined, world.now);
    readiness.called({ kind: "no-token", detail: "", retryAfterMs: 1 }, world.now);
    expect(readiness.isReady).toBe(true);
  });

  test("while it is not there it is left alone longer each time, up to half a minute, and found at once when it is back", async () => {
    const { world, readiness, ended } = readinessOf();
    const rests: number[] = [];
    for (let times = 0; times < 7; times++) {
      expect(await readiness.look()).toBe(false);
      rests.push(readiness.restMs);
      world.now += readiness.restMs;
      expect(readiness.restMs).toBe(0);
    }
    expect(rests).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(ended).toEqual(rests.map(() => ({ ok: false, reason: "unreachable" })));
    world.failure = undefined;
    expect([await readiness.look(), readiness.isReady, readiness.restMs]).toEqual([true, true, 0]);
    world.failure = UNREACHABLE;
    world.random = 1;
    await readiness.look();
    expect(readiness.restMs).toBe(1_200);
    // A clock that was ahead does not keep it alone for longer than ever.
    world.now -= 3_600_000;
    expect(readiness.restMs).toBe(0);
    world.now += 3_600_000;
    readiness.hasten();
    expect(readiness.restMs).toBe(0);
  });

  test("it is not ready while it is known to be down, nor where it cannot be asked; those who look together ask once", async () => {
    const { world, health, readiness } = readinessOf();
    world.failure = undefined;
    health.now = { state: "down", since: 0, retryAt: world.now + 5_000 };
    expect(await Promise.all([readiness.look(), readiness.look()])).toEqual([false, false]);
    expect([readiness.restMs, readiness.isReady, world.probes]).toEqual([5_000, false, 1]);
    // Nobody knows: then the probe says.
    health.now = undefined;
    expect(await readiness.look()).toBe(true);
    world.failure = { kind: "misconfigured", detail: "no such binding" };
    expect(await readiness.look()).toBe(false);
  });
});

describe("what is told", () => {
  const NEWS: OutboxNews = { feedId: "feed", seq: 7, floor: 0, hardFloor: 0, changes: [], isAnnounced: [] };

  function toldOf() {
    const world = { now: 0, pending: { a: 1 } as Record<string, number> };
    const words: OutboxWord[] = [];
    const answers: ((news: OutboxNews | Error) => void)[] = [];
    const failed: unknown[] = [];
    const told = new Told({
      origin: () => ({ id: "o" }) as OriginSettings,
      say: (word) => {
        words.push(word);
        return new Promise((resolve, reject) => {
          answers.push((news) => (news instanceof Error ? reject(news) : resolve(news)));
        });
      },
      pending: () => world.pending,
      now: () => world.now,
      failed: (error) => failed.push(error),
    });
    return { world, words, answers, failed, told };
  }
  const announcement = (id: string) => ({ id, tags: ["t"], lapseMs: 1 });
  const conclusion = (id: string, isApplied: boolean) => ({ id, tags: ["t"], isApplied });

  test("goes in one word at a time, and what comes meanwhile goes with the next", async () => {
    const { words, answers, told } = toldOf();
    const first = told.announce([announcement("1")]);
    await expect.poll(() => words.length).toBe(1);
    const others = [told.announce([announcement("2")]), told.announce([announcement("3")])];
    told.conclude(conclusion("1", true));
    told.changed("1");
    answers[0]!({ ...NEWS, isAnnounced: ["1"] });
    expect(await first).toEqual(new Set(["1"]));
    await expect.poll(() => words.length).toBe(2);
    answers[1]!({ ...NEWS, isAnnounced: ["3"] });
    expect(await Promise.all(others)).toEqual([new Set(["3"]), new Set(["3"])]);
    expect(
      words.map(({ announce, conclude, changed, pending, feedId }) => [
        announce.map(({ id }) => id),
        conclude.map(({ id }) => id),
        changed,
        pending,
        feedId,
      ]),
    ).toEqual([
      [["1"], [], [], { a: 1 }, undefined],
      // How many are queued is told where it has changed.
      [["2", "3"], ["1"], ["1"], undefined, "feed"],
    ]);
    expect([told.hasNews, told.dueAt()]).toEqual([false, undefined]);
  });

  test("is told again where it could not be, later each time, but for what was to be announced", async () => {
    const { world, words, answers, told, failed } = toldOf();
    told.conclude(conclusion("1", false));
    told.conclude(conclusion("2", true));
    told.changed("2");
    told.ended({ ok: false, reason: "unreachable" }, 5);
    const announced = told.announce([announcement("3")]);
    await expect.poll(() => words.length).toBe(1);
    answers[0]!(new Error("gone"));
    expect([await announced, failed.length, told.hasNews, told.dueAt()]).toEqual([new Set(), 1, true, 2_000]);
    told.ended({ ok: true }, 6);
    // It is sent again: it has not ended.
    const again = told.announce([announcement("1")]);
    await expect.poll(() => words.length).toBe(2);
    expect(words[1]).toMatchObject({
      announce: [{ id: "1" }],
      conclude: [{ id: "2", isApplied: true }],
      changed: ["2"],
      pending: { a: 1 },
      outcomes: { ok: 1, failed: 1, okAt: 6, failedAt: 5, reason: "unreachable" },
    });
    world.now = 2_000;
    answers[1]!(new Error("gone"));
    await again;
    expect(told.dueAt()).toBe(6_000);
    const last = told.tell();
    await expect.poll(() => words.length).toBe(3);
    answers[2]!(NEWS);
    expect([await last, told.dueAt()]).toEqual([NEWS, undefined]);
  });

  test("is not waited for where it hangs", async () => {
    const { words, told, failed } = toldOf();
    expect(await told.tell()).toBeUndefined();
    expect([words.length, failed.length]).toEqual([1, 1]);
  });

  test("is no more than it has room for: the oldest is let go", async () => {
    const { words, told, answers } = toldOf();
    for (let n = 0; n < 1_200; n++) {
      told.conclude(conclusion(`${n}`, true));
      told.changed(`${n}`);
    }
    const telling = told.tell();
    await expect.poll(() => words.length).toBe(1);
    answers[0]!(NEWS);
    await telling;
    const [{ conclude, changed }] = words as [OutboxWord];
    expect([conclude.length, conclude[0]!.id, changed.length, changed[0]]).toEqual([1_000, "200", 1_000, "200"]);
  });
});

test("what came of a call says whether it was executed", () => {
  const failed = (failure: OriginFailure) => endingOfCall({ reply: { failure }, era: "modern" });
  const said = (message: object, era: "modern" | "legacy" = "modern") =>
    endingOfCall({ reply: { status: 200, text: JSON.stringify({ jsonrpc: "2.0", id: 1, ...message }) }, era });
  const wait = { retryAfterMs: 3_000 };
  const expected: [Ending, object][] = [
    [endingOfCall({ unsent: UNREACHABLE }), { kind: "not-executed", reason: "not-sendable" }],
    [endingOfCall({ reply: { tooLarge: true }, era: "modern" }), { kind: "unknown", isFinal: true }],
    [failed(UNREACHABLE), { kind: "unknown", reason: "no-answer" }],
    [failed({ kind: "timeout", afterMs: 1 }), { kind: "unknown", reason: "timeout" }],
    [failed({ kind: "status", status: 503, ...wait }), { kind: "unknown", reason: "origin-failed", ...wait }],
    [failed({ kind: "status", status: 429, ...wait }), { kind: "not-executed", reason: "origin-refused", ...wait }],
    [failed({ kind: "refused", status: 401 }), { kind: "not-executed", reason: "origin-refused" }],
    [failed({ kind: "no-token", detail: "", ...wait }), { kind: "not-executed", reason: "not-sendable", ...wait }],
    [failed({ kind: "garbage", detail: "", status: 422 }), { kind: "hopeless", reason: "origin-refused" }],
    [failed({ kind: "garbage", detail: "a redirect" }), { kind: "unknown", reason: "unusable-answer" }],
    [failed({ kind: "asked-back" }), { kind: "unknown", reason: "unfinished", isFinal: true }],
    [
      said({ error: { code: -1 } }),
      { kind: "answered", outcome: { kind: "error", text: `{"code":-1}`, era: "modern" } },
    ],
    [said({ result: { content: [] } }, "legacy"), { kind: "answered", outcome: { kind: "result", era: "legacy" } }],
    [said({ result: { task: { taskId: "t" } } }, "legacy"), { kind: "unknown", reason: "unfinished", isFinal: true }],
    [said({ result: { resultType: "input_required" } }), { kind: "hopeless", reason: "unfinished" }],
    [said({ result: { resultType: "other" } }), { kind: "unknown", reason: "unusable-answer" }],
    [said({ result: [] }), { kind: "unknown", reason: "unusable-answer" }],
  ];
  for (const [ending, is] of expected) expect(ending).toMatchObject(is);
});

test("readers are told of what was, or may have been, executed; the rest is left to lapse", () => {
  const operation = { id: "er-op-1", tags: ["t"], attempts: 1 };
  const answered = (text: string, kind: "result" | "error" = "result"): Ending => ({
    kind: "answered",
    outcome: { kind, text, era: "modern" },
  });
  const applied = (ending: Ending, attempts = 1) => conclusionOf({ ...operation, attempts }, ending)?.isApplied;
  const other = `{"isError":true,"_meta":{"edge-replica/error":{}}}`;
  expect([
    applied(answered(`{"content":[]}`)),
    applied(answered(`{"isError":true}`)),
    applied(answered(other)),
    applied(answered("{}", "error")),
    applied({ kind: "hopeless", reason: "unfinished" }),
    applied({ kind: "not-executed", reason: "origin-refused" }),
    applied({ kind: "unknown", reason: "timeout" }),
  ]).toEqual([true, false, undefined, false, false, false, undefined]);
  // One that was sent before may have been executed then.
  expect([
    applied(answered("{}", "error"), 2),
    applied({ kind: "hopeless", reason: "unfinished" }, 2),
    applied({ kind: "not-executed", reason: "origin-refused" }, 2),
  ]).toEqual([true, true, undefined]);
  // Also where the operator has had its tries counted anew.
  const redriven = { ...operation, reason: "timeout" } as const;
  expect([
    conclusionOf(redriven, { kind: "not-executed", reason: "origin-refused" }),
    conclusionOf(redriven, answered("{}", "error"))?.isApplied,
  ]).toEqual([undefined, true]);
  expect(conclusionOf({ ...operation, tags: [] }, answered("{}"))).toBeUndefined();
});

test("what is sealed opens for its operation and its principal alone, and stays as it is without a secret", async () => {
  const secret = "a secret of some length, for this alone";
  const owner = { id: "er-op-1", principal: "a" };
  const outcome = { kind: "result", text: "{}", era: "modern" } as const;
  const sealing = new Sealing("o", secret);
  const args = await sealing.sealArguments(owner, "{}");
  const sealed = (await sealing.sealOutcome(owner, outcome))!;
  expect([await sealing.openArguments(owner, args), await sealing.openOutcome(owner, sealed)]).toEqual(["{}", outcome]);
  const others = [
    sealing.openArguments({ ...owner, id: "er-op-2" }, args),
    sealing.openArguments({ ...owner, principal: "b" }, args),
    sealing.openArguments(owner, sealed),
    new Sealing("other", secret).openArguments(owner, args),
    new Sealing("o", undefined).openArguments(owner, args),
    new Sealing("o", "too short").openOutcome(owner, sealed),
  ];
  expect(await Promise.all(others)).toEqual(others.map(() => undefined));
  const plain = new Sealing("o", undefined);
  expect([await plain.sealArguments(owner, "{}"), await plain.sealOutcome(owner, outcome)]).toEqual(["{}", undefined]);
  expect([await sealing.openArguments(owner, "{}"), await sealing.openOutcome(owner, outcome)]).toEqual([
    "{}",
    outcome,
  ]);
});

test("progress that nobody reads is left out, and the end is not", async () => {
  const { stream, push, end } = eventLines();
  const message = "x".repeat(10_000);
  for (let progress = 0; progress < 100; progress++) push({ progress: { progress, message } });
  push({ submitted: { kind: "refused", why: "cancelled" } });
  end();
  const lines = (await new Response(stream).text()).trimEnd().split("\n");
  expect(lines.length).toBeLessThan(20);
  expect(JSON.parse(lines.at(-1)!)).toEqual({ submitted: { kind: "refused", why: "cancelled" } });
  // Nobody reads any more.
  const left = eventLines();
  await left.stream.cancel();
  left.push({ progress: { progress: 1 } });
  left.end();
});
