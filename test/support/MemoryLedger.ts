import type {
  Amount,
  DedupKey,
  KnownKey,
  Ledger,
  NewOperation,
  OperationFilter,
  Payload,
  StoredOutcome,
} from "../../src/outbox/Ledger.ts";
import { isOpen, isPending, type Operation, type OperationState } from "../../src/outbox/Operation.ts";

/** What is kept of an operation. Never changed: replaced. */
interface Row {
  operation: Operation;
  payload: Payload | undefined;
  outcome: StoredOutcome | undefined;
}

interface Content {
  /** In the order of their seq. */
  rows: Row[];
  keys: (DedupKey & { id: string })[];
  kept: Map<string, string>;
  seq: number;
}

const isWaiting = ({ state }: Operation) => state === "accepted" || state === "retry";
const isPassedOver = ({ state, ifStuck }: Operation) =>
  (state === "ambiguous" || state === "dead") && ifStuck === "skip";
const least = (times: number[]) => (times.length === 0 ? undefined : Math.min(...times));

/** A ledger that is a list: what it says can be seen to be right. It outlives whoever uses it, as long as the test does. */
export class MemoryLedger implements Ledger {
  #content: Content = { rows: [], keys: [], kept: new Map(), seq: 0 };
  /** Called before each change; what it throws is thrown, and undoes the transaction. */
  onWrite: () => void = () => {};

  transaction<T>(work: () => T): T {
    const { rows, keys, kept, seq } = this.#content;
    const before = { rows: [...rows], keys: [...keys], kept: new Map(kept), seq };
    try {
      return work();
    } catch (error) {
      this.#content = before;
      throw error;
    }
  }

