import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import type { Collection } from "../../../src/config/mirror.ts";
import { resolve } from "../../../src/config/resolve.ts";
import { Keeper } from "../../../src/mirror/Keeper.ts";
import { MirrorStore } from "../../../src/mirror/MirrorStore.ts";
import type { MirrorSetup } from "../../../src/mirror/MirrorSetup.ts";
import type { NoPage, One, Page } from "../../../src/mirror/Source.ts";
import { urisIn } from "../../../src/mirror/urisIn.ts";
import { Feed } from "../../../src/sync/Feed.ts";
import type { Health } from "../../../src/sync/Health.ts";
import type { MirrorNews, MirrorWord } from "../../../src/sync/MirrorWord.ts";
import type { ReplicaEvent } from "../../../src/telemetry/events.ts";
import { collectionOf } from "./pulling.ts";

const { settings } = resolve({ origins: { kept: { service: "S" } } }).origins.get("kept")!;

export const MINUTE_MS = 60_000;
export const EVERY_MS = 5 * MINUTE_MS;

/** A row of the origin's. */
export interface Thing {
  id: string;
  n: number;
}

let worlds = 0;

/** A mirror that is kept in step, in an object's storage and the real D1, with an origin, a feed and a clock that do as the test says. */
export class KeptWorld {
  readonly name = `kept/things#${++worlds}-${crypto.randomUUID().slice(0, 8)}`;
  readonly setup: MirrorSetup;
  now = 1_000_000_000_000;
  /** The origin's rows. */
  things: Thing[];
  perPage = 2;
  /** Whether cursors are keys: then what goes in between keeps nothing from being listed. */
  isByKey = false;
  /** How many requests a page takes: where they are many, a step has few pages. */
  requestsPerPage = 1;
  /** Comes before what the origin answers. */
  intercept: (what: "page" | "one", key: string | undefined) => NoPage | One | Page | undefined = () => undefined;
  /** What the origin was asked for: cursors and keys. */
  readonly asked: string[] = [];
  feed = new Feed({ feedId: "f", seq: 0, floor: 0, hardFloor: 0 });
  health: Health = { state: "up", since: 0 };
  readonly words: MirrorWord[] = [];
  readonly events: ReplicaEvent[] = [];
  /** Makes D1 and the origin's object fail. */
  isStoreLost = false;
  isObjectLost = false;
  /** Whether it may pull beside others. */
  hasPlace = true;
  retired = 0;
  keeper!: Keeper;
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage, more: Partial<Collection>) {
    this.#storage = storage;
    this.things = [1, 2, 3, 4, 5].map((n) => ({ id: `t${n}`, n }));
    const row = { tool: "get", arguments: { id: "{id}" }, at: "" };
    const collection = collectionOf({ tags: ["thing:{id}"], row, everyMs: EVERY_MS, ...more });
    this.setup = { origin: settings, collection, among: [collection.name], listens: true, eras: { modern: true } };
    this.again();
  }

  /** The object begins anew, from what it has kept. */
  again(): void {
    this.keeper = new Keeper({
      storage: this.#storage,
      storeOf: (name, { collection }) => new MirrorStore(this.#db, name, collection),
      sourceOf: () => ({
        page: async (cursor) => {
          this.asked.push(`page ${cursor ?? ""}`);
          return (this.intercept("page", cursor) as Page | NoPage | undefined) ?? this.#page(cursor);
        },
        one: async ([key], uri) => {
          const id = key ?? uri?.replace("x://a/", "");
          this.asked.push(`one ${id}`);
          const found = this.things.find((one) => one.id === id);
          return (this.intercept("one", id) as One | NoPage | undefined) ?? (found ? { row: found } : { gone: true });
        },
      }),
      schemasOf: async ({ collection: { tools } }) => ({
        json: JSON.stringify(Object.fromEntries(tools.map((tool) => [tool, { type: "object" }]))),
        hash: tools.join(),
        requests: 1,
      }),
      urisOf: (name, most) => urisIn(env.DB, name).some(most),
      uriOf: (name, key) => urisIn(env.DB, name).of(key),
      tell: async (word): Promise<MirrorNews> => {
        if (this.isObjectLost) throw new Error("lost");
        this.words.push(word);
        return { ...this.feed.since(word), health: this.health, hasPlace: word.wantsPlace && this.hasPlace };
      },
      retireOthers: async () => void this.retired++,
      arm: async () => {},
      now: () => this.now,
      random: () => 0.5,
      report: (event) => void this.events.push(event),
    });
  }

  wake(more: Partial<MirrorSetup> = {}): Promise<void> {
    return this.keeper.wake(this.name, { ...this.setup, ...more });
  }

  /** Something is invalidated, and the mirror is told that there is news. */
  async tell(...tags: string[]): Promise<void> {
    this.feed.invalidate(tags, {}, this.now);
    await this.keeper.changed();
  }

  /** Does what is due, until nothing is or so many times. */
  async settle(times = 50): Promise<void> {
    for (let time = 0; time < times && (this.keeper.dueAt() ?? Infinity) <= this.now; time++) await this.keeper.run();
  }

  /** Some time goes by, and everything is done when it is due. */
  async pass(ms: number): Promise<void> {
    const until = this.now + ms;
    for (let time = 0; time < 1_000; time++) {
      await this.settle();
      const dueAt = this.keeper.dueAt() ?? Infinity;
      if (dueAt > until) break;
      this.now = dueAt;
    }
    this.now = until;
  }

  get status() {
    return this.keeper.status()!;
  }

  get record() {
    return new MirrorStore(env.DB, this.name, this.setup.collection).state();
  }

  /** The rows that readers see, by id. */
  async rows(): Promise<Thing[]> {
    const { results } = await env.DB.prepare(
      `SELECT body FROM "rows:${this.name}", mirror WHERE name = ?1 AND since <= version AND until > version ORDER BY key`,
    )
      .bind(this.name)
      .all<{ body: string }>();
    return results.map(({ body }) => JSON.parse(body) as Thing);
  }

  get #db(): D1Database {
    if (!this.isStoreLost) return env.DB;
    const lost = () => Promise.reject(new Error("D1_ERROR: no such table: mirror"));
    return { prepare: (sql: string) => env.DB.prepare(sql), batch: lost } as unknown as D1Database;
  }

  #page(cursor: string | undefined): Page {
    const from = this.isByKey ? this.things.findIndex(({ id }) => id > (cursor ?? "")) : Number(cursor ?? 0);
    const to = from < 0 ? this.things.length : from + this.perPage;
    const rows = from < 0 ? [] : this.things.slice(from, to);
    const next = this.isByKey ? rows.at(-1)?.id : `${to}`;
    return { rows, requests: this.requestsPerPage, ...(to < this.things.length && { next: next! }) };
  }
}

/** Runs a test with a mirror of its own. */
export function keeping(work: (world: KeptWorld) => Promise<void>, more: Partial<Collection> = {}): Promise<void> {
  const object = env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName(`keeping ${worlds + 1} ${crypto.randomUUID()}`));
  return runInDurableObject(object, (_, { storage }) => work(new KeptWorld(storage, more)));
}
