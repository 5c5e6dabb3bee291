import type { Duty } from "./Alarm.ts";
import type { PulseRequest } from "./Pulse.ts";
import { Totals, type Kept } from "./Totals.ts";
import type { OriginTotals } from "./OriginTotals.ts";

/** The form in which they are kept. What is of another is not read: counting begins anew. */
const VERSION = 1;
/** They are written at most this often, unless somebody looks. */
const WRITE_EVERY_MS = 60_000;

/**
 * An origin's totals in the storage of a Durable Object. What was once shown is there after whatever ends the object: a
 * counter that goes back is taken for one that began anew.
 */
export class KeptTotals implements Duty {
  readonly #sql: SqlStorage;
  readonly #totals: Totals;
  /** When they are written next; `undefined` while there is nothing new. */
  #dueAt: number | undefined;

  /** `now` is when they begin, where nothing is kept. */
  constructor(sql: SqlStorage, now: number) {
    this.#sql = sql;
    sql.exec(
      "CREATE TABLE IF NOT EXISTS totals (only INTEGER PRIMARY KEY CHECK (only = 1), value TEXT NOT NULL) STRICT",
    );
    const [row] = sql.exec<{ value: string }>("SELECT value FROM totals").toArray();
    this.#totals = new Totals(row && keptIn(row.value), now);
  }

  readonly dueAt = (): number | undefined => this.#dueAt;

  readonly run = async (): Promise<void> => this.#write();

  /** Takes in what a pulse says. `now` is epoch ms. */
  pulse({ isolate, tally, vitals }: PulseRequest, now: number): void {
    this.#totals.pulse(isolate, vitals ?? { active: 0, lagMs: 0 }, now);
    if (tally) this.#totals.add(isolate, tally);
    this.#dueAt ??= now + WRITE_EVERY_MS;
  }

  /** All that was counted, with what the asking isolate has counted since its last pulse. */
  show(
    { isolate, tally }: Pick<PulseRequest, "isolate" | "tally">,
    now: number,
  ): Pick<OriginTotals, "counted" | "isolates"> {
    if (tally) this.#totals.add(isolate, tally);
    if (tally || this.#dueAt !== undefined) this.#write();
    return { counted: this.#totals.all, isolates: this.#totals.isolates(now) };
  }

  #write(): void {
    const value = JSON.stringify({ v: VERSION, ...this.#totals.all });
    this.#sql.exec("INSERT OR REPLACE INTO totals (only, value) VALUES (1, ?)", value);
    this.#dueAt = undefined;
  }
}

function keptIn(value: string): Kept | undefined {
  try {
    const { v, ...kept } = JSON.parse(value) as Kept & { v: number };
    return v === VERSION ? kept : undefined;
  } catch {
    return undefined;
  }
}
