import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { outboxObject } from "../../src/origin/outboxObject.ts";
import type { Ledger } from "../../src/outbox/Ledger.ts";
import type { Operation } from "../../src/outbox/Operation.ts";
import { SqlLedger } from "../../src/outbox/SqlLedger.ts";
import { ledgerContract, newOperation } from "../support/ledgerContract.ts";
import { MemoryLedger } from "../support/MemoryLedger.ts";
import { runs, timeLimitMs } from "../support/runs.ts";

let nth = 0;
/** An object that nobody has asked for anything. */
const newObject = () => outboxObject(env, { id: `ledger-${nth++}`, region: undefined });
const withStorage = (work: (storage: DurableObjectStorage) => void) =>
  runInDurableObject(newObject(), (_, { storage }) => work(storage));
const withSqlLedger = (work: (ledger: Ledger) => void) => withStorage((storage) => work(new SqlLedger(storage)));

describe("the ledger that is a list", () => {
  ledgerContract(async (work) => work(new MemoryLedger()));
});

describe("the ledger in SQLite", () => {
  ledgerContract(withSqlLedger);

  test("it says what the list says, whatever was done to both", { timeout: timeLimitMs(30_000) }, () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) =>
        withSqlLedger((ledger) => {
          const list = new MemoryLedger();
          for (const one of steps) {
            expect(tried(() => carryOut(one, ledger))).toEqual(tried(() => carryOut(one, list)));
            expect(shownBy(ledger)).toEqual(shownBy(list));
          }
        }),
      ),
      { numRuns: runs(40, 5_000) },
    ),
  );

  test("what it holds outlives the object's end", async () => {
    const object = newObject();
    await runInDurableObject(object, (_, { storage }) => {
      const ledger = new SqlLedger(storage);
      ledger.insert(newOperation("a", { orderKey: "k", tags: ["t"] }), "{}");
      ledger.insert(newOperation("b", { orderKey: "k" }), "[]");
      ledger.keep("name", "value");
    });
    await evictDurableObject(object);
    await runInDurableObject(object, (_, { storage }) => {
      const ledger = new SqlLedger(storage);
      expect(ledger.due(9_000, 9).map(({ id }) => id)).toEqual(["a"]);
      expect([ledger.payload("b"), ledger.kept("name"), ledger.amount().depth]).toEqual(["[]", "value", 2]);
      expect(ledger.pendingTags()).toEqual(new Map([["t", 1]]));
    });
  });

  test("a version of the Worker that keeps more beside it is left alone", () =>
    withStorage((storage) => {
      const ledger = new SqlLedger(storage);
      storage.sql.exec("ALTER TABLE operation ADD COLUMN later TEXT NOT NULL DEFAULT 'x'");
      const a = ledger.insert(newOperation("a"), "{}");
      storage.sql.exec("UPDATE operation SET later = 'y'");
      const again = new SqlLedger(storage);
      again.update({ ...a, state: "leased", leaseUntil: 5 });
      expect(ledger.get("a")).toEqual({ ...a, state: "leased", leaseUntil: 5 });
      expect(storage.sql.exec("SELECT later FROM operation").one()).toEqual({ later: "y" });
    }));

  test("what stands in names and keys is a value, whatever it looks like", () =>
    withSqlLedger((ledger) => {
      const evil = "x'); DROP TABLE operation; --\u0000\"`%_\ud83d\ude00";
      const more = { principal: evil, tool: evil, orderKey: evil, tags: [evil, "__proto__"] };
      const operation = ledger.insert(newOperation("a", more), evil, { ...more, key: evil, digest: evil });
      ledger.update({ ...operation, state: "dead", why: evil });
      ledger.update({ ...operation, state: "retry" });
      ledger.keep(evil, evil);
      expect(ledger.get("a")).toEqual({ ...operation, state: "retry" });
      expect(ledger.known({ ...more, key: evil })).toEqual({ id: "a", digest: evil });
      expect([ledger.payload("a"), ledger.kept(evil), ledger.amount(evil).depth]).toEqual([evil, evil, 1]);
      expect([...ledger.pendingTags()].toSorted()).toEqual([
        ["__proto__", 1],
        [evil, 1],
      ]);
      expect(ledger.list({ limit: 9, principal: evil, tool: evil, states: ["retry"] })).toHaveLength(1);
      expect(ledger.list({ limit: 9, tool: "x' OR '1'='1" })).toEqual([]);
    }));

  test("no question of its goes through the queue, in any plan of SQLite's", () =>
    withStorage((storage) => {
      const { storage: watched, asked } = watch(storage);
      askEverything(new SqlLedger(watched));
      const scans: string[][] = [];
      const statements = new Set(asked.map(({ query }) => query).filter((query) => !query.startsWith("CREATE")));
      expect(statements.size).toBeGreaterThan(25);
      for (const query of statements) {
        const parameters = Array.from({ length: query.split("?").length - 1 }, () => null);
        const plan = storage.sql.exec<{ detail: string }>(`EXPLAIN QUERY PLAN ${query}`, ...parameters).toArray();
        // What goes along an index, or the table itself, from one end has enough at its limit; in the one index is only what is wanted.
        const isBounded = query.includes(" LIMIT ") || query.includes("operation_unpromised");
        const isScan = ({ detail }: { detail: string }) =>
          detail.includes("TEMP B-TREE") || (detail.includes("SCAN") && !isBounded);
        const found = plan.filter(isScan);
        if (found.length > 0) scans.push([query.replaceAll(/\s+/g, " "), ...found.map(({ detail }) => detail)]);
      }
      expect(scans).toEqual([]);
    }));

  test("with a hundred thousand queued it reads as many rows as with a hundred", async () => {
    const readWith = async (depth: number) => {
      let read: [query: string, rows: number][] = [];
      await withStorage((storage) => {
        const { storage: watched, asked } = watch(storage);
        const ledger = new SqlLedger(watched);
        fill(ledger, storage.sql, depth);
        asked.length = 0;
        askEverything(ledger);
        read = asked.map(({ query, cursor }) => [query, cursor.rowsRead]);
      });
      return read;
    };
    const few = await readWith(100);
    const many = await readWith(runs(100_000, 1_000_000));
    expect(many.map(([query]) => query)).toEqual(few.map(([query]) => query));
    const more = many.filter(([, rows], at) => rows > few[at]![1] + 2);
    expect(more).toEqual([]);
    expect(many.reduce((sum, [, rows]) => sum + rows, 0)).toBeGreaterThan(100);
  });
});

