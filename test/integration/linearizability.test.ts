import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Rewrites } from "../../scripts/serve/bundle.ts";
import type { ToolConfig } from "../../src/config/types.ts";
import { Fixture } from "./support/fixture.ts";
import { brokenKeys } from "./support/linearizable.ts";
import { INITIAL, keepRegisters, MIRRORED, record, REGISTERS } from "./support/registers.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { call, until } from "./support/wire.ts";
import { randomFrom } from "../support/randomFrom.ts";
import { runs } from "../support/runs.ts";

const origin = new Fixture();
const SEED = 20_260_728;
/** How many histories a broken build has at most, to be found out in: mostly it is in the first or the second. */
const HISTORIES = 25;
/** A machine may be busy. */
const PATIENCE_MS = 180_000;

beforeAll(() => origin.start());
afterAll(() => origin.stop());

/** A replica that hears of nothing by itself: its pulse is as slow as it can be. */
function start(tools: Record<string, ToolConfig>, rewrites?: Rewrites, more: object = {}): Promise<Replica> {
  const o = { url: origin.url, sync: { pulse: "1m" }, concurrency: 64, tools, ...more } as const;
  return startReplica({ origins: { o } }, { instances: 2, ...(rewrites && { rewrites }) });
}

describe("what clients of two instances read and write", () => {
  let replica: Replica;
  beforeAll(async () => (replica = await start({ ...REGISTERS, ...MIRRORED.tools }, undefined, MIRRORED.more)));
  afterAll(() => replica?.close());

  test(
    "could have happened at the origin, one call after the other",
    async () => {
      for (const nth of [1, 2]) {
        const random = randomFrom(SEED + nth);
        keepRegisters(origin, random);
        const { history, hits, failures } = await record(replica, random, `history ${nth}`);
        expect(brokenKeys(history, INITIAL)).toEqual([]);
        // All of it was met with.
        expect(history.length).toBeGreaterThan(200);
        expect(hits).toBeGreaterThan(10);
        expect(failures).toBeGreaterThan(0);
      }
    },
    PATIENCE_MS,
  );

  test(
    "could have, too, where it is read from a mirror, which follows what is written",
    async () => {
      const random = randomFrom(SEED);
      keepRegisters(origin, random);
      await until(
        () => call(`${replica.url}/mcp`, "look", { key: "none" }),
        ({ headers }) => headers["cache-status"]?.includes("detail=mirror") ?? false,
      );
      const { history, hits } = await record(replica, random, "mirrored", "look");
      expect(brokenKeys(history, INITIAL)).toEqual([]);
      expect(hits).toBeGreaterThan(10);
    },
    PATIENCE_MS,
  );
});

/** Writes a part of a module otherwise. */
const replacing = (part: string, by: string) => (source: string) => source.replace(part, () => by);

const BROKEN: [string, Record<string, ToolConfig>, Rewrites | undefined][] = [
  ["goes by the pulse", { ...REGISTERS, read: { ...REGISTERS.read, consistency: "bounded" } }, undefined],
  [
    "does not ask the feed",
    REGISTERS,
    {
      "src/lanes/trust.ts": replacing(
        "const reply = await check(",
        "if (x.feed.position) return []; const reply = await check(",
      ),
    },
  ],
  [
    "announces no write",
    REGISTERS,
    { "src/sync/OriginSync.ts": replacing("announced: this.#writes.tags", "announced: []") },
  ],
  [
    "invalidates nothing",
    REGISTERS,
    { "src/sync/OriginSync.ts": replacing("if (isApplied) this.#feed.invalidate(", "if (!id) this.#feed.invalidate(") },
  ],
  [
    "lets others join a call that began before the write",
    REGISTERS,
    { "src/lanes/obtain.ts": replacing("again: asked.again,", "again: false,") },
  ],
  [
    "claims to have known more of the feed than it did",
    REGISTERS,
    {
      "src/origin/land.ts": replacing(
        "...(known && { feedId: known.feedId, seq: known.seq }),",
        "...(known && { feedId: known.feedId, seq: known.seq + 1 }),",
      ),
    },
  ],
];

test.each(BROKEN.slice(0, runs(2, BROKEN.length)))(
  "a replica that %s is found out",
  async (_, tools, rewrites) => {
    const broken = await start(tools, rewrites);
    try {
      for (let nth = 1; nth <= HISTORIES; nth++) {
        const random = randomFrom(SEED + nth);
        keepRegisters(origin, random);
        const { history } = await record(broken, random, `history ${nth}`);
        if (brokenKeys(history, INITIAL).length > 0) return;
      }
      expect.unreachable("it was taken for a good one");
    } finally {
      await broken.close();
    }
  },
  PATIENCE_MS,
);
