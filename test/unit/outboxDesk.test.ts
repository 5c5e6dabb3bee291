import { describe, expect, test } from "vitest";
import { advance, MAX_ATTEMPTS, type OperationEvent } from "../../src/outbox/advance.ts";
import { backoffMs } from "../../src/outbox/backoff.ts";
import { Desk, type SubmissionFacts } from "../../src/outbox/Desk.ts";
import type { Ending } from "../../src/outbox/Ending.ts";
import type { Operation, OperationState } from "../../src/outbox/Operation.ts";
import { MemoryLedger } from "../support/MemoryLedger.ts";

const NOW = 1_800_000_000_000;
const HOUR_MS = 3_600_000;
const LIMITS = {
  depth: 100,
  bytes: 1_000,
  callerDepth: 50,
  callerBytes: 500,
  maxAgeMs: HOUR_MS,
  retentionMs: 86_400_000,
};
const ANSWER: Ending = { kind: "answered", outcome: { kind: "result", text: '{"content":[]}', era: "modern" } };
const UNKNOWN: Ending = { kind: "unknown", reason: "no-answer" };
const REFUSED: Ending = { kind: "not-executed", reason: "origin-refused" };

describe("what may become of an operation", () => {
  const STATES: readonly OperationState[] = [
    "accepted",
    "leased",
    "retry",
    "ambiguous",
    "dead",
    "done",
    "cancelled",
    "discarded",
  ];

  /** An operation in a state, as it would be in it. */
  function operationIn(state: OperationState, more: Partial<Operation> = {}): Operation {
    return {
      id: "a",
      seq: 1,
      principal: "ann",
      tool: "write",
      orderKey: null,
      ifStuck: "park",
      tags: [],
      bytes: 1,
      isQueued: false,
      isAwaited: false,
      idempotency: { kind: "none" },
      acceptedAt: NOW,
      updatedAt: NOW,
      dueAt: NOW,
      givesUpAt: NOW + HOUR_MS,
      state,
      attempts: state === "accepted" ? 0 : 1,
      ...(state === "leased" && { leaseUntil: NOW + 1_000 }),
      ...more,
    };
  }

  /** What becomes of each state, in the order of `STATES`; "-": the event is nothing to it. */
  const rows: [string, OperationEvent, string, Partial<Operation>?][] = [
    ["a promise", { kind: "promise", givesUpAt: NOW }, "accepted leased retry - - - - -"],
    ["a promise once more", { kind: "promise", givesUpAt: NOW }, "- - - - - - - -", { isQueued: true }],
    ["a lease", { kind: "lease", until: NOW }, "leased - leased - - - - -"],
    ["a rest", { kind: "rest", until: NOW }, "accepted - retry - - - - -"],
    ["an answer", { kind: "end", ending: ANSWER }, "- done - - - - - -"],
    ["a late answer", { kind: "end", ending: ANSWER, isLate: true }, "done - done done done - - -"],
    ["an ending that is late", { kind: "end", ending: REFUSED, isLate: true }, "- - - - - - - -"],
    ["a refusal", { kind: "end", ending: REFUSED }, "- accepted - - - - - -"],
    ["a final refusal", { kind: "end", ending: { kind: "hopeless", reason: "sealed" } }, "- dead - - - - - -"],
    ["no answer", { kind: "end", ending: UNKNOWN }, "- ambiguous - - - - - -"],
    [
      "no answer, idempotent",
      { kind: "end", ending: UNKNOWN },
      "- retry - - - - - -",
      { idempotency: { kind: "same" } },
    ],
    [
      "no answer that could be, idempotent",
      { kind: "end", ending: { ...UNKNOWN, isFinal: true } },
      "- dead - - - - - -",
      { idempotency: { kind: "same" } },
    ],
    ["no answer that could be", { kind: "end", ending: { ...UNKNOWN, isFinal: true } }, "- ambiguous - - - - - -"],
    ["the loss of its delivery", { kind: "lose" }, "- ambiguous - - - - - -"],
    [
      "the loss of its delivery, idempotent",
      { kind: "lose" },
      "- retry - - - - - -",
      { idempotency: { kind: "same" } },
    ],
    ["the end of its time", { kind: "expire" }, "dead - dead - - - - -", { givesUpAt: NOW }],
    ["no end of its time", { kind: "expire" }, "- - - - - - - -"],
    ["being taken back", { kind: "cancel" }, "cancelled - - - - - - -"],
    ["being taken back, sent before", { kind: "cancel" }, "- - - - - - - -", { reason: "origin-refused" }],
    ["a discard", { kind: "discard", why: "no" }, "discarded - discarded discarded discarded - - -"],
    ["a redrive", { kind: "redrive", givesUpAt: NOW }, "- - - accepted accepted - - accepted"],
  ];
  test.each(rows)("with %s", (_, event, states, more) => {
    const next = STATES.map((state) => advance(operationIn(state, more), event, { now: NOW, random: 0 })?.state ?? "-");
    expect(next.join(" ")).toBe(states);
  });

  test("only what is being sent has a lease, and each try is counted", () => {
    const leased = advance(operationIn("accepted"), { kind: "lease", until: NOW + 5 }, { now: NOW + 1, random: 0 })!;
    expect(leased).toMatchObject({ attempts: 1, leaseUntil: NOW + 5, updatedAt: NOW + 1 });
    const promised = advance(leased, { kind: "promise", givesUpAt: NOW }, { now: NOW + 2, random: 0 })!;
    expect(promised).toMatchObject({ isQueued: true, leaseUntil: NOW + 5, givesUpAt: NOW + HOUR_MS });
    for (const ending of [ANSWER, REFUSED, UNKNOWN]) {
      expect(advance(promised, { kind: "end", ending }, { now: NOW, random: 0 })).not.toHaveProperty("leaseUntil");
    }
  });

  test("the tries are 1 s to 5 min apart, as far as the origin wants it, and no more than 20", () => {
    const wait = (attempts: number, random: number) => backoffMs(attempts, random);
    expect([wait(1, 0), wait(1, 1), wait(3, 0.5), wait(3, 1), wait(8, 1), wait(9, 1), wait(2_000, 1)]).toEqual([
      1_000, 2_000, 4_500, 8_000, 256_000, 300_000, 300_000,
    ]);
    const end = (attempts: number, retryAfterMs: number) =>
      advance(
        operationIn("leased", { attempts, idempotency: { kind: "same" } }),
        { kind: "end", ending: { ...UNKNOWN, retryAfterMs } },
        { now: NOW, random: 0 },
      )!;
    expect(end(1, 0).dueAt).toBe(NOW + 1_000);
    expect(end(1, 90_000).dueAt).toBe(NOW + 90_000);
    expect(end(MAX_ATTEMPTS - 1, 0).state).toBe("retry");
    expect(end(MAX_ATTEMPTS, 0)).toMatchObject({ state: "dead", reason: "too-many-tries" });
    // There would be no time left.
    expect(end(1, HOUR_MS)).toMatchObject({ state: "dead", reason: "too-old" });
  });

  test("a refusal does not make it certain that an earlier try was not executed", () => {
    const leased = operationIn("leased", { attempts: 2, reason: "timeout", idempotency: { kind: "same" } });
    const next = advance(leased, { kind: "end", ending: REFUSED }, { now: NOW, random: 0 });
    expect(next).toMatchObject({ state: "retry", reason: "timeout" });
  });

  test("a redrive begins anew, and forgets neither that it may have been sent nor its place", () => {
    const discarded = operationIn("discarded", { reason: "discarded", why: "no", attempts: 7 });
    const next = advance(discarded, { kind: "redrive", givesUpAt: NOW + 9 }, { now: NOW + 1, random: 0 })!;
    expect(next).toMatchObject({ state: "accepted", attempts: 0, isQueued: true, givesUpAt: NOW + 9, dueAt: NOW + 1 });
    expect(next).not.toHaveProperty("why");
    expect(advance(next, { kind: "cancel" }, { now: NOW, random: 0 })).toBeUndefined();
  });

  test.each([
    ["refused for good", {}, { kind: "hopeless", reason: "origin-failed" }, "skip"],
    ["refused for good, and promised", { isQueued: true }, { kind: "hopeless", reason: "origin-failed" }, "park"],
    [
      "refused after a try that may have been executed",
      { reason: "timeout" },
      { kind: "hopeless", reason: "origin-failed" },
      "park",
    ],
    [
      "failed for good",
      { idempotency: { kind: "same" } },
      { kind: "unknown", reason: "timeout", isFinal: true },
      "park",
    ],
  ] as const)("%s, a dead one holds those behind it or not", (_, more, ending, ifStuck) => {
    const leased = operationIn("leased", { isQueued: false, ifStuck: "park", ...more });
    const dead = advance(leased, { kind: "end", ending }, { now: NOW, random: 0 });
    expect(dead).toMatchObject({ state: "dead", ifStuck });
  });
});