  insert(operation: NewOperation, payload: Payload, dedup?: DedupKey): Operation {
    this.onWrite();
    if (this.get(operation.id) !== undefined) throw new Error(`there is ${operation.id} already`);
    const row: Row = { operation: { ...operation, seq: ++this.#content.seq }, payload, outcome: undefined };
    this.#content.rows.push(row);
    if (dedup !== undefined) {
      this.#content.keys = this.#content.keys.filter((one) => !isSameKey(one, dedup));
      this.#content.keys.push({ ...dedup, id: operation.id });
    }
    return row.operation;
  }

  get(id: string): Operation | undefined {
    return this.#row(id)?.operation;
  }

  payload(id: string): Payload | undefined {
    return this.#row(id)?.payload;
  }

  outcome(id: string): StoredOutcome | undefined {
    return this.#row(id)?.outcome;
  }

  known(dedup: Omit<DedupKey, "digest">): KnownKey | undefined {
    const key = this.#content.keys.find((one) => isSameKey(one, dedup));
    return key === undefined ? undefined : { id: key.id, digest: key.digest };
  }

  update(operation: Operation, outcome?: StoredOutcome): void {
    this.onWrite();
    const at = this.#content.rows.findIndex((row) => row.operation.id === operation.id);
    const row = this.#content.rows[at];
    if (row === undefined) throw new Error(`there is no ${operation.id}`);
    this.#content.rows[at] = { ...row, operation, outcome: outcome ?? row.outcome };
    if (operation.state === "cancelled") this.#freeKey(operation.id);
  }

  remove(id: string): void {
    this.onWrite();
    this.#content.rows = this.#content.rows.filter(({ operation }) => operation.id !== id);
    this.#freeKey(id);
  }

  due(now: number, limit: number): Operation[] {
    return this.#waitingHeads()
      .filter(({ dueAt }) => dueAt <= now)
      .sort((a, b) => a.dueAt - b.dueAt || a.seq - b.seq)
      .slice(0, limit);
  }

  nextDueAt(): number | undefined {
    return least(this.#waitingHeads().map(({ dueAt }) => dueAt));
  }

  leased(): Operation[] {
    return this.operations().filter(({ state }) => state === "leased");
  }

  overdue(now: number, limit: number): Operation[] {
    return this.operations()
      .filter((operation) => isWaiting(operation) && operation.givesUpAt <= now)
      .sort((a, b) => a.givesUpAt - b.givesUpAt || a.seq - b.seq)
      .slice(0, limit);
  }

  nextGiveUpAt(): number | undefined {
    return least(
      this.operations()
        .filter(isWaiting)
        .map(({ givesUpAt }) => givesUpAt),
    );
  }

  unpromised(): Operation[] {
    return this.operations().filter(
      ({ state, attempts, isQueued }) => state === "accepted" && attempts === 0 && !isQueued,
    );
  }

  blockedBy(operation: Operation): Operation | undefined {
    const head = this.#head(operation);
    return head !== undefined && head.seq < operation.seq ? head : undefined;
  }

  amount(principal?: string): Amount {
    const open = this.operations().filter((one) => isOpen(one) && (principal ?? one.principal) === one.principal);
    return { depth: open.length, bytes: open.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  held(principal?: string): Amount {
    const all = this.operations().filter((one) => (principal ?? one.principal) === one.principal);
    return { depth: all.length, bytes: all.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  pendingTags(most = Number.POSITIVE_INFINITY): Map<string, number> {
    const tags = new Map<string, number>();
    for (const operation of this.operations()) {
      if (!isPending(operation) || !operation.isQueued) continue;
      for (const tag of new Set(operation.tags)) tags.set(tag, (tags.get(tag) ?? 0) + 1);
    }
    return new Map([...tags].slice(0, most));
  }

  counts(): Record<OperationState, number> {
    const counts: Record<OperationState, number> = {
      accepted: 0,
      leased: 0,
      retry: 0,
      ambiguous: 0,
      dead: 0,
      done: 0,
      cancelled: 0,
      discarded: 0,
    };
    for (const { state } of this.operations()) counts[state]++;
    return counts;
  }

  oldestAt(): number | undefined {
    return this.operations().find(isPending)?.acceptedAt;
  }

  list({ states, principal, tool, before, limit }: OperationFilter): Operation[] {
    return this.operations()
      .filter((one) => states === undefined || states.includes(one.state))
      .filter((one) => principal === undefined || one.principal === principal)
      .filter((one) => tool === undefined || one.tool === tool)
      .filter((one) => before === undefined || one.seq < before)
      .reverse()
      .slice(0, limit);
  }

  forget(before: number, limit: number, heardBefore?: number): number {
    this.onWrite();
    const forgotten = this.#forget((operation) => !isOpen(operation), before, limit);
    return (
      forgotten +
      (heardBefore === undefined ? 0 : this.#forget((operation) => this.isHeard(operation), heardBefore, limit))
    );
  }

  oldestOverAt(): number | undefined {
    return least(
      this.operations()
        .filter((operation) => !isOpen(operation))
        .map(({ updatedAt }) => updatedAt),
    );
  }

  oldestHeardAt(): number | undefined {
    return least(
      this.operations()
        .filter((operation) => this.isHeard(operation))
        .map(({ updatedAt }) => updatedAt),
    );
  }

  kept(name: string): string | undefined {
    return this.#content.kept.get(name);
  }

  keep(name: string, value: string): void {
    this.onWrite();
    this.#content.kept.set(name, value);
  }

  /** Whether nobody asks for it any more: its caller has heard of it, and has no key. */
  isHeard({ id, state, isQueued }: Operation): boolean {
    return state === "done" && !isQueued && this.#content.keys.every((key) => key.id !== id);
  }

  /** All there are, in the order in which they were accepted. */
  operations(): Operation[] {
    return this.#content.rows.map(({ operation }) => operation);
  }

  #forget(which: (operation: Operation) => boolean, before: number, limit: number): number {
    const old = this.operations()
      .filter((operation) => which(operation) && operation.updatedAt <= before)
      .sort((a, b) => a.updatedAt - b.updatedAt || a.seq - b.seq)
      .slice(0, limit);
    for (const { id } of old) this.remove(id);
    return old.length;
  }

  #row(id: string): Row | undefined {
    return this.#content.rows.find(({ operation }) => operation.id === id);
  }

  #head({ orderKey }: Operation): Operation | undefined {
    return orderKey === null
      ? undefined
      : this.operations().find((one) => one.orderKey === orderKey && isOpen(one) && !isPassedOver(one));
  }

  #waitingHeads(): Operation[] {
    const seen = new Set<string>();
    return this.operations().filter((one) => {
      if (!isOpen(one) || isPassedOver(one)) return false;
      const isHead = one.orderKey === null || !seen.has(one.orderKey);
      if (one.orderKey !== null) seen.add(one.orderKey);
      return isHead && isWaiting(one);
    });
  }

  #freeKey(id: string): void {
    this.#content.keys = this.#content.keys.filter((key) => key.id !== id);
  }
}

function isSameKey(a: Omit<DedupKey, "digest">, b: Omit<DedupKey, "digest">): boolean {
  return a.principal === b.principal && a.tool === b.tool && a.key === b.key;
}
