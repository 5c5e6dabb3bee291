import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { outboxObject } from "../../src/origin/outboxObject.ts";
import type { Ledger } from "../../src/outbox/Ledger.ts";
import { SqlLedger } from "../../src/outbox/SqlLedger.ts";
import { ledgerContract, newOperation } from "../support/ledgerContract.ts";
import { runs } from "../support/runs.ts";

let nth = 0;
/** An object that nobody has asked for anything. */
const newObject = () => outboxObject(env, { id: `ledger-${nth++}`, region: undefined });
const withStorage = (work: (storage: DurableObjectStorage) => void) =>
  runInDurableObject(newObject(), (_, { storage }) => work(storage));
const withSqlLedger = (work: (ledger: Ledger) => void) => withStorage((storage) => work(new SqlLedger(storage)));

describe("the ledger in SQLite", () => {
  ledgerContract(withSqlLedger);

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
  for (const id of ["a", "b", "none"]) void [ledger.get(id), ledger.payload(id), ledger.outcome(id)];
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
  ledger.forget(5_000, 3);
  ledger.keep("a", "b");
  ledger.kept("a");
}