interface Tools {
  ledger: MemoryLedger;
  random: number;
}

/** A desk with a clock that can be set. */
function world({ ledger = new MemoryLedger(), random = 0, ...more }: Partial<Tools> = {}) {
  const clock = { now: NOW };
  const desk = new Desk({ ledger, now: () => clock.now, random: () => random, ...more });
  const facts = (id: string, more: Partial<SubmissionFacts> = {}): SubmissionFacts => ({
    id,
    limits: LIMITS,
    principal: "ann",
    tool: "write",
    digest: "d",
    idempotency: { kind: "none" },
    orderKey: null,
    ifStuck: "park",
    tags: [],
    isAwaited: false,
    otherwise: "queue",
    isAtOnce: false,
    patienceMs: 60_000,
    ...more,
  });
  const accept = (id: string, more: Partial<SubmissionFacts> = {}, payload = "{}") =>
    desk.accept(facts(id, more), payload);
  const lease = (id: string) => desk.lease(id, clock.now + 30_000);
  return { ledger, clock, desk, accept, lease, next: (free = 5) => desk.next(free).map(({ id }) => id) };
}

const SAME = { idempotency: { kind: "same" } } as const;

test("a call is tried for as long as its caller waits, or, if it may be queued, as long as the operator says", () => {
  const { accept, desk, ledger } = world();
  accept("a", { otherwise: "drop" });
  accept("b");
  expect([ledger.get("a")?.givesUpAt, ledger.get("b")?.givesUpAt]).toEqual([NOW + 60_000, NOW + HOUR_MS]);
  expect(desk.promise("a")).toMatchObject({ isQueued: true, givesUpAt: NOW + HOUR_MS });
  expect(accept("c", { isAtOnce: true })).toMatchObject({ operation: { isQueued: true } });
  expect([desk.withdraw("a"), desk.withdraw("b"), desk.withdraw("c"), desk.promise("b")]).toEqual([
    false,
    true,
    false,
    undefined,
  ]);
});

