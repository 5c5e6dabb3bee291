import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Replica, startReplica } from "../support/replica.ts";
import { actOf, type Call, titleOf } from "./support/calls.ts";
import { ALL_CLIENTS, CLIENTS } from "./support/clients.ts";
import { comparable } from "./support/comparable.ts";
import { refill } from "./support/files.ts";
import { type RealOrigin, startEverything, startFilesystem, startMemory } from "./support/origins.ts";
import type { Party } from "./support/party.ts";
import { policyFor, type Read, readsAmong } from "./support/reads.ts";
import * as everything from "./tables/everything.ts";
import * as filesystem from "./tables/filesystem.ts";
import * as memory from "./tables/memory.ts";

/** The three servers, and what their operators let the replica keep. */
const ORIGINS = [
  {
    title: "the reference server",
    start: startEverything,
    fill: async () => {},
    clients: CLIENTS,
    changing: everything.CHANGING,
    calls: (_: string) => everything.CALLS,
    reads: (_: string) => everything.READS,
  },
  {
    title: "the memory server",
    start: () => startMemory("sessions"),
    fill: (folder: string) => refill(folder, {}),
    clients: ALL_CLIENTS,
    changing: [],
    calls: (_: string) => memory.CALLS,
    reads: (_: string) => memory.READS,
  },
  {
    title: "the file server",
    start: () => startFilesystem("stateless"),
    fill: (folder: string) => refill(folder, filesystem.FILES),
    clients: ALL_CLIENTS,
    changing: [],
    calls: filesystem.callsIn,
    reads: (folder: string) => readsAmong(filesystem.callsIn(folder)),
  },
];

/** Asks and tells what came, apart from where it came from. */
async function ask(party: Party, act: { do: Read["do"] }) {
  const result = (await act.do(party.client, party)) as { _meta?: Record<string, { status?: string }> };
  return { result, status: result._meta?.["edge-replica/cache"]?.status };
}

describe.each(ORIGINS)("before $title", ({ start, fill, clients, changing, calls, reads }) => {
  let origin: RealOrigin;
  let replica: Replica;
  beforeAll(async () => {
    origin = await start();
    const config = { url: origin.url, ...policyFor(reads(origin.folder)) };
    // A cache of its own for each kind of client, so that each begins with none.
    replica = await startReplica({ origins: Object.fromEntries(clients.map((_, index) => [`o${index}`, config])) });
  });
  afterAll(async () => {
    await replica?.close();
    await origin?.close();
  });

  describe.each(clients.map(([name, connect], index) => ({ name, connect, index })))("$name", ({ connect, index }) => {
    let [direct, one, other]: Party[] = [];
    beforeAll(async () => {
      await fill(origin.folder);
      const mcp = `${replica.mcp}/o${index}`;
      [direct, one, other] = await Promise.all([connect(origin.url), connect(mcp), connect(mcp)]);
    });
    afterAll(() => Promise.all([direct, one, other].map((party) => party?.close())));

    const titles = reads("/").map(({ title }, at) => [title, at] as const);

    test.each(titles)("is answered from the cache at the second time: %s", async (_, at) => {
      const read = reads(origin.folder)[at]!;
      const own = (await ask(direct!, read)).result;
      const before = origin.count(read.method, read.name);
      const asked = () => origin.count(read.method, read.name) - before;
      const first = await ask(one!, read);
      expect(asked()).toBe(1);
      expect(first.status).not.toBe("hit");
      const second = await ask(one!, read);
      expect([second.status, asked()]).toEqual(["hit", 1]);
      for (const { result } of [first, second]) expect(comparable(result, changing)).toEqual(comparable(own, changing));

      // What is private in a session stays there. Without sessions, whoever may call is the same caller.
      const isShared = read.scope === "public" || !one!.isInSession;
      const others = await ask(other!, read);
      expect([others.status === "hit", asked()]).toEqual(isShared ? [true, 1] : [false, 2]);
      expect(comparable(others.result, changing)).toEqual(comparable(own, changing));
    });

    const isWrite = ({ scope, fails }: Call) => scope === undefined && !fails;
    const writes = calls("/").flatMap((call, at) => (isWrite(call) ? [[titleOf(call), at] as const] : []));

    test.each(writes)("always reaches the origin, once for each call: %s", async (_, at) => {
      const call = calls(origin.folder)[at]!;
      for (const party of [one!, one!, other!]) {
        const before = origin.count("tools/call", call.tool);
        const { status } = await ask(party, actOf(call));
        expect([status, origin.count("tools/call", call.tool) - before]).toEqual([undefined, 1]);
      }
    });
  });
});