/** Notes what a ledger asks of its storage. */
function watch(watched: DurableObjectStorage) {
  const asked: { query: string; cursor: { rowsRead: number } }[] = [];
  const exec = (query: string, ...bindings: SqlStorageValue[]) => {
    const cursor = watched.sql.exec(query, ...bindings);
    asked.push({ query, cursor });
    return cursor;
  };
  const transactionSync = <T>(work: () => T) => watched.transactionSync(work);
  return { storage: { sql: { exec }, transactionSync } as unknown as DurableObjectStorage, asked };
}

/** Has ever more that waits, in as many keys as there are tenths of it, and as much that is over or stuck. */
function fill(ledger: SqlLedger, sql: SqlStorage, depth: number): void {
  ledger.insert(newOperation("1", { dueAt: 500, tool: "other", principal: "eve" }), "{}");
  const columns = `principal, order_key, if_stuck, idempotency, tags, is_awaited, tool, is_queued, attempts, bytes,
    accepted_at, updated_at, due_at, gives_up_at`;
  const values = `'ann', 'k' || (n % ${depth / 10}), 'skip', '{"kind":"none"}', '["t"]', 0, 'write', 1, 0, 10,
    1000, 1000, 1000, 90000`;
  for (const [from, state, holds] of [
    [1, "accepted", 1],
    [2, "retry", 1],
    [3, "done", 0],
    [4, "dead", 0],
  ] as const) {
    sql.exec(
      `WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ${depth / 4})
      INSERT INTO operation (id, state, holds, is_head, ${columns})
        SELECT 'f' || (${from} + 4 * n), '${state}', ${holds}, ${from === 1 ? `n < ${depth / 10}` : 0}, ${values} FROM numbers`,
    );
    sql.exec(
      "INSERT INTO content (seq, what, part, form, data) SELECT seq, 'payload', 0, 'plain', x'7b7d' FROM operation WHERE state = ?",
      state === "accepted" ? "none" : state,
    );
  }
}

