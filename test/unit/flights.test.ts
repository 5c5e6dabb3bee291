import { describe, expect, test } from "vitest";
import type { Entry } from "../../src/cache/entry.ts";
import { Flights, type Known, type Tower } from "../../src/origin/Flights.ts";
import type { Era } from "../../src/mcp/versions.ts";
import type { Landing } from "../../src/origin/Landing.ts";
import { Gate } from "../../src/origin/Gate.ts";

const entry = (storedAt: number, ttlMs = 30_000): Entry => ({
  storedAt,
  ttlMs,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  promisedMs: 0,
  scope: "public",
  tags: [],
  savedAt: storedAt,
  hash: "h",
  body: `"content":[]`,
  meta: "",
  contentEnd: 0,
  era: "modern",
});

/** Flights with a clock that the test moves, and launches that the test lands. */
function setUp() {
  const clock = { now: 1_000_000 };
  const kept: number[] = [];
  const flights = new Flights({
    now: () => clock.now,
    random: () => 0.5,
    kept: (landing) => kept.push(landing.entry.storedAt),
  });
  const launched: ((landing: Landing) => void)[] = [];
  const begins: (() => void)[] = [];
  const abandoned: AbortSignal[] = [];
  const launch =
    (begun = true) =>
    ({ begin, abandoned: signal }: Tower) => {
      abandoned.push(signal);
      begins.push(begin);
      if (begun) begin();
      return new Promise<Landing>((land) => launched.push(land));
    };
  const board = (key = "k", again = false, begun = true, era: Era = "modern", ticket?: string) =>
    flights.board({ key, again, era, group: "g", ...(ticket && { ticket }) }, launch(begun));
  const newerThan = (storedAt: number) =>
    flights.board({ key: "k", again: false, era: "modern", group: "g", newerThan: storedAt }, launch());
  const withTicket = (ticket: string) => board("k", false, true, "modern", ticket);
  const leave = (ticket: string) => flights.leave("k", ticket);
  return {
    flights,
    clock,
    launched,
    board,
    kept,
    begins,
    abandoned,
    withTicket,
    newerThan,
    leave,
    forget: () => flights.forget("g"),
  };
}

const result = (now: number, ttlMs?: number): Landing => ({ kind: "entry", entry: entry(now, ttlMs), status: 200 });
const failure: Landing = { kind: "failed", failure: { kind: "unreachable" }, retryAfterMs: 0 };
const reply: Landing = { kind: "reply", status: 200, text: "{}", why: "is-error" };

describe("those who leave", () => {
  test("call a flight off when the last of them has gone, and not before", () => {
    const { abandoned, withTicket, leave } = setUp();
    for (const ticket of ["a", "b"]) void withTicket(ticket);
    leave("a");
    leave("a");
    leave("nobody");
    expect(abandoned[0]!.aborted).toBe(false);
    leave("b");
    expect(abandoned[0]!.aborted).toBe(true);
  });

  test("do not call it off where somebody stays", () => {
    const { abandoned, board, withTicket, leave } = setUp();
    void withTicket("a");
    void board();
    leave("a");
    expect(abandoned[0]!.aborted).toBe(false);
  });

  test("leave nothing for who comes next: neither the flight nor its failure", async () => {
    const { clock, launched, withTicket, board, leave } = setUp();
    const gone = withTicket("a");
    leave("a");
    const next = board();
    expect(launched).toHaveLength(2);
    launched[0]!(failure);
    expect(await gone).toMatchObject({ kind: "failed" });
    launched[1]!(result(clock.now));
    expect(await next).toMatchObject({ kind: "entry", collapsed: false });
    expect(await board()).toMatchObject({ kind: "entry", collapsed: true });
  });

  test("do nothing where the flight has landed", async () => {
    const { clock, launched, abandoned, withTicket, leave } = setUp();
    const landed = withTicket("a");
    launched[0]!(result(clock.now));
    await landed;
    leave("a");
    expect(abandoned[0]!.aborted).toBe(false);
  });
});

