import type { Amount } from "./Ledger.ts";
import { isOpen, isPending, type Operation, type OperationState } from "./Operation.ts";

type Kind = "state" | "principal" | "held" | "tag";

/** What is counted of an operation. */
type Countable = Pick<Operation, "state" | "principal" | "tags" | "isQueued" | "bytes">;

/** How many operations there are of a kind, kept up with every change: by state, by principal while open and as long as they are kept, by tag while queued. */
export class LedgerTotals {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Counts an operation that has changed; `undefined`: it was not there, or is not any more. */
  change(before: Countable | undefined, after: Countable | undefined): void {
    const changes = new Map<string, { kind: Kind; name: string } & Amount>();
    const add = (one: Countable, sign: 1 | -1) => {
      for (const [kind, name] of placesOf(one)) {
        const key = `${kind} ${name}`;
        const { depth, bytes } = changes.get(key) ?? { depth: 0, bytes: 0 };
        changes.set(key, { kind, name, depth: depth + sign, bytes: bytes + sign * one.bytes });
      }
    };
    if (before) add(before, -1);
    if (after) add(after, 1);
    for (const { kind, name, depth, bytes } of changes.values()) {
      if (depth === 0 && bytes === 0) continue;
      this.#sql.exec(
        `INSERT INTO total (kind, name, depth, bytes) VALUES (?, ?, ?, ?)
          ON CONFLICT (kind, name) DO UPDATE SET depth = depth + excluded.depth, bytes = bytes + excluded.bytes`,
        kind,
        name,
        depth,
        bytes,
      );
      if (depth < 0) this.#sql.exec("DELETE FROM total WHERE kind = ? AND name = ? AND depth = 0", kind, name);
    }
  }

  states(): Map<OperationState, Amount> {
    const rows = this.#all("state");
    return new Map(rows.map(({ name, depth, bytes }) => [name as OperationState, { depth, bytes }]));
  }

  /** Of a principal's that are open. */
  principal(principal: string): Amount {
    return this.#one("principal", principal);
  }

  /** Of a principal's that are kept. */
  held(principal: string): Amount {
    return this.#one("held", principal);
  }

  /** How many wait for each tag, of `most` tags. */
  tags(most?: number): Map<string, number> {
    return new Map(this.#all("tag", most).map(({ name, depth }) => [name, depth]));
  }

  #one(kind: Kind, name: string): Amount {
    const [row] = this.#sql
      .exec<{ depth: number; bytes: number }>("SELECT depth, bytes FROM total WHERE kind = ? AND name = ?", kind, name)
      .toArray();
    return row ?? { depth: 0, bytes: 0 };
  }

  #all(kind: Kind, most = -1) {
    return this.#sql
      .exec<{
        name: string;
        depth: number;
        bytes: number;
      }>("SELECT name, depth, bytes FROM total WHERE kind = ? LIMIT ?", kind, most)
      .toArray();
  }
}

/** Under what an operation counts. */
function* placesOf(one: Countable): Generator<[Kind, string]> {
  yield ["state", one.state];
  yield ["held", one.principal];
  if (isOpen(one)) yield ["principal", one.principal];
  if (one.isQueued && isPending(one)) for (const tag of new Set(one.tags)) yield ["tag", tag];
}