/** Everything that is ever asked of a ledger, with some of what it answers. */
function askEverything(ledger: Ledger): void {
  const dedup = { principal: "bob", tool: "write", key: "key", digest: "d" };
  const put = (id: string, orderKey: string | null) =>
    ledger.insert(newOperation(id, { orderKey, principal: "bob", tags: ["t"] }), "{}", { ...dedup, key: id });
  const a = put("a", "k1");
  const b = put("b", "mine");
  const c = put("c", "mine");
  const d = put("d", null);
  for (const one of [a, b, c, d]) ledger.blockedBy(one);
  ledger.update({ ...b, state: "leased", attempts: 1, leaseUntil: 5 });
  ledger.update({ ...b, state: "done", updatedAt: 100 }, { kind: "result", text: "{}", era: "modern" });
  ledger.update({ ...c, state: "ambiguous" });
  ledger.update({ ...c, state: "accepted" });
  ledger.update({ ...d, state: "cancelled" });
  for (const id of ["a", "b", "none"]) {
    ledger.get(id);
    ledger.payload(id);
    ledger.outcome(id);
  }
  ledger.known(dedup);
  ledger.due(5_000, 5);
  ledger.nextDueAt();
  ledger.leased();
  ledger.overdue(100_000, 5);
  ledger.nextGiveUpAt();
  ledger.unpromised();
  ledger.amount();
  ledger.amount("ann");
  ledger.pendingTags();
  ledger.counts();
  ledger.oldestAt();
  ledger.oldestOverAt();
  ledger.oldestHeardAt();
  for (const states of [undefined, ["dead"], ["dead", "ambiguous", "done"]] as const) {
    for (const tool of [undefined, "write", "other"]) {
      for (const principal of [undefined, "bob", "eve"])
        if (principal === undefined || !tool)
          ledger.list({
            limit: 5,
            before: a.seq,
            ...(states && { states }),
            ...(tool && { tool }),
            ...(principal && { principal }),
          });
    }
  }
  ledger.list({ limit: 5 });
  ledger.remove("a");
  ledger.forget(5_000, 3, 5_000);
  ledger.keep("a", "b");
  ledger.kept("a");
}

const IDS = ["a", "b", "c", "d", "e", "f"] as const;
const time = fc.integer({ min: 0, max: 5 });
const id = fc.constantFrom(...IDS);
const callerKey = { principal: fc.constantFrom("ann", "bob"), tool: fc.constantFrom("write", "add") };
const state = fc.constantFrom(
  ...(["accepted", "leased", "retry", "ambiguous", "dead", "done", "cancelled", "discarded"] as const),
);
// Most are accepted, at first and again.
const usualState = fc.oneof(
  { weight: 4, arbitrary: fc.constant("accepted" as const) },
  { weight: 2, arbitrary: fc.constant("dead" as const) },
  { weight: 3, arbitrary: state },
);
const standing = {
  state: usualState,
  isQueued: fc.boolean(),
  attempts: fc.nat(1),
  updatedAt: time,
  dueAt: time,
  givesUpAt: time,
  bytes: fc.nat(5),
};
const put = fc.record({
  do: fc.constant("put" as const),
  id,
  key: fc.option(fc.constantFrom("x", "y"), { nil: undefined }),
  more: fc.record({
    ...callerKey,
    orderKey: fc.constantFrom("k", "k", "k", "l", null),
    ifStuck: fc.constantFrom("park", "skip"),
    tags: fc.array(fc.constantFrom("t", "u"), { maxLength: 2 }),
    ...standing,
  }),
});
const become = fc.record({
  do: fc.constant("become" as const),
  id,
  change: fc.record(standing, { requiredKeys: [] }),
  isAnswered: fc.boolean(),
});
const change = fc.oneof(
  { weight: 3, arbitrary: put },
  { weight: 4, arbitrary: become },
  fc.record({ do: fc.constant("remove" as const), id }),
  fc.record({
    do: fc.constant("forget" as const),
    before: time,
    limit: fc.integer({ min: 1, max: 3 }),
    heardBefore: fc.option(time, { nil: undefined }),
  }),
);
type Change = typeof change extends fc.Arbitrary<infer Of> ? Of : never;
type Step = Change | { do: "together"; changes: Change[]; fails: boolean };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: change },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("together" as const),
      changes: fc.array(change, { minLength: 1, maxLength: 4 }),
      fails: fc.boolean(),
    }),
  },
);

