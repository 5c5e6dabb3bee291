import { env } from "cloudflare:workers";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import type { ToolConfig } from "../../src/config/types.ts";
import { aimOf, mirror } from "../../src/lanes/mirror.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import type { Asked } from "../../src/lanes/directives.ts";
import { Mirrors } from "../../src/lanes/Mirrors.ts";
import { pendingOn } from "../../src/lanes/pendingOn.ts";
import { cacheableMethod } from "../../src/mcp/methods.ts";
import type { Call } from "../../src/mcp/recognise.ts";
import { mirrorName } from "../../src/mirror/mirrorName.ts";
import { makingOf, STILL, tablesOf } from "../../src/mirror/tables.ts";
import { Feed } from "../../src/sync/Feed.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import { Tally } from "../../src/telemetry/Tally.ts";
import { runs } from "../support/runs.ts";
import { emptyIsolate } from "./emptyIsolate.ts";

const { DB: db } = env;
const NOW = 1_800_000_000_000;
const SCHEMA = { type: "object", properties: { id: { type: "string" }, more: { default: "m" } }, required: ["id"] };
const ORDINARY: Asked = { again: false, onlyCached: false };

afterEach(() => void vi.useRealTimers());

/**
 * An isolate, and a mirror with the row `a` at the place 1 of the feed `f`. D1 answers as `answer` lets it; `announced` is
 * being written.
 */
async function setUp(id: string, tool: ToolConfig = {}) {
  const { origins } = resolve({
    origins: {
      [id]: {
        url: `https://${id}.example.com/mcp`,
        collections: {
          things: { from: { tool: "list" }, key: "id", scope: "public", every: "1h", tags: ["thing:{id}"] },
        },
        tools: {
          get: {
            answer: { from: "things", key: "{id}", notFound: { text: "No {args.id}." }, ignore: ["more"] },
            consistency: "bounded",
            ...tool,
          },
        },
      },
    },
    access: { open: true },
  });
  const origin = origins.get(id)!;
  const collection = origin.collections.get("things")!;
  const name = await mirrorName(origin.settings, collection);
  const newFeed = (feedId: string) => new Feed({ feedId, seq: 1, floor: 0, hardFloor: 0 });
  let feed = newFeed("f");
  const view = new FeedView(() => "i");
  const state = {
    now: NOW,
    reads: 0,
    woken: 0,
    feeds: 1,
    announced: [] as string[],
    isReachable: true,
    answer: undefined as (() => Promise<never>) | undefined,
  };
  const guarded = (session: D1DatabaseSession): D1DatabaseSession =>
    ({
      prepare: (text: string) => {
        state.reads++;
        const bound = (statement: D1PreparedStatement): unknown => ({
          bind: (...values: unknown[]) => bound(statement.bind(...values)),
          first: () => state.answer?.() ?? statement.first(),
          all: () => state.answer?.() ?? statement.all(),
        });
        return bound(session.prepare(text));
      },
    }) as unknown as D1DatabaseSession;
  const object = {
    pulse: async (since: { seq: number; feedId: string | undefined }) => {
      if (!state.isReachable) throw new Error("no such object");
      return { ...feed.since(since), announced: state.announced };
    },
    wake: async () => void state.woken++,
  };
  const namespace = { idFromName: String, get: () => object };
  const x = {
    replica: { enabled: true, access: {} },
    origin,
    feed: view,
    tally: new Tally(() => undefined),
    isolate: { ...emptyIsolate(), mirrors: new Mirrors() },
    env: {
      DB: { withSession: (how: string) => guarded(db.withSession(how)) },
      MIRROR_SYNC: namespace,
      ORIGIN_SYNC: namespace,
    },
    caller: { principal: "p" },
    principal: "p",
    now: () => state.now,
    random: () => 0.5,
    waitUntil: () => {},
    report: () => {},
    body: {},
  } as unknown as Exchange;
  const hear = () => view.hear(view.ask(), feed.since({ seq: 0, feedId: undefined }));
  hear();
  /** How many writes waited for each answer. */
  const lacks: number[] = [];
  const pend = (pending: Record<string, number>) => void (view.pending = new Map(Object.entries(pending)));
  const ask = async (args: object = { id: "a" }, asked = ORDINARY) => {
    const call = {
      era: "legacy",
      method: "tools/call",
      shape: cacheableMethod("tools/call")!,
      target: "get",
      variant: args,
      capabilities: {},
    } as unknown as Call;
    const found = await mirror(x, call, aimOf(x, call)!, asked);
    if (found?.kind !== "entry") return found?.kind;
    lacks.push(view.pending.size === 0 ? 0 : pendingOn(x, call, found.entry));
    return `${found.isGiven ? "given" : "kept"} ${found.word} ${/(?<=word[^A-Z\d]*)[A-Z\d]+/.exec(found.entry.body)?.[0] ?? "none"}`;
  };
  const tell = (tag: string, hard = false) => {
    feed.invalidate([tag], { hard }, state.now);
    hear();
  };
  const keepSchemas = (schema: object, hash: string) =>
    db
      .prepare("UPDATE mirror SET schemas = ?2, schemas_hash = ?3 WHERE name = ?1")
      .bind(name, JSON.stringify({ get: schema }), hash)
      .run();
  /** As after a pull that began at a place in the feed. */
  const pull = async (word = "A", position = { feedId: "f", seq: 1 }) => {
    const { rows } = tablesOf(name, collection);
    await db.batch([
      ...makingOf(name, collection).map((text) => db.prepare(text)),
      db.prepare(`DELETE FROM ${rows}`),
      db
        .prepare(`INSERT INTO ${rows} (key, since, until, hash, body) VALUES ('a', 1, ${STILL}, '', ?1)`)
        .bind(JSON.stringify({ id: "a", word })),
      db
        .prepare(
          "INSERT OR REPLACE INTO mirror (name, origin, collection, version, oldest, as_of, feed_id, seq) VALUES (?1, ?2, 'things', 1, 1, ?3, ?4, ?5)",
        )
        .bind(name, id, NOW, position.feedId, position.seq),
    ]);
    await keepSchemas(SCHEMA, "s1");
  };
  /** The object has lost its feed. */
  const forget = () => {
    feed = newFeed(`f${++state.feeds}`);
  };
  const at = () => ({ feedId: feed.head.feedId, seq: feed.head.seq });
  const invalidate = (tag: string, hard: boolean) => feed.invalidate([tag], { hard }, state.now);
  return { state, ask, tell, pull, keepSchemas, forget, at, invalidate, pend, lacks };
}

