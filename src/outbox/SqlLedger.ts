import type {
  Amount,
  DedupKey,
  KnownKey,
  Ledger,
  NewOperation,
  OperationFilter,
  Payload,
  StoredOutcome,
} from "./Ledger.ts";
import { LedgerContents } from "./LedgerContents.ts";
import { createLedger } from "./ledgerSchema.ts";
import { LedgerTotals } from "./LedgerTotals.ts";
import { isOpen, type Operation, type OperationState } from "./Operation.ts";
import {
  changingValues,
  holdsItsKey,
  lastingValues,
  operationOf,
  OPERATION_COLUMNS,
  type OperationRow,
} from "./operationRow.ts";

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

const SELECT = `SELECT ${OPERATION_COLUMNS} FROM operation`;
// The indexes are named, with their conditions in their own words: left to itself, SQLite goes through all of a state.
const SENDABLE = "INDEXED BY operation_due WHERE is_head = 1 AND state IN ('accepted', 'retry')";
const GIVEN_UP = "INDEXED BY operation_give_up WHERE state IN ('accepted', 'retry')";
const OVER = "INDEXED BY operation_over WHERE state IN ('done', 'cancelled', 'discarded')";
const HEARD = "INDEXED BY operation_heard WHERE state = 'done' AND is_queued = 0 AND caller_key IS NULL";
const UNPROMISED = "INDEXED BY operation_unpromised WHERE state = 'accepted' AND attempts = 0 AND is_queued = 0";
const HOLDING = "INDEXED BY operation_order WHERE order_key = ? AND holds = 1";

/**
 * The ledger in a Durable Object's SQLite. What is asked for often is kept up with every change, heads (`is_head`) and
 * totals, and the rest has an index of its own: no question reads more rows when the queue is longer.
 */
export class SqlLedger implements Ledger {
  readonly #storage: Pick<DurableObjectStorage, "sql" | "transactionSync">;
  readonly #sql: SqlStorage;
  readonly #contents: LedgerContents;
  readonly #totals: LedgerTotals;

