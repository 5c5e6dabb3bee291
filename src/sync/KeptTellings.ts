import type { ToolChanges } from "../mcp/toolChanges.ts";
import type { Telling, TellingStore } from "./Tellings.ts";
import type { ToolChange } from "./ToolChange.ts";

const MAX_TELLINGS = 10_000;
/** Looking for those that are too many is done once in so many. */
const TRIM_EVERY = 100;
const MAX_TOOL_CHANGES = 20;

/** What was told, and which tools have changed lately, in the storage of a Durable Object. Losing it is no harm: then a change may be told twice. */
export class KeptTellings implements TellingStore {
  readonly #sql: SqlStorage;
  #sets = 0;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#create();
  }

  get(tag: string): Telling | undefined {
    return this.#sql
      .exec<Row<Telling>>("SELECT seq, before_seq AS before, after, since FROM telling WHERE tag = ?", tag)
      .toArray()[0];
  }

  set(tag: string, { seq, before, after, since }: Telling): void {
    const values = [tag, seq, before, after, since];
    this.#sql.exec(
      "INSERT OR REPLACE INTO telling (tag, seq, before_seq, after, since) VALUES (?, ?, ?, ?, ?)",
      ...values,
    );
    if (this.#sets++ % TRIM_EVERY > 0) return;
    this.#sql.exec(
      "DELETE FROM telling WHERE tag IN (SELECT tag FROM telling ORDER BY seq DESC LIMIT -1 OFFSET ?)",
      MAX_TELLINGS,
    );
  }

  /** Notes what has changed among the tools. */
  noteTools(changes: ToolChanges, now: number): void {
    this.#sql.exec("INSERT INTO tool_change (at, changes) VALUES (?, ?)", now, JSON.stringify(changes));
    this.#sql.exec(
      "DELETE FROM tool_change WHERE nth NOT IN (SELECT nth FROM tool_change ORDER BY nth DESC LIMIT ?)",
      MAX_TOOL_CHANGES,
    );
  }

  /** The latest changes among the tools, the newest first. */
  toolChanges(): ToolChange[] {
    return this.#sql
      .exec<{ at: number; changes: string }>("SELECT at, changes FROM tool_change ORDER BY nth DESC")
      .toArray()
      .map(({ at, changes }) => ({ at, ...(JSON.parse(changes) as ToolChanges) }));
  }

  #create(): void {
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS telling (tag TEXT PRIMARY KEY, seq INTEGER NOT NULL, before_seq INTEGER NOT NULL, after TEXT NOT NULL, since INTEGER NOT NULL) STRICT",
    );
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS tool_change (nth INTEGER PRIMARY KEY, at INTEGER NOT NULL, changes TEXT NOT NULL) STRICT",
    );
  }
}

type Row<T> = { [Name in keyof T]: T[Name] & SqlStorageValue };