function carryOut(one: Step, ledger: Ledger): unknown {
  switch (one.do) {
    case "put": {
      const { principal, tool } = one.more;
      const dedup = one.key === undefined ? undefined : { principal, tool, key: one.key, digest: one.id };
      return ledger.insert(newOperation(one.id, one.more), `arguments of ${one.id}`, dedup).id;
    }
    case "become": {
      const operation = ledger.get(one.id);
      if (!operation) return "none";
      const outcome = { kind: "result", text: one.id, era: "modern" } as const;
      ledger.update({ ...operation, ...one.change }, one.isAnswered ? outcome : undefined);
      return undefined;
    }
    case "remove":
      ledger.remove(one.id);
      return undefined;
    case "forget":
      return ledger.forget(one.before, one.limit, one.heardBefore);
    case "together":
      return ledger.transaction(() => {
        const done = one.changes.map((each) => carryOut(each, ledger));
        if (one.fails) throw new Error("no");
        return done;
      });
  }
}

/** What something comes to: that it fails counts, and not in which words. */
function tried(work: () => unknown): unknown {
  try {
    return work();
  } catch {
    return "failed";
  }
}

/** All that a ledger can be asked, but for the numbers that it gives. */
function shownBy(ledger: Ledger) {
  const named = (operations: readonly Operation[]) => operations.map(({ id }) => id).join("");
  const all = IDS.flatMap((each) => ledger.get(each) ?? []);
  const { seq: middle = 0 } = all[2] ?? {};
  return {
    all: all.map(({ seq: _, ...rest }) => rest),
    contents: all.map((one) => [ledger.payload(one.id), ledger.outcome(one.id), ledger.blockedBy(one)?.id]),
    known: ["ann", "bob"].flatMap((principal) =>
      ["x", "y"].map((key) => ["write", "add"].map((tool) => ledger.known({ principal, tool, key }))),
    ),
    due: [named(ledger.due(3, 9)), named(ledger.due(9, 2)), ledger.nextDueAt()],
    overdue: [named(ledger.overdue(3, 9)), named(ledger.overdue(9, 2)), ledger.nextGiveUpAt()],
    others: [named(ledger.leased()), named(ledger.unpromised()), ledger.oldestAt(), ledger.oldestOverAt()],
    heard: ledger.oldestHeardAt(),
    amounts: [ledger.amount(), ledger.amount("ann"), ledger.amount("bob"), ledger.counts()],
    tags: [...ledger.pendingTags()].toSorted(),
    lists: [
      ledger.list({ limit: 9 }),
      ledger.list({ limit: 2, before: middle }),
      ledger.list({ limit: 2, states: ["dead", "accepted"] }),
      ledger.list({ limit: 2, tool: "add", before: middle }),
      ledger.list({ limit: 9, tool: "write", principal: "ann", states: ["done", "leased"] }),
      ledger.list({ limit: 9, principal: "bob" }),
    ].map(named),
  };
}