  constructor(storage: Pick<DurableObjectStorage, "sql" | "transactionSync">) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#contents = new LedgerContents(storage.sql);
    this.#totals = new LedgerTotals(storage.sql);
    createLedger(storage.sql);
  }

  transaction<T>(work: () => T): T {
    return this.#storage.transactionSync(work);
  }

  insert(operation: NewOperation, payload: Payload, dedup?: DedupKey): Operation {
    return this.transaction(() => {
      if (dedup) this.#free(dedup);
      const values = {
        ...lastingValues(operation),
        ...changingValues(operation),
        caller_key: dedup?.key ?? null,
        digest: dedup?.digest ?? null,
        is_head: Number(holdsItsKey(operation) && this.#head(operation.orderKey) === undefined),
      };
      const names = Object.keys(values);
      const { seq } = this.#sql
        .exec<{ seq: number }>(
          `INSERT INTO operation (${names.join(", ")}) VALUES (${names.map(() => "?").join(", ")}) RETURNING seq`,
          ...Object.values(values),
        )
        .one();
      this.#contents.putPayload(seq, payload);
      this.#totals.change(undefined, operation);
      return { ...operation, seq };
    });
  }

  get(id: string): Operation | undefined {
    const row = this.#row(id);
    return row && operationOf(row);
  }

  payload(id: string): Payload | undefined {
    return this.#contents.payload(id);
  }

  outcome(id: string): StoredOutcome | undefined {
    return this.#contents.outcome(id);
  }

  known({ principal, tool, key }: Omit<DedupKey, "digest">): KnownKey | undefined {
    return this.#sql
      .exec<Record<keyof KnownKey, string>>(
        "SELECT id, digest FROM operation WHERE principal = ? AND tool = ? AND caller_key = ?",
        principal,
        tool,
        key,
      )
      .toArray()[0];
  }

  update(operation: Operation, outcome?: StoredOutcome): void {
    this.transaction(() => {
      const before = this.get(operation.id);
      if (!before) throw new Error(`There is no operation ${operation.id}.`);
      const { seq, orderKey } = before;
      const values = changingValues(operation);
      const changes = Object.keys(values).map((name) => `${name} = ?`);
      this.#sql.exec(`UPDATE operation SET ${changes.join(", ")} WHERE seq = ?`, ...Object.values(values), seq);
      // What was taken back is as if it had not been: the key is free for another.
      if (operation.state === "cancelled") this.#sql.exec("UPDATE operation SET caller_key = NULL WHERE seq = ?", seq);
      if (outcome) this.#contents.putOutcome(seq, outcome);
      this.#totals.change(before, { ...before, ...operation });
      if (holdsItsKey(before) !== holdsItsKey(operation)) this.#chooseHead(orderKey, seq, holdsItsKey(operation));
    });
  }

  remove(id: string): void {
    this.transaction(() => {
      const before = this.get(id);
      if (!before) return;
      this.#leaveNothing(before.seq);
      this.#totals.change(before, undefined);
      this.#chooseHead(before.orderKey, before.seq, false);
    });
  }

  due(now: number, limit: number): Operation[] {
    return this.#all(`${SENDABLE} AND due_at <= ? ORDER BY due_at, seq LIMIT ?`, now, limit);
  }

  nextDueAt(): number | undefined {
    return this.#all(`${SENDABLE} ORDER BY due_at, seq LIMIT 1`)[0]?.dueAt;
  }

  leased(): Operation[] {
    return this.#all("WHERE state = 'leased' ORDER BY seq");
  }

  overdue(now: number, limit: number): Operation[] {
    return this.#all(`${GIVEN_UP} AND gives_up_at <= ? ORDER BY gives_up_at, seq LIMIT ?`, now, limit);
  }

  nextGiveUpAt(): number | undefined {
    return this.#all(`${GIVEN_UP} ORDER BY gives_up_at, seq LIMIT 1`)[0]?.givesUpAt;
  }

  unpromised(): Operation[] {
    return this.#all(`${UNPROMISED} ORDER BY seq`);
  }

  blockedBy({ orderKey, seq }: Operation): Operation | undefined {
    const head = this.#head(orderKey);
    return head && head.seq < seq ? head : undefined;
  }

  amount(principal?: string): Amount {
    if (principal !== undefined) return this.#totals.principal(principal);
    return together([...this.#totals.states()].flatMap(([state, one]) => (isOpen({ state }) ? [one] : [])));
  }

  held(principal?: string): Amount {
    return principal === undefined ? together([...this.#totals.states().values()]) : this.#totals.held(principal);
  }

  pendingTags(most?: number): Map<string, number> {
    return this.#totals.tags(most);
  }

  counts(): Record<OperationState, number> {
    const states = this.#totals.states();
    return Object.fromEntries(STATES.map((state) => [state, states.get(state)?.depth ?? 0])) as Record<
      OperationState,
      number
    >;
  }

  oldestAt(): number | undefined {
    const oldest = (["accepted", "leased", "retry"] as const).flatMap((state) =>
      this.#all("WHERE state = ? ORDER BY seq LIMIT 1", state),
    );
    return oldest.toSorted((a, b) => a.seq - b.seq)[0]?.acceptedAt;
  }

  list({ states, principal, tool, before, limit }: OperationFilter): Operation[] {
    const values: SqlStorageValue[] = [];
    const isWhere = (condition: string, value: SqlStorageValue | undefined) => {
      if (value === undefined) return "";
      values.push(value);
      return ` AND ${condition}`;
    };
    const shared = () => isWhere("principal = ?", principal) + isWhere("seq < ?", before);
    if (!states && tool === undefined) {
      const where = shared();
      return this.#all(`WHERE TRUE${where} ORDER BY seq DESC LIMIT ?`, ...values, limit);
    }
    // Each state by itself: so each has the latest of its own first, and no more is read of any than is asked for.
    const found = [...new Set(states ?? STATES)].flatMap((state) => {
      values.length = 0;
      const where = isWhere("tool = ?", tool) + isWhere("state = ?", state) + shared();
      return this.#all(`WHERE TRUE${where} ORDER BY seq DESC LIMIT ?`, ...values, limit);
    });
    return found.toSorted((a, b) => b.seq - a.seq).slice(0, limit);
  }

  forget(before: number, limit: number, heardBefore?: number): number {
    return this.transaction(() => {
      const forgotten = this.#forget(OVER, before, limit);
      return forgotten + (heardBefore === undefined ? 0 : this.#forget(HEARD, heardBefore, limit));
    });
  }

  oldestOverAt(): number | undefined {
    return this.#all(`${OVER} ORDER BY updated_at, seq LIMIT 1`)[0]?.updatedAt;
  }

  oldestHeardAt(): number | undefined {
    return this.#all(`${HEARD} ORDER BY updated_at, seq LIMIT 1`)[0]?.updatedAt;
  }

  kept(name: string): string | undefined {
    return this.#sql.exec<{ value: string }>("SELECT value FROM outbox_value WHERE name = ?", name).toArray()[0]?.value;
  }

  keep(name: string, value: string): void {
    this.#sql.exec("INSERT OR REPLACE INTO outbox_value (name, value) VALUES (?, ?)", name, value);
  }

  #forget(which: string, before: number, limit: number): number {
    const over = this.#all(`${which} AND updated_at <= ? ORDER BY updated_at, seq LIMIT ?`, before, limit);
    for (const one of over) {
      this.#leaveNothing(one.seq);
      this.#totals.change(one, undefined);
    }
    return over.length;
  }

  #all(which: string, ...values: SqlStorageValue[]): Operation[] {
    return this.#sql
      .exec<OperationRow>(`${SELECT} ${which}`, ...values)
      .toArray()
      .map(operationOf);
  }

  #row(id: string): OperationRow | undefined {
    return this.#sql.exec<OperationRow>(`${SELECT} WHERE id = ?`, id).toArray()[0];
  }

  /** The head of a key, sent or to be sent: the oldest that those behind it wait for. */
  #head(orderKey: string | null): Operation | undefined {
    if (orderKey === null) return undefined;
    return this.#all(`${HOLDING} ORDER BY seq LIMIT 1`, orderKey)[0];
  }

  /** Marks the head of a key anew, after an operation of it has begun or ceased to hold it. Who has no key is its own head. */
  #chooseHead(orderKey: string | null, changed: number, holds: boolean): void {
    const mark = (seq: number, isHead: boolean) =>
      this.#sql.exec("UPDATE operation SET is_head = ? WHERE seq = ? AND is_head <> ?", +isHead, seq, +isHead);
    if (orderKey === null) {
      mark(changed, holds);
      return;
    }
    const [first, second] = this.#all(`${HOLDING} ORDER BY seq LIMIT 2`, orderKey);
    if (!holds) mark(changed, false);
    if (first) mark(first.seq, true);
    // One that came back may stand before what was the head until now.
    if (first?.seq === changed && second) mark(second.seq, false);
  }

  #free({ principal, tool, key }: DedupKey): void {
    this.#sql.exec(
      "UPDATE operation SET caller_key = NULL WHERE principal = ? AND tool = ? AND caller_key = ?",
      principal,
      tool,
      key,
    );
  }

  #leaveNothing(seq: number): void {
    this.#contents.drop(seq);
    this.#sql.exec("DELETE FROM operation WHERE seq = ?", seq);
  }
}

function together(amounts: readonly Amount[]): Amount {
  const sum = { depth: 0, bytes: 0 };
  for (const { depth, bytes } of amounts) {
    sum.depth += depth;
    sum.bytes += bytes;
  }
  return sum;
}
