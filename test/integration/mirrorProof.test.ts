import { afterAll, beforeAll, expect, test } from "vitest";
import { type Origin, startOrigin } from "../../scripts/origin/startOrigin.ts";
import { differenceOf } from "../../src/mirror/compare.ts";
import type { MirrorStatus } from "../../src/mirror/MirrorStatus.ts";
import { randomFrom } from "../support/randomFrom.ts";
import { runs, timeLimitMs } from "../support/runs.ts";
import { DEMO_MIRROR } from "./support/demoMirror.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { call, type Got, modern, type Params, said, send, until } from "./support/wire.ts";

/** What is asked, and what the origin itself has said to it. */
interface Asked {
  name: string;
  args: Params;
  own: Got;
}

/** In `npm test` a part of the data will do; in the soak it is all of it. */
const isSoak = runs(0, 1) === 1;
const START = isSoak ? "" : "api.A";
const SEED = runs(7, Math.floor(Math.random() * 1e9));
const AT_ONCE = 8;

let origin: Origin;
let replica: Replica;

beforeAll(async () => {
  origin = await startOrigin({ only: START });
  replica = await startReplica({
    origins: { o: { url: origin.url, timeout: { firstByte: "30s", total: "60s" }, ...DEMO_MIRROR } },
  });
  // Whoever calls the origin has all of it pulled.
  await modern(replica.mcp, "tools/list");
  const mirrors = async () => {
    const { body } = await send(`${replica.url}/admin/status`, { method: "GET" });
    return body.origins.o.mirror as MirrorStatus[];
  };
  await until(
    mirrors,
    (all) => all.length === 4 && all.every(({ version, pulled }) => version > 0 && pulled),
    timeLimitMs(60_000),
  );
}, timeLimitMs(90_000));
afterAll(async () => {
  await replica?.close();
  await origin?.close();
});

test(
  `answers from D1 to calls that nobody has sent before equal the origin's own, which is gone for half of them (seed ${SEED})`,
  async () => {
    const random = randomFrom(SEED);
    const ids = origin.catalog.current.features.map(({ id }) => id);
    const wanted = runs(200, ids.length);
    const gets = shuffled(ids, random).slice(0, wanted);
    const calls: [name: string, args: Params][] = [
      ...gets.map((id): [string, Params] => ["get_feature", { id }]),
      ...Array.from({ length: runs(120, 2_000) }, () => madeUp(origin, random)),
    ];
    const asked = await inTurn(calls, async ([name, args]): Promise<Asked> => ({
      name,
      args,
      own: await call(origin.url, name, args),
    }));
    const half = shuffled(asked, random);
    const isWrong = async ({ name, args, own }: Asked) => {
      const got = await call(replica.mcp, name, args);
      const isMirrored = got.headers["cache-status"]?.includes("detail=mirror") === true;
      // Not only the same JSON: the same text.
      const isText = said(got) === said(own);
      const place = differenceOf(got.body.result, own.body.result, []);
      return isMirrored && isText && place === undefined
        ? []
        : [{ name, args, isMirrored, place, text: got.text.slice(0, 300), own: own.text.slice(0, 300) }];
    };
    const middle = Math.floor(half.length / 2);
    const wrong = (await inTurn(half.slice(0, middle), isWrong)).flat();
    await origin.close();
    wrong.push(...(await inTurn(half.slice(middle), isWrong)).flat());
    expect(wrong.slice(0, 5)).toEqual([]);
    const kinds = new Set(asked.map(({ name, own }) => `${name} ${own.body.result.isError ? "refused" : "answered"}`));
    expect([...kinds].toSorted()).toEqual([
      "check_support answered",
      "check_support refused",
      "get_feature answered",
      "get_feature refused",
      "list_supported answered",
      "list_supported refused",
      "search_features answered",
    ]);
  },
  timeLimitMs(60_000),
);

/** A call of a tool with arguments as callers, and those who mean no good, may choose them. */
function madeUp({ catalog }: Origin, random: () => number): [name: string, args: Params] {
  const { features, browsers } = catalog.current;
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
  const odd = [
    "",
    "nope",
    "__proto__",
    "constructor",
    "é",
    "😀",
    '"',
    "'; DROP TABLE mirror; --",
    "%",
    "_",
    "*",
    "\\",
    "\u001f",
    "NEAR(a b)",
    "a:b",
    "^",
    "-",
    "null",
  ];
  const feature = one(features);
  const searchable = `${feature.id} ${feature.compat.description ?? ""}`;
  const browser = () => (random() < 0.15 ? one(odd.slice(1)) : one([...browsers.keys()]));
  const limit = (most: number) => (random() < 0.5 ? {} : { limit: 1 + Math.floor(random() * most) });
  const part = () => {
    const start = Math.floor(random() * searchable.length);
    return searchable.slice(start, start + 1 + Math.floor(random() * 6));
  };
  const word = () => {
    const found = random() < 0.15 ? one(odd) : random() < 0.5 ? one(searchable.split(/[\s.]+/)) : part();
    return random() < 0.3 ? found.toUpperCase() : found;
  };
  switch (one(["search", "search", "check", "check", "list", "list", "get"] as const)) {
    case "get":
      return ["get_feature", { id: random() < 0.5 ? one(odd.slice(1)) : `${feature.id}${one(odd)}` }];
    case "search": {
      const words = Array.from({ length: 1 + Math.floor(random() * 3) }, word);
      const query = words.join(one([" ", "  ", "\t", "\u00a0"])).slice(0, 200);
      return ["search_features", { query: query.trim() === "" ? "a" : query, ...limit(200) }];
    }
    case "check":
      return ["check_support", { id: random() < 0.1 ? one(odd.slice(1)) : feature.id, browser: browser() }];
    case "list": {
      const releases = one([...browsers.values()]).releases.map(({ version }) => version);
      const version =
        random() < 0.3
          ? one(["0", "1", "1.0.0", "999", "16.10", "≤12.1", "v16.3", "000003", "1.2.3.4.5.6"])
          : one(releases);
      const isVersion = /^[≤v]?\d{1,9}(\.\d{1,9}){0,5}$/.test(version);
      return ["list_supported", { browser: browser(), version: isVersion ? version : "12", ...limit(1_000) }];
    }
  }
}

/** Each, some at once; in the order given. */
async function inTurn<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    while (next < all.length) {
      const at = next++;
      results[at] = await work(all[at]!);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

function shuffled<T>(all: readonly T[], random: () => number): T[] {
  return all
    .map((one) => ({ one, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ one }) => one);
}