test("an operation is sent by one alone, and looked at again before", () => {
  const { accept, desk, lease, next, clock } = world();
  accept("a", { orderKey: "k" });
  accept("b", { orderKey: "k" });
  accept("c");
  expect(next()).toEqual(["a", "c"]);
  expect(desk.next(5, new Set(["a"])).map(({ id }) => id)).toEqual(["c"]);
  expect(next(1)).toEqual(["a"]);
  expect([lease("b"), lease("unheard of")]).toEqual([undefined, undefined]);
  desk.cancel("c", "ann");
  expect(lease("c")).toBeUndefined();
  expect(lease("a")).toMatchObject({ state: "leased" });
  expect([lease("a"), next()]).toEqual([undefined, []]);
  clock.now += HOUR_MS;
  expect(lease("b")).toBeUndefined();
});

test("of a lease that is over, nothing counts any more but an answer", () => {
  const { accept, desk, lease, clock } = world();
  accept("a", SAME);
  const first = lease("a")!;
  clock.now += 30_000;
  expect(desk.lapse()).toMatchObject([{ state: "retry", reason: "lost" }]);
  clock.now += 1_000;
  const second = lease("a")!;
  expect(desk.end(first, REFUSED)).toMatchObject({ state: "leased", attempts: 2 });
  expect(desk.end(first, ANSWER)).toMatchObject({ state: "leased", attempts: 2 });
  expect(desk.end(second, UNKNOWN)).toMatchObject({ state: "retry" });
  expect(desk.end(first, ANSWER)).toMatchObject({ state: "done" });
  expect(desk.end(second, UNKNOWN)).toMatchObject({ state: "done" });
});

test("one that is sent again by the operator waits for what is being sent of its key", () => {
  const { accept, desk, lease, next } = world();
  accept("a", { orderKey: "k", ifStuck: "skip" });
  accept("b", { orderKey: "k" });
  desk.end(lease("a")!, UNKNOWN);
  const sent = lease("b")!;
  expect(desk.redrive(["a", "b", "c"])).toMatchObject({
    done: [{ id: "a", state: "accepted" }],
    refused: [
      { id: "b", why: "state" },
      { id: "c", why: "unknown" },
    ],
  });
  expect([next(), lease("a"), desk.dueAt()]).toEqual([[], undefined, sent.leaseUntil]);
  desk.end(sent, ANSWER);
  expect([next(), desk.dueAt()]).toEqual([["a"], NOW]);
});