describe("who knows of an invalidation", () => {
  const knowing = (seq: number, needed = 0, feedId = "f") => ({ feedId, seq, needed });
  /** Boards, and gives the number of calls that there have been. */
  function setUpKnowing() {
    const { flights, clock, launched } = setUp();
    const board = (known?: Known, again = false) => {
      const passenger = { key: "k", again, era: "modern" as const, group: "g", ...(known && { known }) };
      return flights.board(passenger, ({ begin }) => {
        begin();
        return new Promise<Landing>((land) =>
          launched.push(() => land({ ...answer(clock.now), entry: { ...entry(clock.now), ...known } })),
        );
      });
    };
    return { board, launched };
  }
  const answer = (now: number) => result(now) as Extract<Landing, { kind: "entry" }>;

  test.each([
    ["what was launched before it", knowing(3), knowing(4, 4), false],
    ["what was launched with it", knowing(4), knowing(5, 4), true],
    ["what was launched by who knew more", knowing(9), knowing(4, 4), true],
    ["what was launched before one of something else", knowing(3), knowing(9, 2), true],
    ["what was launched under another feed", knowing(9, 0, "lost"), knowing(4), false],
    ["what was launched by who knew of no feed", undefined, knowing(4), false],
  ])("joins, or takes when it has landed, %s: %j then %j: %s", async (_, first, second, isShared) => {
    const { board, launched } = setUpKnowing();
    const boarded = board(first);
    void board(second);
    expect(launched).toHaveLength(isShared ? 1 : 2);
    const landed = setUpKnowing();
    const done = landed.board(first);
    landed.launched[0]!(failure);
    await done;
    void landed.board(second);
    expect(landed.launched).toHaveLength(isShared ? 1 : 2);
    launched[0]!(failure);
    await boarded;
  });

  test("is the only one to mind: who knows of no feed takes what there is", async () => {
    const { board, launched } = setUpKnowing();
    const first = board(knowing(3));
    const second = board();
    launched[0]!(failure);
    expect(await second).toMatchObject({ kind: "entry", collapsed: true });
    await first;
    expect(await board()).toMatchObject({ kind: "entry", collapsed: true });
  });
});