describe("what the feed says", () => {
  test("of the row itself counts, be it there or not", async () => {
    const { ask, tell, pull } = await setUp("lane-feed");
    await pull();
    tell("thing:b");
    tell("other");
    expect(await ask()).toBe("given hit A");
    expect(await ask({ id: "none" })).toBe("given hit none");
    // It may have come to be.
    tell("thing:none");
    expect(await ask()).toBe("given hit A");
    expect(await ask({ id: "none" })).toBe("kept stale none");
    tell("thing:a");
    expect(await ask()).toBe("kept stale A");
    tell("thing:a", true);
    expect(await ask()).toBeUndefined();
  });

  test.each(["collection:things", "tool:list", "tool:get", "method:tools/call", "origin"])(
    "of %s counts for all",
    async (tag) => {
      const { ask, tell, pull } = await setUp("lane-all");
      await pull();
      expect(await ask()).toBe("given hit A");
      tell(tag);
      expect(await ask()).toBe("kept stale A");
    },
  );

  test("is asked in each call that is strict, and where it cannot be asked nothing is given", async () => {
    const { ask, tell, pull, state } = await setUp("lane-strict", { consistency: "strict" });
    await pull();
    expect(await ask()).toBe("given hit A");
    state.announced = ["thing:b"];
    expect(await ask()).toBe("given hit A");
    expect(await ask({ id: "none" })).toBe("given hit none");
    expect(await ask({ id: "b" })).toBeUndefined();
    state.announced = ["thing:a"];
    expect(await ask()).toBeUndefined();
    state.announced = ["tool:list"];
    expect(await ask()).toBeUndefined();
    state.announced = [];
    state.isReachable = false;
    expect(await ask()).toBeUndefined();
    state.isReachable = true;
    tell("thing:a");
    // Nor instead of an origin that fails.
    expect(await ask()).toBeUndefined();
  });
});

test("the writes count that wait for the row, or for all that may be in its collection", async () => {
  const { ask, tell, pull, pend, lacks } = await setUp("lane-pending");
  await pull();
  const lackOf = async (pending: Record<string, number>, args?: object) => {
    pend(pending);
    await ask(args);
    return lacks.pop();
  };
  expect(await lackOf({})).toBe(0);
  expect(await lackOf({ "thing:a": 2, "thing:b": 7 })).toBe(2);
  expect(await lackOf({ "thing:a": 2, "thing:none": 3 }, { id: "none" })).toBe(3);
  expect(await lackOf({ "thing:b": 7, other: 1 })).toBe(0);
  for (const tag of ["collection:things", "tool:list", "tool:get", "method:tools/call", "origin"])
    expect(await lackOf({ [tag]: 4 })).toBe(4);
  // What stands in for an origin that fails says so, too.
  tell("thing:a");
  pend({ "thing:a": 2 });
  expect([await ask(), lacks.pop()]).toEqual(["kept stale A", 2]);
});

const thing = fc.constantFrom("a", "b");
const step = fc.oneof(
  fc.record({ do: fc.constant("write" as const), thing, hard: fc.boolean() }),
  fc.record({ do: fc.constantFrom("pull" as const, "late pull" as const), thing }),
  fc.record({ do: fc.constantFrom("lost feed" as const, "unreachable" as const) }),
);