test("a retry after which nobody knows takes of a budget, and without waits, and is not dropped", () => {
  const { accept, desk, lease, next, clock, ledger } = world();
  const ids = Array.from({ length: 12 }, (_, nth) => `${nth}`);
  for (const id of ids) {
    accept(id, SAME);
    desk.end(lease(id)!, UNKNOWN);
  }
  clock.now += 1_000;
  const given = ids.flatMap(() => {
    const [id] = next(1);
    return id !== undefined && lease(id) !== undefined ? [id] : [];
  });
  // Ten that were saved up.
  expect(given).toEqual(ids.slice(0, 10));
  expect(["10", "11"].map((id) => ledger.get(id)?.state)).toEqual(["retry", "retry"]);
  const dueAt = ledger.get("10")!.dueAt;
  expect(dueAt).toBeGreaterThan(clock.now);
  expect(dueAt - clock.now).toBeLessThanOrEqual(10_000);
  clock.now = dueAt;
  expect(next()).toContain("10");
  expect([lease("10")?.state, lease("11")]).toEqual(["leased", undefined]);
  // What was refused for sure needs none.
  accept("r");
  desk.end(lease("r")!, REFUSED);
  clock.now += 1_000;
  expect(next()).toContain("r");
});

test("there is room for so many, in all and of each caller's, also for those that come back", () => {
  const { accept, desk, clock } = world();
  const limits = { ...LIMITS, depth: 3, callerDepth: 2, bytes: 30, callerBytes: 20 };
  accept("a", { limits });
  accept("b", { limits });
  expect(accept("c", { limits })).toEqual({ kind: "refused", why: "principal-full", retryAfterMs: 1_000 });
  expect(accept("c", { limits, principal: "bob" }, "x".repeat(21))).toMatchObject({ why: "principal-full" });
  expect(accept("c", { limits, principal: "bob" }, "é".repeat(10))).toMatchObject({ kind: "accepted" });
  expect(accept("d", { limits, principal: "eve" })).toMatchObject({ why: "full" });
  expect(desk.discard(["a"], "no").done).toHaveLength(1);
  accept("d", { limits, principal: "eve" });
  expect(desk.redrive(["a"])).toEqual({ done: [], refused: [{ id: "a", why: "full" }] });
  clock.now += limits.maxAgeMs;
  expect(desk.lapse()).toHaveLength(3);
  // Dead ones keep their place; a person has to come.
  expect(accept("e", { limits, principal: "eve" })).toMatchObject({ why: "full", retryAfterMs: 60_000 });
});

test("a caller's key means one operation, unless that was taken back", () => {
  const { accept, desk } = world();
  accept("a", { key: "x" });
  expect(accept("b", { key: "x" })).toMatchObject({ kind: "known", isReplay: true, operation: { id: "a" } });
  expect(accept("a", { key: "x" })).toMatchObject({ kind: "known", isReplay: false });
  expect(accept("a", { principal: "eve" })).toMatchObject({ kind: "refused", why: "key-reused" });
  expect(accept("b", { key: "x", digest: "e" })).toEqual({ kind: "refused", why: "key-reused" });
  expect(accept("b", { key: "x", principal: "bob" })).toMatchObject({ kind: "accepted" });
  expect([desk.cancel("a", "bob"), desk.cancel("a", "ann")]).toMatchObject([undefined, { state: "cancelled" }]);
  expect(accept("c", { key: "x", digest: "e" })).toMatchObject({ kind: "accepted" });
});

test("an object that is started anew knows what was being sent, and for how long things are kept", () => {
  const { accept, lease, desk, ledger } = world();
  const limits = { ...LIMITS, retentionMs: 2 * LIMITS.retentionMs };
  for (const id of ["a", "b", "c", "d"]) accept(id, { limits, isAtOnce: id === "d", ...(id === "b" && SAME) });
  lease("a");
  lease("b");
  const again = world({ ledger });
  expect(again.desk.limits).toEqual(limits);
  const { lost, removed } = again.desk.recover();
  expect(lost.map(({ id, state, reason }) => [id, state, reason])).toEqual([
    ["a", "ambiguous", "lost"],
    ["b", "retry", "lost"],
  ]);
  expect(removed.map(({ id }) => id)).toEqual(["c"]);
  expect(ledger.operations().map(({ id }) => id)).toEqual(["a", "b", "d"]);
  expect(desk.recover()).toEqual({ lost: [], removed: [] });
});