describe("flights", () => {
  test("a thousand who ask at once share one call", async () => {
    const { clock, launched, board } = setUp();
    const waiting = Array.from({ length: 1_000 }, () => board());
    expect(launched).toHaveLength(1);
    launched[0]!(result(clock.now));
    const boarded = await Promise.all(waiting);
    expect(boarded.filter((one) => one.kind === "entry" && !one.collapsed)).toHaveLength(1);
    expect(boarded.every((one) => one.kind === "entry")).toBe(true);
  });

  test("other keys fly by themselves", () => {
    const { launched, board } = setUp();
    void board("a");
    void board("b");
    expect(launched).toHaveLength(2);
  });

  test("a finished result serves latecomers for a minute, while it is fresh", async () => {
    const { clock, launched, board } = setUp();
    const first = board();
    launched[0]!(result(clock.now, 30_000));
    await first;
    clock.now += 29_999;
    expect(await board()).toMatchObject({ kind: "entry", collapsed: true });
    clock.now += 1;
    void board();
    expect(launched).toHaveLength(2);
  });

  test("after a minute even a fresh result is asked for again", async () => {
    const { clock, launched, board } = setUp();
    const first = board();
    launched[0]!(result(clock.now, 600_000));
    await first;
    clock.now += 60_000;
    void board();
    expect(launched).toHaveLength(2);
  });

  test("who refreshes what is fresh does not get that, but what another has brought since, or is about to", async () => {
    const { clock, launched, board, newerThan } = setUp();
    const first = board();
    const old = clock.now;
    launched[0]!(result(old));
    await first;
    clock.now += 1_000;
    const [second, third] = [newerThan(old), newerThan(old)];
    expect(launched).toHaveLength(2);
    launched[1]!(result(clock.now));
    expect(await second).toMatchObject({ entry: { storedAt: clock.now }, collapsed: false });
    expect(await third).toMatchObject({ entry: { storedAt: clock.now }, collapsed: true });
    expect(await newerThan(old)).toMatchObject({ entry: { storedAt: clock.now }, collapsed: true });
    expect(launched).toHaveLength(2);
  });

  test("who asks again neither joins nor takes what is finished", async () => {
    const { clock, launched, board } = setUp();
    const first = board();
    const again = board("k", true);
    expect(launched).toHaveLength(2);
    launched[0]!(result(clock.now));
    launched[1]!(result(clock.now + 1));
    await first;
    expect(await again).toMatchObject({ kind: "entry", collapsed: false, entry: { storedAt: clock.now + 1 } });
    void board("k", true);
    expect(launched).toHaveLength(3);
  });

  test("an answer for one caller is not shared: who waited goes by himself, and for a while nobody waits", async () => {
    const { clock, launched, board } = setUp();
    const [leader, follower] = [board(), board()];
    launched[0]!(reply);
    expect(await leader).toMatchObject({ kind: "reply", collapsed: false });
    expect(await follower).toEqual({ kind: "pass" });
    expect(await board()).toEqual({ kind: "pass" });
    clock.now += 10_000;
    void board();
    expect(launched).toHaveLength(2);
  });

  test("a failed key rests for a growing while, even for who asks again, and is well after a success", async () => {
    const { clock, launched, board } = setUp();
    const rests: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      const boarding = board();
      launched.at(-1)!(failure);
      expect(await boarding).toMatchObject({ kind: "failed", collapsed: false });
      const resting = await board("k", true);
      if (resting.kind !== "failed") throw new Error(resting.kind);
      rests.push(resting.retryAfterMs);
      expect(launched).toHaveLength(attempt + 1);
      clock.now += resting.retryAfterMs;
    }
    expect(rests).toEqual([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]);
    const well = board();
    launched.at(-1)!(result(clock.now, 0));
    expect(await well).toMatchObject({ kind: "entry" });
    const next = board();
    launched.at(-1)!(failure);
    expect(await next).toMatchObject({ retryAfterMs: 500 });
  });

  test("what failed with many words is remembered for fewer keys", async () => {
    const { launched, board } = setUp();
    const wordy: Landing = {
      kind: "failed",
      failure: { kind: "status", status: 500, reply: "x".repeat(60_000) },
      retryAfterMs: 5_000,
    };
    for (let nth = 0; nth < 1_000; nth++) {
      const boarding = board(`k${nth}`);
      launched.at(-1)!(wordy);
      await boarding;
    }
    expect(await board("k999")).toMatchObject({ kind: "failed", collapsed: true });
    // The first are forgotten: all of them would not fit into the memory that an object has.
    void board("k0");
    expect(launched).toHaveLength(1_001);
  });

  test("followers of a failed flight learn why", async () => {
    const { launched, board } = setUp();
    const waiting = [board(), board()];
    launched[0]!(failure);
    for (const one of await Promise.all(waiting))
      expect(one).toMatchObject({ kind: "failed", failure: { kind: "unreachable" } });
  });

  test("who asks again joins a call that waits for its turn, for it has not begun", async () => {
    const { clock, launched, board, begins } = setUp();
    const waiting = [board("k", true, false), board("k", true, false)];
    expect(launched).toHaveLength(1);
    begins[0]!();
    waiting.push(board("k", true, false));
    expect(launched).toHaveLength(2);
    launched.forEach((land) => land(result(clock.now)));
    expect((await Promise.all(waiting)).map((one) => one.kind === "entry" && one.collapsed)).toEqual([
      false,
      true,
      false,
    ]);
  });

  test("a late answer replaces none that was asked for after it", async () => {
    const { clock, launched, board, kept } = setUp();
    const older = board();
    const newer = board("k", true);
    launched[1]!(result(clock.now + 1));
    await newer;
    launched[0]!(result(clock.now));
    await older;
    expect(await board()).toMatchObject({ entry: { storedAt: clock.now + 1 }, collapsed: true });
    expect(kept).toEqual([clock.now + 1]);
  });

  test("a late answer does not come back after a newer one that may not be kept", async () => {
    const { clock, launched, board, kept } = setUp();
    const older = board();
    const newer = board("k", true);
    launched[1]!(reply);
    await newer;
    launched[0]!(result(clock.now));
    await older;
    expect(kept).toEqual([]);
  });

  test("a failure from before it was forgotten is no reason to rest, one after it is", async () => {
    const { launched, board, forget } = setUp();
    const failing = board();
    launched.shift()!(failure);
    await failing;
    expect((await board()).kind).toBe("failed");
    expect(launched).toHaveLength(0);
    forget();
    const again = board();
    launched.shift()!(failure);
    await again;
    expect((await board()).kind).toBe("failed");
    expect(launched).toHaveLength(0);
  });

  test("what was on its way when its group was forgotten is neither joined nor kept", async () => {
    const { clock, launched, board, kept, forget } = setUp();
    const before = board();
    forget();
    const after = board();
    expect(launched).toHaveLength(2);
    launched[1]!(result(clock.now + 1));
    await after;
    launched[0]!(result(clock.now));
    await before;
    expect(await board()).toMatchObject({ entry: { storedAt: clock.now + 1 } });
    expect(kept).toEqual([clock.now + 1]);
  });

  test("the eras share an answer, but not what one of them failed with", async () => {
    const { clock, launched, board } = setUp();
    const legacy = board("k", false, true, "legacy");
    const modern = board();
    expect(launched).toHaveLength(1);
    launched[0]!(failure);
    expect(await legacy).toMatchObject({ kind: "failed" });
    await expect.poll(() => launched.length).toBe(2);
    launched[1]!(result(clock.now));
    expect(await modern).toMatchObject({ kind: "entry", collapsed: false });
    const only: Landing = { kind: "entry", entry: { ...entry(clock.now), only: "modern" }, status: 200 };
    const [first, other] = [board("m"), board("m", false, true, "legacy")];
    launched[2]!(only);
    expect(await first).toMatchObject({ kind: "entry" });
    await expect.poll(() => launched.length).toBe(4);
    launched[3]!(result(clock.now));
    expect(await other).toMatchObject({ collapsed: false });
  });

  test("that there was no room is not held against the key", async () => {
    const { launched, board } = setUp();
    const busy: Landing = { kind: "failed", failure: { kind: "busy", retryAfterMs: 5 }, retryAfterMs: 0 };
    const first = board();
    launched[0]!(busy);
    expect(await first).toMatchObject({ kind: "failed" });
    void board();
    expect(launched).toHaveLength(2);
  });

  test("a launch that throws does not leave its key in the air", async () => {
    const passenger = { key: "k", again: false, era: "modern", group: "g" } as const;
    const flights = new Flights({ now: () => 0, random: () => 0.5, kept: () => {} });
    await expect(flights.board(passenger, () => Promise.reject(new Error("defect")))).rejects.toThrow("defect");
    expect(await flights.board(passenger, async () => result(0))).toMatchObject({ kind: "entry" });
  });
});

