import { expect, test } from "vitest";
import type { DedupKey, Ledger, NewOperation } from "../../src/outbox/Ledger.ts";
import type { Operation } from "../../src/outbox/Operation.ts";

/** An operation that was just accepted. Times are epoch ms. */
export function newOperation(id: string, more: Partial<NewOperation> = {}): NewOperation {
  return {
    id,
    principal: "ann",
    tool: "write",
    orderKey: null,
    ifStuck: "park",
    idempotency: { kind: "none" },
    tags: [],
    isQueued: true,
    isAwaited: false,
    state: "accepted",
    attempts: 0,
    acceptedAt: 1_000,
    updatedAt: 1_000,
    dueAt: 1_000,
    givesUpAt: 90_000,
    bytes: 10,
    ...more,
  };
}

const dedupOf = (key: string, more: Partial<DedupKey> = {}): DedupKey => ({
  principal: "ann",
  tool: "write",
  key,
  digest: `digest of ${key}`,
  ...more,
});

const idsOf = (operations: readonly Operation[]) => operations.map(({ id }) => id);

/** What every ledger does. `withLedger` gives a new one to a test. */
export function ledgerContract(withLedger: (work: (ledger: Ledger) => void) => Promise<void>): void {
  const holds = (title: string, work: (tools: Tools) => void) =>
    test(title, () => withLedger((ledger) => work(toolsOf(ledger))));

  holds("an operation is found as it was taken in, each after the one before", ({ ledger, put }) => {
    const first = put("a", { orderKey: "k", tags: ["t", "u"], idempotency: { kind: "header", name: "H", key: "x" } });
    const second = put("b", { isAwaited: true, isQueued: false, ifStuck: "skip" });
    expect(second.seq).toBeGreaterThan(first.seq);
    expect(ledger.get("a")).toEqual(first);
    expect(ledger.get("b")).toEqual(second);
    expect([ledger.get("c"), ledger.payload("c"), ledger.outcome("c")]).toEqual([undefined, undefined, undefined]);
  });

  holds("arguments and outcomes are given back as they were, whatever their size, sealed or not", ({ ledger, put }) => {
    const sealed = Uint8Array.from({ length: 3_100_000 }, (_, at) => at % 251);
    const text = `["${"é𝄞".repeat(300_000)}"]`;
    for (const [id, payload] of [
      ["a", text],
      ["b", sealed],
      ["c", ""],
    ] as const)
      ledger.insert(newOperation(id), payload);
    expect(ledger.payload("a") === text).toBe(true);
    expect(sameBytes(ledger.payload("b"), sealed)).toBe(true);
    expect(ledger.payload("c")).toBe("");
    expect(ledger.outcome("a")).toBeUndefined();

    const done = { ...put("d"), state: "done" } as const;
    ledger.update(done, { kind: "result", text, era: "legacy" });
    const { kind, era, text: read } = ledger.outcome("d") as { kind: string; era: string; text: string };
    expect([kind, era, read === text]).toEqual(["result", "legacy", true]);
    // A shorter one leaves nothing of the longer one, and none leaves the one that is there.
    ledger.update(done, sealed.slice(0, 3));
    ledger.update(done);
    expect(ledger.outcome("d")).toEqual(Uint8Array.of(0, 1, 2));
    ledger.update(done, { kind: "error", text: "{}", era: "modern" });
    expect(ledger.outcome("d")).toEqual({ kind: "error", text: "{}", era: "modern" });
  });

  holds("what has become of an operation is written, and what it is no more is gone", ({ ledger, put, become }) => {
    const { seq } = put("a");
    const leased = become("a", { state: "leased", leaseUntil: 5_000, attempts: 1, updatedAt: 2_000 });
    expect(ledger.get("a")).toEqual({ ...newOperation("a"), ...leased, seq });
    const { leaseUntil: _, ...rest } = leased;
    const retry = { ...rest, state: "retry", reason: "timeout", dueAt: 7_000.5, isQueued: false } as const;
    ledger.update(retry);
    expect(ledger.get("a")).toEqual(retry);
    const { reason: __, ...bare } = retry;
    ledger.update({ ...bare, state: "discarded", why: "no more", givesUpAt: 99_000 });
    expect(ledger.get("a")).toEqual({ ...bare, state: "discarded", why: "no more", givesUpAt: 99_000 });
  });

  holds("a caller's key means one operation of its principal and tool", ({ ledger, become }) => {
    const place = { principal: "ann", tool: "write", key: "k" };
    ledger.insert(newOperation("a"), "{}", dedupOf("k"));
    expect(ledger.known(place)).toEqual({ id: "a", digest: "digest of k" });
    expect(ledger.known({ ...place, principal: "bob" })).toBeUndefined();
    expect(ledger.known({ ...place, tool: "other" })).toBeUndefined();
    expect(ledger.known({ ...place, key: "K" })).toBeUndefined();
    // While it goes on, and when it is over.
    for (const state of ["leased", "ambiguous", "dead", "done", "discarded"] as const) {
      become("a", { state });
      expect(ledger.known(place)?.id, state).toBe("a");
    }
    ledger.insert(newOperation("b"), "{}", dedupOf("k", { digest: "another" }));
    expect(ledger.known(place)).toEqual({ id: "b", digest: "another" });
    // The one that stood there before takes nothing with it.
    ledger.remove("a");
    expect(ledger.known(place)?.id).toBe("b");
  });

  holds("a key is free again when its operation was taken back, removed or forgotten", ({ ledger, become }) => {
    for (const [id, key] of [
      ["a", "1"],
      ["b", "2"],
      ["c", "3"],
    ] as const)
      ledger.insert(newOperation(id), "{}", dedupOf(key));
    become("a", { state: "cancelled", updatedAt: 9_000 });
    ledger.remove("b");
    become("c", { state: "done", updatedAt: 1_500 });
    expect(ledger.forget(2_000, 10)).toBe(1);
    for (const key of ["1", "2", "3"]) expect(ledger.known({ principal: "ann", tool: "write", key })).toBeUndefined();
    ledger.insert(newOperation("d"), "{}", dedupOf("1"));
    expect(ledger.forget(9_000, 10)).toBe(1);
    expect(ledger.known({ principal: "ann", tool: "write", key: "1" })?.id).toBe("d");
  });

  holds("of those under one ordering key, only the oldest is due", ({ due, put, become }) => {
    for (const id of ["a", "b", "c"]) put(id, { orderKey: "k" });
    put("x", { orderKey: "l" });
    put("n");
    put("m");
    expect(due()).toEqual(["a", "m", "n", "x"]);
    become("a", { state: "leased" });
    expect(due()).toEqual(["m", "n", "x"]);
    become("a", { state: "retry" });
    expect(due()).toEqual(["a", "m", "n", "x"]);
    become("a", { state: "done" });
    expect(due()).toEqual(["b", "m", "n", "x"]);
    // One in the middle that goes changes nothing for the others.
    put("d", { orderKey: "k" });
    become("c", { state: "cancelled" });
    expect(due()).toEqual(["b", "m", "n", "x"]);
    become("b", { state: "discarded" });
    expect(due()).toEqual(["d", "m", "n", "x"]);
  });

  holds("what is ambiguous or dead holds its key, or is passed over, as it says", ({ ledger, due, put, become }) => {
    put("a", { orderKey: "k" });
    put("b", { orderKey: "k" });
    put("c", { orderKey: "l", ifStuck: "skip" });
    put("d", { orderKey: "l" });
    for (const state of ["ambiguous", "dead"] as const) {
      become("a", { state });
      become("c", { state });
      expect(due()).toEqual(["d"]);
    }
    // By the operator's word it is sent after all: before those behind it.
    become("c", { state: "accepted" });
    become("a", { state: "accepted" });
    expect(due()).toEqual(["a", "c"]);
    become("c", { state: "done" });
    ledger.remove("a");
    expect(due()).toEqual(["b", "d"]);
  });

  holds("what is sent again by the operator goes before what came after it", ({ due, put, become }) => {
    put("a", { orderKey: "k" });
    put("b", { orderKey: "k" });
    become("a", { state: "discarded" });
    expect(due()).toEqual(["b"]);
    become("a", { state: "accepted" });
    expect(due()).toEqual(["a"]);
    become("b", { state: "discarded" });
    become("b", { state: "accepted" });
    expect(due()).toEqual(["a"]);
    // Nor is one the head any more that was when it got stuck.
    put("c", { orderKey: "l", ifStuck: "skip" });
    put("d", { orderKey: "l", ifStuck: "skip" });
    for (const state of ["dead", "accepted"] as const) for (const id of ["c", "d"]) become(id, { state });
    expect(due()).toEqual(["a", "c"]);
  });

  holds("what is removed leaves its place to the next, and no trace", ({ ledger, due, put }) => {
    put("a", { orderKey: "k", tags: ["t"] });
    const { seq } = put("b", { orderKey: "k" });
    ledger.remove("a");
    ledger.remove("unheard of");
    expect([due(), ledger.get("a"), ledger.payload("a")]).toEqual([["b"], undefined, undefined]);
    expect([ledger.amount(), ledger.counts().accepted]).toEqual([{ depth: 1, bytes: 10 }, 1]);
    expect(ledger.pendingTags()).toEqual(new Map());
    ledger.remove("b");
    // No seq is given twice.
    expect(put("c").seq).toBeGreaterThan(seq);
  });

  holds("the longest due comes first, and what is not due not at all", ({ ledger, put, become }) => {
    expect(ledger.nextDueAt()).toBeUndefined();
    put("a", { dueAt: 3_000 });
    put("b", { dueAt: 2_000 });
    put("c", { dueAt: 2_000 });
    put("d", { dueAt: 4_000, orderKey: "k" });
    put("e", { dueAt: 1_000, orderKey: "k" });
    expect(idsOf(ledger.due(3_000, 10))).toEqual(["b", "c", "a"]);
    expect(idsOf(ledger.due(9_000, 2))).toEqual(["b", "c"]);
    expect(ledger.due(1_999, 10)).toEqual([]);
    expect(ledger.nextDueAt()).toBe(2_000);
    for (const id of ["a", "b", "c"]) become(id, { state: "leased" });
    expect(ledger.nextDueAt()).toBe(4_000);
    become("d", { state: "ambiguous" });
    expect(ledger.nextDueAt()).toBeUndefined();
    expect(idsOf(ledger.leased())).toEqual(["a", "b", "c"]);
  });

  holds("what waits too long is overdue, whether it is a head or not", ({ ledger, put, become }) => {
    expect(ledger.nextGiveUpAt()).toBeUndefined();
    for (const [at, id] of ["a", "b", "c", "d", "e"].entries()) put(id, { orderKey: "k", givesUpAt: 9_000 - at });
    become("a", { state: "leased" });
    become("c", { state: "retry" });
    become("d", { state: "dead" });
    expect(ledger.nextGiveUpAt()).toBe(8_996);
    expect(idsOf(ledger.overdue(8_998, 10))).toEqual(["e", "c"]);
    expect(idsOf(ledger.overdue(99_000, 1))).toEqual(["e"]);
    expect(idsOf(ledger.overdue(99_000, 10))).toEqual(["e", "c", "b"]);
    expect(ledger.overdue(8_995, 10)).toEqual([]);
  });

  holds("those are found that were promised to nobody and never sent", ({ ledger, put, become }) => {
    for (const id of ["a", "b", "c", "d"]) put(id, { isQueued: id === "a" });
    become("c", { state: "leased", attempts: 1 });
    expect(idsOf(ledger.unpromised())).toEqual(["b", "d"]);
    become("c", { state: "accepted" });
    become("d", { isQueued: true });
    expect(idsOf(ledger.unpromised())).toEqual(["b"]);
  });

  holds("it is told what an operation stands behind", ({ ledger, put, become }) => {
    const [a, b, c, n] = ["a", "b", "c", "n"].map((id) => put(id, { orderKey: id === "n" ? null : "k" }));
    expect([a!, b!, c!, n!].map((one) => ledger.blockedBy(one)?.id)).toEqual([undefined, "a", "a", undefined]);
    become("a", { state: "dead", reason: "too-old" });
    expect(ledger.blockedBy(b!)).toEqual({ ...a!, state: "dead", reason: "too-old" });
    become("a", { state: "discarded" });
    expect([b!, c!].map((one) => ledger.blockedBy(one)?.id)).toEqual([undefined, "b"]);
  });

  holds("what is open is counted, in all and by principal, and each state", ({ ledger, put, become }) => {
    put("a", { bytes: 1 });
    put("b", { bytes: 2, principal: "bob" });
    put("c", { bytes: 4 });
    expect([ledger.amount(), ledger.amount("ann"), ledger.amount("bob"), ledger.amount("eve")]).toEqual([
      { depth: 3, bytes: 7 },
      { depth: 2, bytes: 5 },
      { depth: 1, bytes: 2 },
      { depth: 0, bytes: 0 },
    ]);
    become("a", { state: "dead" });
    become("b", { state: "done" });
    become("c", { state: "leased" });
    expect([ledger.amount(), ledger.amount("ann"), ledger.amount("bob")]).toEqual([
      { depth: 2, bytes: 5 },
      { depth: 2, bytes: 5 },
      { depth: 0, bytes: 0 },
    ]);
    expect([ledger.held(), ledger.held("ann"), ledger.held("bob"), ledger.held("eve")]).toEqual([
      { depth: 3, bytes: 7 },
      { depth: 2, bytes: 5 },
      { depth: 1, bytes: 2 },
      { depth: 0, bytes: 0 },
    ]);
    const none = { accepted: 0, leased: 0, retry: 0, ambiguous: 0, dead: 0, done: 0, cancelled: 0, discarded: 0 };
    expect(ledger.counts()).toEqual({ ...none, dead: 1, done: 1, leased: 1 });
    become("b", { state: "accepted" });
    expect([ledger.amount("bob"), ledger.counts()]).toEqual([
      { depth: 1, bytes: 2 },
      { ...none, dead: 1, accepted: 1, leased: 1 },
    ]);
  });

  holds("the tags are told that queued writes wait for", ({ ledger, put, become }) => {
    put("a", { tags: ["x", "y", "x"] });
    put("b", { tags: ["x"] });
    put("c", { tags: ["x", "z"], isQueued: false });
    expect(ledger.pendingTags()).toEqual(new Map(Object.entries({ x: 2, y: 1 })));
    become("b", { state: "leased" });
    become("c", { isQueued: true });
    expect(ledger.pendingTags()).toEqual(new Map(Object.entries({ x: 3, y: 1, z: 1 })));
    expect([ledger.pendingTags(2).size, ledger.pendingTags(3).size]).toEqual([2, 3]);
    become("a", { state: "ambiguous" });
    become("b", { state: "done" });
    expect(ledger.pendingTags()).toEqual(new Map(Object.entries({ x: 1, z: 1 })));
    become("a", { state: "accepted" });
    become("c", { state: "dead" });
    expect(ledger.pendingTags()).toEqual(new Map(Object.entries({ x: 1, y: 1 })));
  });

  holds("it is told since when the oldest waits", ({ ledger, put, become }) => {
    expect(ledger.oldestAt()).toBeUndefined();
    for (const [at, id] of ["a", "b", "c"].entries()) put(id, { acceptedAt: 1_000 + at });
    become("a", { state: "dead" });
    become("b", { state: "retry" });
    expect(ledger.oldestAt()).toBe(1_001);
    become("b", { state: "cancelled" });
    expect(ledger.oldestAt()).toBe(1_002);
    become("c", { state: "done" });
    expect(ledger.oldestAt()).toBeUndefined();
  });

  holds("a list shows the latest first, and what was asked for", ({ ledger, put, become }) => {
    const seqs = new Map(
      ["a", "b", "c", "d", "e"].map((id) => {
        const [tool, principal] = ["a", "c"].includes(id) ? ["write", "ann"] : ["add", "bob"];
        return [id, put(id, { tool, principal }).seq];
      }),
    );
    for (const id of ["b", "c", "d"]) become(id, { state: id === "d" ? "ambiguous" : "dead" });
    const shown = (filter: Parameters<Ledger["list"]>[0]) => idsOf(ledger.list(filter)).join("");
    expect(shown({ limit: 9 })).toBe("edcba");
    expect(shown({ limit: 2 })).toBe("ed");
    expect(shown({ limit: 2, before: seqs.get("d")! })).toBe("cb");
    expect(shown({ limit: 9, states: ["dead"] })).toBe("cb");
    expect(shown({ limit: 2, states: ["dead", "ambiguous"] })).toBe("dc");
    expect(shown({ limit: 9, states: ["dead", "ambiguous"], before: seqs.get("d")! })).toBe("cb");
    expect(shown({ limit: 9, tool: "add" })).toBe("edb");
    expect(shown({ limit: 9, tool: "add", states: ["dead", "accepted"] })).toBe("eb");
    expect(shown({ limit: 9, tool: "no'ne" })).toBe("");
    expect(shown({ limit: 9, principal: "ann" })).toBe("ca");
    expect(shown({ limit: 1, principal: "bob", states: ["accepted", "dead"], tool: "add" })).toBe("e");
    expect(shown({ limit: 9, states: [] })).toBe("");
  });

  holds(
    "what is over is forgotten in its time, the oldest first, and what is open never",
    ({ ledger, put, become }) => {
      expect(ledger.oldestOverAt()).toBeUndefined();
      for (const id of ["a", "b", "c", "d", "e"]) put(id, { orderKey: "k" });
      become("a", { state: "done", updatedAt: 3_000 });
      become("b", { state: "cancelled", updatedAt: 2_000 });
      become("c", { state: "discarded", updatedAt: 4_000 });
      become("d", { state: "dead", updatedAt: 1_000 });
      ledger.update(ledger.get("a")!, { kind: "result", text: "{}", era: "modern" });
      expect(ledger.oldestOverAt()).toBe(2_000);
      expect([ledger.forget(1_999, 10), ledger.forget(9_000, 1)]).toEqual([0, 1]);
      expect([ledger.get("b"), ledger.oldestOverAt()]).toEqual([undefined, 3_000]);
      expect(ledger.forget(3_000, 10)).toBe(1);
      expect([ledger.get("a"), ledger.payload("a"), ledger.outcome("a")]).toEqual([undefined, undefined, undefined]);
      expect([ledger.forget(9_000, 10), ledger.forget(9_000, 10)]).toEqual([1, 0]);
      expect(idsOf(ledger.list({ limit: 9 }))).toEqual(["e", "d"]);
      expect([ledger.counts().done, ledger.counts().dead, ledger.amount().depth]).toEqual([0, 1, 2]);
    },
  );

  holds("what its caller has heard of, and cannot ask for again, is forgotten sooner", ({ ledger, put, become }) => {
    const heard = { isQueued: false };
    for (const id of ["a", "b", "c"]) put(id, heard);
    put("d");
    ledger.insert(newOperation("e", heard), "{}", dedupOf("k"));
    for (const id of ["a", "d", "e"]) become(id, { state: "done", updatedAt: 2_000 });
    become("b", { state: "discarded", updatedAt: 2_000 });
    become("c", { state: "ambiguous", updatedAt: 2_000 });
    expect([ledger.oldestHeardAt(), ledger.oldestOverAt()]).toEqual([2_000, 2_000]);
    expect([ledger.forget(1_000, 10, 1_999), ledger.forget(1_000, 10, 2_000)]).toEqual([0, 1]);
    expect([idsOf(ledger.list({ limit: 9 })), ledger.oldestHeardAt()]).toEqual([["e", "d", "c", "b"], undefined]);
    expect(ledger.counts().done).toBe(2);
  });

  holds("a transaction that fails leaves everything as it was", ({ ledger, due, put, become }) => {
    put("a", { orderKey: "k", tags: ["t"] });
    const failing = () =>
      ledger.transaction(() => {
        become("a", { state: "done" });
        put("b", { orderKey: "k", tags: ["u"] });
        ledger.keep("name", "value");
        ledger.insert(newOperation("c"), "{}", dedupOf("key"));
        throw new Error("no");
      });
    expect(failing).toThrow("no");
    expect([due(), ledger.counts().done, ledger.amount().depth]).toEqual([["a"], 0, 1]);
    expect([ledger.get("b"), ledger.payload("b"), ledger.kept("name")]).toEqual([undefined, undefined, undefined]);
    expect(ledger.known({ principal: "ann", tool: "write", key: "key" })).toBeUndefined();
    expect(ledger.pendingTags()).toEqual(new Map([["t", 1]]));
    expect(ledger.transaction(() => put("b").id)).toBe("b");
    expect(() => put("b")).toThrow();
    expect(ledger.amount().depth).toBe(2);
  });

  holds("a value is kept under its name until there is another", ({ ledger }) => {
    expect(ledger.kept("a")).toBeUndefined();
    ledger.keep("a", "1");
    ledger.keep("b", "2");
    ledger.keep("a", "3");
    expect([ledger.kept("a"), ledger.kept("b")]).toEqual(["3", "2"]);
  });
}

type Tools = ReturnType<typeof toolsOf>;

function toolsOf(ledger: Ledger) {
  return {
    ledger,
    put: (id: string, more: Partial<NewOperation> = {}) => ledger.insert(newOperation(id, more), "{}"),
    /** Changes an operation: as it is then. */
    become(id: string, change: Partial<Operation>): Operation {
      const operation = { ...ledger.get(id)!, ...change };
      ledger.update(operation);
      return operation;
    },
    /** Those that are due, by name. */
    due: () => idsOf(ledger.due(1_000, 100)).toSorted(),
  };
}

/** Far faster than comparing them one by one. */
function sameBytes(a: unknown, b: Uint8Array): boolean {
  return a instanceof Uint8Array && a.length === b.length && a.every((byte, at) => byte === b[at]);
}