test("what is over takes room until it is forgotten: who takes all back, or is answered at length, does not fill the disk", () => {
  const { accept, desk, ledger, lease, clock } = world();
  const outcome = { kind: "result", text: '"é"', era: "modern" } as const;
  accept("a", { isAtOnce: true }, "1234");
  desk.end(lease("a")!, ANSWER, outcome);
  expect([ledger.amount(), ledger.held(), ledger.held("ann")]).toEqual([
    { depth: 0, bytes: 0 },
    { depth: 1, bytes: 8 },
    { depth: 1, bytes: 8 },
  ]);
  const fill = (id: string, principal: string) => {
    accept(id, { isAtOnce: true, principal });
    ledger.update({ ...ledger.get(id)!, bytes: 4 * 2 ** 30 });
    expect(desk.cancel(id, principal)?.state).toBe("cancelled");
  };
  fill("b", "ann");
  expect(accept("c")).toMatchObject({ kind: "refused", why: "principal-full" });
  fill("d", "bob");
  expect(accept("e", { principal: "eve" })).toMatchObject({ kind: "refused", why: "full" });
  clock.now += LIMITS.retentionMs;
  desk.forget();
  expect([accept("c").kind, accept("e", { principal: "eve" }).kind]).toEqual(["accepted", "accepted"]);
});

test("the operator has what rests looked at now", () => {
  const { accept, desk, lease, next } = world();
  accept("a", SAME);
  accept("b");
  desk.end(lease("a")!, { ...UNKNOWN, retryAfterMs: 600_000 });
  expect([next(), desk.hurry(), desk.hurry(), next()]).toEqual([["b"], 1, 0, ["a", "b"]]);
});

test("readers are told of the tags of what is queued, and of the origin where there are too many", () => {
  const { accept, desk } = world();
  accept("a", { isAtOnce: true, tags: ["x", "y"] });
  accept("b", { tags: ["x"] });
  expect(desk.pendingTags()).toEqual({ x: 1, y: 1 });
  accept("c", { isAtOnce: true, tags: Array.from({ length: 1_000 }, (_, nth) => `t${nth}`) });
  expect(desk.pendingTags()).toEqual({ origin: 3 });
});

test("it is said how it stands, and when there is something to do", () => {
  const { accept, desk, lease, clock } = world();
  expect([desk.dueAt(), desk.status().amount]).toEqual([undefined, { depth: 0, bytes: 0 }]);
  accept("a", { key: "k" });
  expect([desk.dueAt(), desk.dueAt(false)]).toEqual([NOW, NOW + HOUR_MS]);
  const leased = lease("a")!;
  expect(desk.dueAt()).toBe(NOW + 30_000);
  clock.now += 5;
  desk.end(leased, ANSWER);
  expect(desk.dueAt()).toBe(NOW + 5 + LIMITS.retentionMs);
  expect(desk.status()).toMatchObject({ counts: { done: 1, accepted: 0 }, oldestAt: undefined });
  clock.now = NOW + 4 + LIMITS.retentionMs;
  expect(desk.forget()).toBe(0);
  clock.now++;
  expect([desk.forget(), desk.dueAt()]).toEqual([1, undefined]);
});

test("what its caller has heard of is forgotten in an hour; what was promised, has a key, or was unknown at first is kept", () => {
  const { accept, desk, lease, clock, ledger } = world();
  accept("heard");
  accept("promised", { isAtOnce: true });
  accept("keyed", { key: "k" });
  accept("late", SAME);
  const late = lease("late")!;
  desk.end(late, { kind: "unknown", reason: "no-answer", isFinal: true });
  desk.end(late, ANSWER);
  for (const id of ["heard", "promised", "keyed"]) desk.end(lease(id)!, ANSWER);
  expect(desk.dueAt()).toBe(NOW + HOUR_MS);
  clock.now += HOUR_MS - 1;
  expect(desk.forget()).toBe(0);
  clock.now++;
  expect(desk.forget()).toBe(1);
  expect(ledger.operations().map(({ id, state }) => [id, state])).toEqual([
    ["promised", "done"],
    ["keyed", "done"],
    ["late", "done"],
  ]);
  expect(desk.dueAt()).toBe(NOW + LIMITS.retentionMs);
});
