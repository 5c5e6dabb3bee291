import type { MirrorSetup } from "./MirrorSetup.ts";
import type { MirrorStatus } from "./MirrorStatus.ts";
import type { Position, PullState } from "./PullState.ts";
import type { ReplacedVersion } from "./Replaced.ts";
import type { ScheduleState } from "./Schedule.ts";
import type { VerifiedState } from "./Verified.ts";

/** What a `MirrorSync` has to know after whatever ends it. Times are epoch ms. */
export interface Kept {
  /** What `mirrorName` names it. */
  name: string;
  setup: MirrorSetup;
  /** When an isolate or an operator last wanted it. */
  wokenAt: number;
  schedule: ScheduleState;
  /** How far the feed was heard: what it told of up to there is worked in, or noted. */
  heard: Position | undefined;
  /** Whether it told of something that the version in D1 is not known to have. */
  isBehind: boolean;
  /** Of the pull that is under way: when it began; the last row that was noted before it began; whether it waits after a failure; since when it gets nowhere. */
  begun: { at: number; upTo: number; isWaiting: boolean; stalledAt?: number } | undefined;
  /** When the rows that are noted are asked for, and how often in a row that failed. */
  refreshAt: number;
  refreshFailures: number;
  /** What readers see, as far as it is known here. */
  version: number;
  rows: number;
  asOf: number | null;
  /** Versions whose rows are to be collected. */
  replaced: ReplacedVersion[];
  pulled: MirrorStatus["pulled"];
  failed: MirrorStatus["failed"];
  pulls: MirrorStatus["pulls"];
  verified: VerifiedState;
  /** The tools whose schemas are held. */
  schemasOf: readonly string[];
  /** Some of the resources that it is made of. */
  uris: readonly string[];
}

/** What is known of a mirror, in the storage of its `MirrorSync`: nothing before it was woken. */
export class KeptMirror {
  readonly #sql: SqlStorage;
  #kept: Kept | undefined;
  #pull: PullState | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec("CREATE TABLE IF NOT EXISTS kept (what TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT");
    this.#kept = this.#read<Kept>("mirror");
    this.#pull = this.#read<PullState>("pull");
  }

  get now(): Kept | undefined {
    return this.#kept;
  }

  /** How far the pull is that is under way; `undefined` where none is, or where it is yet to ask for its first page. */
  get pull(): PullState | undefined {
    return this.#pull;
  }

  /** Changes some of it. */
  put(changed: Partial<Kept>): void {
    this.#kept = { ...(this.#kept as Kept), ...changed };
    this.#write("mirror", this.#kept);
  }

  keepPull(state: PullState | undefined): void {
    this.#pull = state;
    if (state) this.#write("pull", state);
    else this.#sql.exec("DELETE FROM kept WHERE what = 'pull'");
  }

  /** It is as if it had never been woken. */
  clear(): void {
    this.#kept = this.#pull = undefined;
    this.#sql.exec("DELETE FROM kept");
  }

  #read<T>(what: string): T | undefined {
    const [row] = this.#sql.exec<{ value: string }>("SELECT value FROM kept WHERE what = ?", what).toArray();
    return row && (JSON.parse(row.value) as T);
  }

  #write(what: string, value: Kept | PullState): void {
    this.#sql.exec("INSERT OR REPLACE INTO kept (what, value) VALUES (?, ?)", what, JSON.stringify(value));
  }
}