describe("the gate", () => {
  test("lets no more through at once than its limit, in the order of coming", async () => {
    const gate = new Gate(2);
    const open: (() => void)[] = [];
    const order: number[] = [];
    let running = 0;
    let most = 0;
    const tasks = Array.from({ length: 6 }, (_, index) =>
      gate.run(async () => {
        order.push(index);
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) => open.push(resolve));
        running--;
        return index;
      }, 60_000),
    );
    for (let done = 0; done < 6; done++) {
      await expect.poll(() => open.length).toBeGreaterThan(0);
      open.shift()!();
    }
    expect(await Promise.all(tasks)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(order).toEqual([0, 1, 2, 3, 4, 5]);
    expect(most).toBe(2);
  });

  test("turns away who waited too long, and keeps the place of nobody", async () => {
    const gate = new Gate(1);
    let finish = () => {};
    const first = gate.run(() => new Promise<string>((resolve) => (finish = () => resolve("first"))), 1_000);
    expect(await gate.run(async () => "second", 1)).toBeUndefined();
    finish();
    expect(await first).toBe("first");
    expect(await gate.run(async () => "third", 1)).toBe("third");
  });

  test("a task that throws gives its place up", async () => {
    const gate = new Gate(1);
    await expect(gate.run(() => Promise.reject(new Error("no")), 1)).rejects.toThrow("no");
    expect(await gate.run(async () => 1, 1)).toBe(1);
  });
});

describe("a call that somebody pays for", () => {
  const limited: Landing = { kind: "failed", failure: { kind: "limited", retryAfterMs: 10_000 }, retryAfterMs: 0 };
  const of = (payer: string | undefined, { flights, launched }: ReturnType<typeof setUp>) =>
    flights.board({ key: "k", again: false, era: "modern", group: "g", ...(payer && { payer }) }, ({ begin }) => {
      begin();
      return new Promise<Landing>((land) => launched.push(land));
    });

  test("is paid by who makes it: where that one may not, the first of the others makes it for all of them", async () => {
    const at = setUp();
    const first = of("a", at);
    const same = of("a", at);
    const others = [of("b", at), of("c", at), of(undefined, at)];
    at.launched[0]!(limited);
    expect(await first).toMatchObject({ failure: { kind: "limited" }, collapsed: false });
    expect(await same).toMatchObject({ failure: { kind: "limited" }, collapsed: true });
    await Promise.resolve();
    expect(at.launched).toHaveLength(2);
    at.launched[1]!({ kind: "entry", entry: entry(at.clock.now), status: 200 });
    expect((await Promise.all(others)).map(({ kind }) => kind)).toEqual(["entry", "entry", "entry"]);
    expect(at.launched).toHaveLength(2);
  });

  test("says nothing of the key where it was not made: the next is not kept waiting", async () => {
    const at = setUp();
    const first = of("a", at);
    at.launched[0]!(limited);
    await first;
    void of("a", at);
    expect(at.launched).toHaveLength(2);
    at.launched[1]!({ kind: "failed", failure: { kind: "shed", retryAfterMs: 1 }, retryAfterMs: 0 });
    await Promise.resolve();
  });
});
