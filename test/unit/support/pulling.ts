import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { Collection } from "../../../src/config/mirror.ts";
import { MirrorStore } from "../../../src/mirror/MirrorStore.ts";
import { Pull } from "../../../src/mirror/Pull.ts";
import type { Budget, PullState, PullStep } from "../../../src/mirror/PullState.ts";
import { Seen } from "../../../src/mirror/Seen.ts";
import type { NoPage, Page, Source } from "../../../src/mirror/Source.ts";

/** A collection as it is resolved, with what a test is about. */
export function collectionOf(more: Partial<Collection> = {}): Collection {
  return {
    name: "things",
    from: { kind: "tool", tool: "list", arguments: {}, rows: "", cursor: undefined, total: undefined },
    key: ["/id"],
    keyNames: ["id"],
    columns: [],
    indexes: [],
    search: undefined,
    readers: "public",
    everyMs: 60_000,
    maxRows: 200_000,
    staleIfErrorMs: 60_000,
    tags: [],
    row: undefined,
    tools: [],
    ...more,
  };
}

/** Rows that are listed by offset, `size` on a page; as they are when a page is asked for. */
export function listed(rows: () => readonly unknown[], size: () => number, more: Partial<Page> = {}): Source {
  return {
    page: async (cursor) => {
      const from = Number(cursor ?? 0);
      const to = from + size();
      const all = rows();
      return { rows: all.slice(from, to), requests: 1, ...(to < all.length && { next: String(to) }), ...more };
    },
    one: async () => ({ gone: true }),
  };
}

/** Pages one by one, whatever their cursors say. */
export function scripted(...pages: (Page | NoPage)[]): Source {
  let nth = 0;
  return { page: async () => pages[nth++ % pages.length]!, one: async () => ({ gone: true }) };
}

/** A page with rows. */
export function pageOf(rows: unknown[], next?: string, more: Partial<Page> = {}): Page {
  return { rows, requests: 1, ...(next !== undefined && { next }), ...more };
}

/** A collection in D1 as it is. */
export interface Looked {
  record: { version: number; oldest: number; size: number; asOf: number };
  rows: { id: number; key: string; since: number; until: number; body: string; c0?: unknown; plain: string | null }[];
  texts: number[];
  finds: number[][];
}

let mirrors = 0;

/** A collection in D1 and what its pulls need. Times are steps of a clock of its own. */
export class Mirror {
  readonly name = `pulling/${++mirrors}#${crypto.randomUUID().slice(0, 8)}`;
  readonly collection: Collection;
  readonly db: D1Database;
  /** What was saved last. */
  state: PullState | undefined;
  clock = 1_000;

  constructor(more: Partial<Collection> = {}, db: D1Database = env.DB) {
    this.collection = collectionOf(more);
    this.db = db;
  }

  get store(): MirrorStore {
    return new MirrorStore(this.db, this.name, this.collection);
  }

  async prepare(): Promise<this> {
    await new MirrorStore(env.DB, this.name, this.collection).prepare("pulling", "things");
    return this;
  }

  /** One step, from what was saved; saved unless `save` says that it is lost. */
  async step(
    source: Source,
    { budget, save = () => true }: { budget?: Budget; save?: () => boolean } = {},
  ): Promise<PullStep> {
    return this.inObject((sql) => {
      const seen = new Seen(sql);
      const { store, collection, state } = this;
      const position = { feedId: "f", seq: this.clock };
      const pull = new Pull({ store, source, collection, seen, position, now: () => this.clock++ });
      return pull.step(state, budget).then((came) => {
        if (!save()) return came;
        this.state = "state" in came ? came.state : undefined;
        if (this.state) seen.save();
        return came;
      });
    });
  }

  /** Steps until the pull has come to its end. */
  async pull(source: Source, budget?: Budget): Promise<Exclude<PullStep, { kind: "goes-on" | "start-over" }>> {
    for (;;) {
      const came = await this.step(source, budget ? { budget } : {});
      if (came.kind === "done" || came.kind === "failed") return came;
    }
  }

  /** What readers of a version see: the bodies by key. */
  async readAt(version: number): Promise<Map<string, string>> {
    const sql = `SELECT key, body FROM "rows:${this.name}" WHERE since <= ?1 AND until > ?1`;
    const { results } = await env.DB.prepare(sql).bind(version).all<{ key: string; body: string }>();
    const found = new Map(results.map(({ key, body }) => [key, body]));
    if (found.size < results.length) throw new Error("a key is there twice");
    return found;
  }

  /** The version that readers see. */
  async version(): Promise<number> {
    return (await new MirrorStore(env.DB, this.name, this.collection).state())!.version;
  }

  async read(): Promise<Map<string, string>> {
    return this.readAt(await this.version());
  }

  /** The keys of what is found at the version that readers see. */
  async search(query: string): Promise<string[]> {
    const sql = `SELECT r.key FROM "text:${this.name}" t JOIN "rows:${this.name}" r ON r.id = t.rowid, mirror m
      WHERE "text:${this.name}" MATCH ?1 AND m.name = ?2 AND r.since <= m.version AND r.until > m.version ORDER BY r.key`;
    return (await env.DB.prepare(sql).bind(query, this.name).all<{ key: string }>()).results.map(({ key }) => key);
  }

  /** All that is there, read at once; and the ids of what is found, by query. */
  async look(queries: readonly string[] = []): Promise<Looked> {
    const [record, rows, texts, ...finds] = await env.DB.batch([
      env.DB.prepare("SELECT *, as_of AS asOf FROM mirror WHERE name = ?").bind(this.name),
      env.DB.prepare(`SELECT * FROM "rows:${this.name}" ORDER BY id`),
      env.DB.prepare(
        this.collection.search ? `SELECT rowid AS id FROM "text:${this.name}" ORDER BY rowid` : "SELECT 1",
      ),
      ...queries.map((query) =>
        env.DB.prepare(`SELECT rowid AS id FROM "text:${this.name}" WHERE "text:${this.name}" MATCH ?`).bind(query),
      ),
    ]);
    const ids = ({ results }: D1Result) => (results as { id: number }[]).map(({ id }) => id);
    return {
      record: record!.results[0] as Looked["record"],
      rows: rows!.results as Looked["rows"],
      texts: ids(texts!),
      finds: finds.map(ids),
    };
  }

  /** In the storage that its object would have. */
  inObject<T>(use: (sql: SqlStorage) => Promise<T> | T): Promise<T> {
    const object = env.MIRROR_SYNC.get(env.MIRROR_SYNC.idFromName(`test ${this.name}`));
    return runInDurableObject(object, (_, { storage }) => use(storage.sql));
  }
}
