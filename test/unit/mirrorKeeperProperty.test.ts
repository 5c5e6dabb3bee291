import fc from "fast-check";
import { expect, test } from "vitest";
import { runs, timeLimitMs } from "../support/runs.ts";
import { EVERY_MS, keeping, MINUTE_MS, type KeptWorld } from "./support/KeptWorld.ts";

const id = fc.constantFrom("a", "b", "c", "d", "e", "f", "g");

/** What happens: at the origin, to the objects and D1, and in time. */
const happening = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("change" as const), id, isTold: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("remove" as const), id, isTold: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("work" as const), times: fc.integer({ min: 1, max: 4 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(1_000, 20_000, 301_000) }),
  },
  { weight: 2, arbitrary: fc.constant({ do: "again" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "pull" as const }) },
  { weight: 1, arbitrary: fc.constant({ do: "purge" as const }) },
  // For one time.
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("fail" as const), what: fc.constantFrom("page", "rows", "one", "bad") }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), what: fc.constantFrom("store", "object") }) },
);

type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

/** What a row was over time; `undefined` where it was not there. What was told: since which seq, and which of these it was then. */
interface History {
  values: (number | undefined)[];
  told: { seq: number; from: number }[];
}

class Past {
  readonly #of = new Map<string, History>();
  readonly #world: KeptWorld;

  constructor(world: KeptWorld) {
    this.#world = world;
    world.things = [];
  }

  async change(key: string, n: number | undefined, isTold: boolean): Promise<void> {
    const world = this.#world;
    const others = world.things.filter((one) => one.id !== key);
    world.things = n === undefined ? others : [...others, { id: key, n }].sort((a, b) => (a.id < b.id ? -1 : 1));
    const history = this.#of.get(key) ?? { values: [undefined], told: [] };
    history.values.push(n);
    this.#of.set(key, history);
    if (!isTold) return;
    await world.tell(`thing:${key}`);
    history.told.push({ seq: world.feed.head.seq, from: history.values.length - 1 });
  }

  /** Anything may have changed. */
  async purge(): Promise<void> {
    await this.#world.tell("collection:things");
    const { seq } = this.#world.feed.head;
    for (const { values, told } of this.#of.values()) told.push({ seq, from: values.length - 1 });
  }

  /** What readers see was so at the origin at some time; and not before a change that they take for worked in. */
  async check(): Promise<void> {
    const record = await this.#world.record;
    if (!record || record.version === 0) return;
    const rows = await this.#world.rows();
    expect(new Set(rows.map((one) => one.id)).size).toBe(rows.length);
    expect(rows.length).toBe(record.size);
    const seen = new Map(rows.map((one) => [one.id, one.n]));
    for (const key of seen.keys()) expect(this.#of.has(key)).toBe(true);
    for (const [key, { values, told }] of this.#of) {
      const from = Math.max(0, ...told.filter(({ seq }) => seq <= record.seq).map((one) => one.from));
      expect(values.slice(from), `${key} at ${record.seq}`).toContain(seen.get(key));
    }
  }
}

async function happen(world: KeptWorld, past: Past, one: Happening, n: number): Promise<void> {
  switch (one.do) {
    case "change":
      return past.change(one.id, n, one.isTold);
    case "remove":
      return past.change(one.id, undefined, one.isTold);
    case "work":
      return world.settle(one.times);
    case "pass":
      return world.pass(one.ms);
    case "again":
      return world.again();
    case "pull":
      return world.keeper.pullNow();
    case "purge":
      return past.purge();
    case "fail":
      world.intercept = (what) => {
        if (what !== (one.what === "page" || one.what === "rows" ? "page" : "one")) return undefined;
        world.intercept = () => undefined;
        if (one.what === "rows") return { rows: [{ n: 1 }], requests: 1 };
        return one.what === "bad" ? { bad: "It says that it failed." } : { failure: { kind: "unreachable" } };
      };
      return;
    case "lose":
      if (one.what === "store") world.isStoreLost = true;
      else world.isObjectLost = true;
      world.again();
      await world.settle(2);
      world.isStoreLost = world.isObjectLost = false;
      world.again();
  }
}

test(
  "whatever happens, nobody takes a row for newer than it is, and in the end all are as they are",
  { timeout: timeLimitMs(60_000) },
  () =>
    fc.assert(
      fc.asyncProperty(fc.array(happening, { minLength: 5, maxLength: 30 }), (happenings) =>
        keeping(async (world) => {
          const past = new Past(world);
          for (const [nth, key] of ["a", "b", "c", "d", "e"].entries()) await past.change(key, nth, false);
          world.isByKey = true;
          world.perPage = 1;
          world.requestsPerPage = 20;
          await world.wake();
          for (const [nth, one] of happenings.entries()) {
            await happen(world, past, one, 100 + nth);
            await past.check();
          }
          world.intercept = () => undefined;
          await world.pass(2 * EVERY_MS + MINUTE_MS);
          await past.check();
          expect(await world.rows()).toEqual(world.things);
          expect(world.status).toMatchObject({ failed: null, pulling: null, suspect: 0, rows: world.things.length });
        }),
      ),
      { numRuns: runs(8, 1_500) },
    ),
);
