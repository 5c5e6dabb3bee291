import type { Payload, StoredOutcome } from "./Ledger.ts";
import type { OperationOutcome } from "./Operation.ts";

/** A row takes 2 MB with all that is in it. */
const PART_BYTES = 1_500_000;

/** What is sealed says nothing of its kind outside. */
const SEALED = "sealed";
const PLAIN = "plain";

/** The arguments of operations, and what the origin has answered, as they were given: sealed or not. */
export class LedgerContents {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  putPayload(seq: number, payload: Payload): void {
    if (typeof payload === "string") this.#put(seq, "payload", PLAIN, new TextEncoder().encode(payload));
    else this.#put(seq, "payload", SEALED, payload);
  }

  putOutcome(seq: number, outcome: StoredOutcome): void {
    this.#drop(seq, "outcome");
    if (outcome instanceof Uint8Array) return this.#put(seq, "outcome", SEALED, outcome);
    const { kind, era, text } = outcome;
    this.#put(seq, "outcome", `${kind} ${era}`, new TextEncoder().encode(text));
  }

  payload(id: string): Payload | undefined {
    const found = this.#get(id, "payload");
    return found && (found.form === SEALED ? found.data : new TextDecoder().decode(found.data));
  }

  outcome(id: string): StoredOutcome | undefined {
    const found = this.#get(id, "outcome");
    if (!found || found.form === SEALED) return found?.data;
    const [kind, era] = found.form.split(" ") as [OperationOutcome["kind"], OperationOutcome["era"]];
    return { kind, text: new TextDecoder().decode(found.data), era };
  }

  drop(seq: number): void {
    this.#sql.exec("DELETE FROM content WHERE seq = ?", seq);
  }

  #drop(seq: number, what: "outcome"): void {
    this.#sql.exec("DELETE FROM content WHERE seq = ? AND what = ?", seq, what);
  }

  #put(seq: number, what: "payload" | "outcome", form: string, data: Uint8Array): void {
    // What is empty is a part, too.
    for (let from = 0, part = 0; from === 0 || from < data.length; from += PART_BYTES, part++) {
      const piece = data.slice(from, from + PART_BYTES).buffer;
      this.#sql.exec(
        "INSERT INTO content (seq, what, part, form, data) VALUES (?, ?, ?, ?, ?)",
        seq,
        what,
        part,
        form,
        piece,
      );
    }
  }

  #get(id: string, what: "payload" | "outcome"): { form: string; data: Uint8Array<ArrayBuffer> } | undefined {
    const parts = this.#sql
      .exec<{ form: string; data: ArrayBuffer }>(
        `SELECT form, data FROM content WHERE seq = (SELECT seq FROM operation WHERE id = ?) AND what = ? ORDER BY part`,
        id,
        what,
      )
      .toArray();
    const [first] = parts;
    if (!first) return undefined;
    const data = new Uint8Array(parts.reduce((sum, one) => sum + one.data.byteLength, 0));
    let at = 0;
    for (const part of parts) {
      data.set(new Uint8Array(part.data), at);
      at += part.data.byteLength;
    }
    return { form: first.form, data };
  }
}