test("whatever happens, a strict answer is what the origin says by then", async () => {
  const { ask, pull, state, at, invalidate, forget } = await setUp("lane-any", { consistency: "strict" });
  let word = 0;
  let given = 0;
  const look = async () => {
    const answer = await ask();
    if (answer === undefined) return;
    given++;
    expect(answer).toBe(`given hit ${word}`);
  };
  /** Announced, made, ended: everybody looks in between. */
  const write = async (thing: string, hard: boolean) => {
    state.announced = [`thing:${thing}`];
    await look();
    if (thing === "a") word++;
    if (thing === "a") expect(await ask()).toBeUndefined();
    invalidate(`thing:${thing}`, hard);
    state.announced = [];
    await look();
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      await pull(`${word}`, at());
      expect(await ask()).toBe(`given hit ${word}`);
      for (const one of steps) {
        if (one.do === "write") await write(one.thing, one.hard);
        if (one.do === "pull") await pull(`${word}`, at());
        if (one.do === "late pull") {
          // What it asked the origin for is written down after something else was.
          const [old, position] = [`${word}`, at()];
          await write(one.thing, false);
          await pull(old, position);
        }
        if (one.do === "lost feed") forget();
        if (one.do === "unreachable") {
          state.isReachable = false;
          expect(await ask()).toBeUndefined();
          state.isReachable = true;
        }
        await look();
      }
    }),
    { numRuns: runs(15, 1_000) },
  );
  expect(given).toBeGreaterThan(10);
});

test("arguments are held against the schema that is stored now, with its defaults", async () => {
  const { ask, pull, keepSchemas, state } = await setUp("lane-schemas");
  await pull();
  expect(await ask()).toBe("given hit A");
  const before = state.reads;
  expect(await ask()).toBe("given hit A");
  // The schema is held; it is not read again.
  expect(state.reads - before).toBe(1);
  expect(await ask({ id: 5 })).toBeUndefined();
  expect(await ask({ id: "a", unknown: 1 })).toBeUndefined();
  expect(await ask({})).toBeUndefined();
  await keepSchemas({ ...SCHEMA, properties: { id: { type: "string", minLength: 2 } } }, "s2");
  expect(await ask()).toBeUndefined();
  await keepSchemas({ ...SCHEMA, required: ["id", "more"] }, "s3");
  // By what is held it does not fit: that there is another schema is seen with what is answered, or after a minute.
  expect(await ask()).toBeUndefined();
  expect(await ask({ id: "aa" })).toBe("given hit none");
  expect(await ask()).toBe("given hit A");
  await keepSchemas({ type: "object" }, "s4");
  expect(await ask({})).toBeUndefined();
  state.now += 60_000;
  expect(await ask({ id: 5 })).toBe("given hit none");
  expect(await ask({ id: "a", more: 5 })).toBe("given hit A");
});

describe("the database", () => {
  test("is left alone for a while where nothing was pulled yet, and the object is told at most now and then", async () => {
    const { ask, pull, state } = await setUp("lane-unsynced");
    expect(await ask()).toBeUndefined();
    expect(state).toMatchObject({ reads: 1, woken: 1 });
    expect(await ask()).toBeUndefined();
    state.now += 1_999;
    expect(await ask()).toBeUndefined();
    expect(state).toMatchObject({ reads: 1, woken: 1 });
    state.now += 1;
    expect(await ask()).toBeUndefined();
    expect(state).toMatchObject({ reads: 2, woken: 1 });
    state.now += 10_000;
    expect(await ask()).toBeUndefined();
    expect(state).toMatchObject({ reads: 3, woken: 2 });
    await pull();
    state.now += 2_000;
    expect(await ask()).toBe("given hit A");
    state.now += 599_000;
    await ask();
    expect(state.woken).toBe(3);
    state.now += 1_000;
    await ask();
    expect(state.woken).toBe(3);
  });

  test("is a miss where it fails, and after three times in a row is not asked for five seconds", async () => {
    const { ask, pull, state } = await setUp("lane-failing");
    await pull();
    expect(await ask()).toBe("given hit A");
    state.answer = () => Promise.reject(new Error("D1_ERROR: overloaded"));
    for (let nth = 0; nth < 3; nth++) expect(await ask()).toBeUndefined();
    state.answer = undefined;
    const before = state.reads;
    state.now += 4_999;
    expect(await ask()).toBeUndefined();
    expect(state.reads).toBe(before);
    state.now += 1;
    expect(await ask()).toBe("given hit A");
  });

  test("is a miss where it takes more than two seconds", async () => {
    const { ask, pull, state } = await setUp("lane-slow");
    await pull();
    expect(await ask()).toBe("given hit A");
    vi.useFakeTimers();
    state.answer = () => new Promise(() => {});
    let answered: unknown = "waits";
    const asked = ask().then((answer) => (answered = answer));
    await vi.advanceTimersByTimeAsync(1_999);
    expect(answered).toBe("waits");
    await vi.advanceTimersByTimeAsync(1);
    await asked;
    expect(answered).toBeUndefined();
  });
});
