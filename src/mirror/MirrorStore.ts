import type { Collection } from "../config/mirror.ts";
import type { Budget, Position } from "./PullState.ts";
import type { MirrorRow } from "./rowOf.ts";

/** The row of `mirror`: how a collection stands in D1. */
export interface MirrorRecord {
  /** 0 before the first. */
  version: number;
  oldest: number;
  /** Epoch ms. */
  asOf: number;
  feedId: string | null;
  seq: number;
  /** How many rows the version has. */
  size: number;
  /** Tool to epoch ms. */
  stopped: Record<string, number>;
  schemasHash: string;
}

/** What came of asking for single rows again. */
export interface Refreshed {
  /** What readers see now, and what they saw: the same where nothing has changed. */
  version: number;
  before: number;
  added: number;
  changed: number;
  removed: number;
}

/** All that is written of a collection in D1. Its `MirrorSync` alone writes. Errors of D1 are thrown as they are. */
export class MirrorStore {
  /** Requests that D1 got, and rows that it wrote, those of indexes included, since this was made. */
  readonly spent = { requests: 0, written: 0 };

  /** `name` is `mirrorName(…)`. */
  constructor(db: D1Database, name: string, collection: Collection) {
    void [db, name, collection];
  }

  /** Makes its tables and its row in `mirror`, where they are not there. `name` is the collection's as the operator calls it. */
  async prepare(_origin: string, _name: string): Promise<void> {}

  /** How it stands; `undefined` before `prepare`. */
  async state(): Promise<MirrorRecord | undefined> {
    return undefined;
  }

  /** The key of the row that came from a resource; `undefined` where none did. */
  async keyOf(_uri: string): Promise<string | undefined> {
    return undefined;
  }

  /**
   * Works in single rows that were asked for again, as a version of their own; `asOf` stays. Never while a pull is under way:
   * what one has left behind that was given up is taken back first. `position` is how far the feed was known before the rows
   * were asked for, where all that it told of up to there is worked in. `undefined` before the first pull has come to its end.
   */
  async refresh(
    _changes: readonly (MirrorRow | { gone: string })[],
    _position?: Position,
  ): Promise<Refreshed | undefined> {
    return undefined;
  }

  /** The version is as the origin says it at `asOf`. */
  async renew(_asOf: number, _position: Position): Promise<void> {}

  /** A tool is not answered from it any more. `at` is epoch ms. */
  async stop(_tool: string, _at: number): Promise<void> {}

  /** All tools are answered from it. */
  async resume(): Promise<void> {}

  /** Holds the input schemas of its tools: JSON, by name. */
  async keepSchemas(_json: string, _hash: string): Promise<void> {}

  /** Versions up to this are not read any more: removes rows that are in none but those. Gives whether all are gone. */
  async collect(_upTo: number, _budget?: Budget): Promise<boolean> {
    return true;
  }

  /** Nothing of it is left. */
  async drop(): Promise<void> {}
}
