import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startOrigin } from "../../scripts/origin/startOrigin.ts";
import { awaitPulls } from "../../scripts/replica/awaitPulls.ts";
import { statusText } from "../../scripts/replica/status.ts";
import { endText, waitText } from "../../scripts/replica/sync.ts";
import { ago } from "../../scripts/replica/table.ts";
import { serve, type Served } from "../../scripts/serve/serve.ts";
import type { OriginStatus } from "../../src/http/admin/OriginStatus.ts";
import type { MirrorStatus } from "../../src/mirror/MirrorStatus.ts";
import { legacyCall } from "../integration/support/wire.ts";
import { runScript, tempFolder } from "./runScript.ts";

const TOKEN = "s3cret";
let origin: Awaited<ReturnType<typeof startOrigin>>;
let served: Served;

beforeAll(async () => {
  origin = await startOrigin({});
  const config = path.join(tempFolder(), "config.mjs");
  const tools = { search_features: { cache: { ttl: "10m", scope: "public" } } };
  const auth = { bearer: { secret: "SECOND_TOKEN" } };
  const origins = { catalog: { url: origin.url, tools }, second: { url: origin.url, auth } };
  writeFileSync(config, `export default ${JSON.stringify({ origins, access: { open: true } })};`);
  served = await serve({ config, vars: { ADMIN_TOKEN: TOKEN } });
  for (let time = 0; time < 4; time++)
    await legacyCall(`${served.url}/mcp/catalog`, "search_features", { query: "grid" });
});
afterAll(async () => {
  await served?.close();
  await origin?.close();
});

const status = (args: string[], token = TOKEN) =>
  runScript("scripts/replica/main.ts", ["status", ...args], { REPLICA_ADMIN_TOKEN: token });

test("status shows how each origin stands, and what its tools were answered from", async () => {
  const script = status(["--url", served.url]);
  expect(await script.ended, script.output()).toBe(0);
  const [first, second] = script.output().split("\n\nsecond\n");
  expect(first).toMatch(/^missing: SECOND_TOKEN\n\ncatalog\n {2}eras +/);
  expect(first).toMatch(/\n {2}feed +seq \d+ of [0-9a-f]{8}, \d+ tags remembered\n/);
  expect(first).toMatch(/\n {2}last refresh +\d+ s ago\n/);
  expect(first).toMatch(/\n {2}calls saved +3 since /);
  const [head, row] = first!.split("\n").slice(-2);
  expect(row).toMatch(/^ {2}search_features +4 +75\.0 % +0 +0 +1$/);
  expect(head!.length).toBe(row!.length);
  expect(second).toMatch(/\n {2}last refresh +never\n/);
});

test("with --json it prints JSON, and nothing else; with --origin of that one", async () => {
  const script = status(["--json", "--origin", "second", "--url", served.url]);
  expect(await script.ended, script.output()).toBe(0);
  const { origins, lacks } = JSON.parse(script.output());
  expect(lacks).toEqual({ missing: ["SECOND_TOKEN"], warnings: [] });
  expect(Object.keys(origins)).toEqual(["second"]);
  expect(origins.second.sync).toEqual({ up: true });
});

test("what the replica refuses is told in its words, and the token is not repeated", async () => {
  const script = status(["--url", served.url], "another");
  expect(await script.ended).toBe(1);
  expect(script.output()).toContain("[admin_unauthorized]");
  expect(script.output()).not.toContain("another");
  const other = status(["--origin", "else&where", "--url", served.url]);
  expect(await other.ended).toBe(1);
  expect(other.output()).toContain("Name one of these origins: catalog, second.");
});

test.each(["s3\ncret", "s3 cret", "s3cret€"])(
  "a token that no header can have is not sent, nor repeated: %j",
  async (token) => {
    const script = status(["--url", served.url], token);
    expect(await script.ended).toBe(1);
    expect(script.output()).toMatch(/^REPLICA_ADMIN_TOKEN: /);
    expect(script.output()).not.toContain("cret");
  },
);

test("that nothing is there, or something else, is a clear error", async () => {
  const script = status(["--url", "http://127.0.0.1:1"]);
  expect(await script.ended).toBe(1);
  expect(script.output()).toContain("Cannot reach a replica at http://127.0.0.1:1");
  const other = status(["--url", origin.url]);
  expect(await other.ended).toBe(1);
  expect(other.output()).toContain("refused (HTTP ");
});

test.each([[["--url", "nowhere"]], [["--tool", "x"]], [["more"]]])("%j is refused with the usage", async (args) => {
  const script = status(args);
  expect(await script.ended).toBe(2);
  expect(script.output()).toContain("replica -- status");
});

const NOW = 1_800_000_000_000;
const counts = { hit: 90, stale: 5, miss: 4, relay: 0, local: 0, error: 1 };
const WHOLE: OriginStatus = {
  eras: { modern: true, legacy: "sessions" },
  sync: { up: true },
  health: { state: "down", since: NOW - 200_000, reason: "timeout", ok: 1, failed: 9 },
  feed: { feedId: "0123456789ab", seq: 7, tags: 3 },
  listen: { state: "listening", since: NOW - 5_000, covers: { lists: ["tools", "prompts"], uris: 3 }, retries: 0 },
  toolChanges: [
    { at: NOW - 60_000, added: ["b"], removed: [], changed: ["a", "c"] },
    { at: NOW - 3_600_000, added: [], removed: ["x\u001b"], changed: [] },
  ],
  refreshedAt: NOW - 90_000,
  isolates: { count: 2, active: 1, lagMs: 0 },
  entries: {
    isWhole: false,
    total: 10_000,
    byMethod: { "tools/call": 9_000, "tools/list": 2 },
    byTool: { a: 8, b: 9 },
  },
  counted: {
    since: NOW - 3 * 86_400_000,
    pulses: 5,
    callsSaved: 95,
    verified: [
      { name: "a", lane: "cache", matches: 98, mismatches: 2, staleMs: 4_200 },
      { name: "x\u001b", lane: "cache", matches: 7, mismatches: 0, staleMs: 0 },
      { name: "b", lane: "mirror", matches: 1, mismatches: 0, staleMs: 0 },
    ],
    operations: [
      { method: "tools/call", name: "a", counts, total: 100, hitRatio: 0.95 },
      { method: "tools/list", name: "", counts, total: 100, hitRatio: 0.95 },
      { method: "resources/read", name: "x://*", counts, total: 100, hitRatio: 0.95 },
    ],
  },
};

test("all that is known is shown, aligned", () => {
  expect(`\n${statusText("o", WHOLE, NOW)}\n`).toBe(`
o
  eras           modern, legacy (sessions)
  health         down (timeout), since 3 min ago
  feed           seq 7 of 01234567, 3 tags remembered
  listen         listening to list of tools, list of prompts, resources (3), since 5 s ago
  isolates       2 heard lately; operations going on: 1
  tools changed  60 s ago: added b; changed a, c
  tools changed  60 min ago: removed x?
  last refresh   90 s ago
  entries in KV  10000+
  calls saved    95 since 3 d ago
  compared       a: 98 as the origin says, 2 not, the oldest 4 s old
  compared       x?: 7 as the origin says

                        operations  from cache  stale  errors  entries
  a                            100      95.0 %      5       1       8+
  tools/list                   100      95.0 %      5       1       2+
  resources/read x://*         100      95.0 %      5       1        -
  b                              0           -      -       -       9+
`);
});

const PULLED = { startedAt: NOW - 16_000, endedAt: NOW - 12_000, rows: 20_968, pages: 42 };
const MIRROR: MirrorStatus = {
  origin: "o",
  collection: "features",
  version: 3,
  rows: 20_968,
  asOf: NOW - 16_000,
  pulling: null,
  pulled: { ...PULLED, added: 1, changed: 2_000, removed: 0, written: 4_002 },
  failed: null,
  pulls: { done: 3, failed: 0 },
  nextAt: NOW + 288_000,
  suspect: 0,
  verified: {},
  stopped: {},
};

test("what is mirrored is shown, with what is under way, what failed and what was wrong", () => {
  const pulling = { startedAt: NOW - 4_000, rows: 12_000, pages: 24, expected: 20_000 };
  const failed = { code: "no-key", message: "3 rows of page 7 have no \u001bsku: mend them.", count: 3 } as const;
  const mirror: MirrorStatus[] = [
    {
      ...MIRROR,
      verified: {
        get_it: { matches: 118, mismatches: 2, staleMs: 40_000 },
        find: { matches: 1, mismatches: 0, staleMs: 0 },
      },
      stopped: { get_it: NOW - 10_000 },
      suspect: 1,
      pulling,
    },
    {
      ...MIRROR,
      collection: "b",
      version: 0,
      asOf: null,
      pulled: null,
      failed: { ...failed, at: NOW - 5_000, times: 2 },
      nextAt: NOW + 20_000,
    },
  ];
  const [, text] = statusText("o", { ...WHOLE, mirror, mirrorDown: { c: "it is away" } }, NOW).split("mirrored");
  expect(`  mirrored${text}\n`).toBe(`\
  mirrored    rows  version   age  last sync  added  changed  removed  written
  features  20,968        3  16 s   12 s ago      1    2,000        0    4,002
  b              -        -     -      never      -        -        -        -

  features: 12,000 of 20,000 rows, 24 pages, 3000 rows/s, 3 s left
  features: 1 row to be asked for again
  get_it: 120 answers compared with the origin's, 2 wrong (1.7 %), by 40 s at most
  find: 1 answer compared with the origin's, none was wrong
  get_it: not answered from features since 10 s ago, as too many answers were wrong, until a sync begins after that and succeeds
  b: failed 5 s ago: 3 rows of page 7 have no ?sku: mend them. [no-key], 2 times; next in 20 s
  c: cannot be asked: it is away
`);
  expect(statusText("o", { ...WHOLE, mirror: [] }, NOW)).not.toContain("mirrored");
});

describe("awaiting pulls", () => {
  const other = { ...MIRROR, origin: "p" };
  const pulling = { ...MIRROR, pulling: { startedAt: Date.now(), rows: 500, pages: 1 } };
  const done = { ...MIRROR, version: 4, pulled: { ...MIRROR.pulled!, startedAt: NOW - 4_000, endedAt: NOW } };
  const failed = { code: "bad-page", message: "Page 2 is not JSON.", count: 1, at: NOW, times: 1 } as const;

  async function awaited(before: MirrorStatus[], ...looks: MirrorStatus[][]) {
    const written: string[] = [];
    let asked = 0;
    const { ended, waiting } = await awaitPulls({
      look: async () => looks[Math.min(asked++, looks.length - 1)]!,
      before,
      screen: { isTTY: true, write: (text) => written.push(text) },
      everyMs: 1,
      patienceMs: 250,
    });
    return { asked, ended, waiting, written };
  }

  test("goes on until each has ended, shows how far it is, and takes none for another's", async () => {
    const otherDone = { ...done, origin: "p" };
    const { ended, written, asked } = await awaited(
      [MIRROR, other],
      [pulling, other],
      [done, other],
      [done, otherDone],
    );
    expect(ended).toEqual([done, otherDone]);
    expect(asked).toBe(3);
    expect(written[0]).toMatch(/^\rfeatures: 500 rows, 1 page, \d+ rows\/s; features: not begun yet.\[K$/);
    expect(written.at(-1)).toBe("\n");
    expect(endText(done)).toBe(
      "features: 20,968 rows in version 4: 1 added, 2,000 changed, 0 removed; 4,002 rows written in 4.0 s",
    );
  });

  test("ends where none begins, as their origin is not asked: that is told apart from an end", async () => {
    const { ended, waiting } = await awaited([MIRROR, other], [MIRROR, { ...done, origin: "p" }], [MIRROR]);
    expect(ended).toEqual([{ ...done, origin: "p" }]);
    expect(waiting).toEqual([MIRROR]);
    expect(waitText(MIRROR)).toContain("features: not pulled yet");
  });

  test("ends with a failure, but not with one from before", async () => {
    const old = { ...MIRROR, failed: { ...failed, at: NOW - 60_000 } };
    const now = { ...MIRROR, failed };
    const { ended, written } = await awaited([old], [old], [pulling], [now]);
    expect(ended).toEqual([now]);
    expect(written[0]).toContain("features: waits after: Page 2 is not JSON. [bad-page]");
    expect(endText(now)).toBe("features: Page 2 is not JSON. [bad-page]; version 3 is kept");
    expect(endText({ ...now, version: 0 })).toMatch(/; there is no version yet$/);
  });
});

test("tools called as what every object has are tools", () => {
  const operations = [{ method: "tools/call", name: "constructor", counts, total: 100, hitRatio: 0.95 }];
  const text = statusText("o", { ...WHOLE, counted: { ...WHOLE.counted!, operations } }, NOW);
  expect(text).toMatch(/\n {2}constructor +100 +95\.0 % +5 +1 +-\n/);
});

test("what is counted together is told apart: tools and methods that nobody knows", () => {
  const one = { name: "other", counts, total: 100, hitRatio: 0.95 };
  const operations = [
    { ...one, method: "tools/call" },
    { ...one, method: "resources/read" },
    { ...one, method: "other", name: "" },
  ];
  const text = statusText("o", { ...WHOLE, counted: { ...WHOLE.counted!, operations } }, NOW);
  const rows = text.split("\n").map((line) => /^ {2}(.*?) +100 /.exec(line)?.[1]);
  expect(rows.filter(Boolean)).toEqual(["other tools", "resources/read other", "other methods"]);
});

test("what is not known is said to be so", () => {
  const text = statusText(
    "o",
    { eras: null, sync: { up: false, reason: "it is down" }, entries: { reason: "KV is down" } },
    NOW,
  );
  expect(`\n${text}\n`).toBe(`
o
  eras           not known yet
  sync           cannot be reached: it is down
  entries in KV  not to be counted: KV is down
`);
});

test("a name cannot paint the terminal, nor flood it", () => {
  const operations = ["\u001b[2Jx\ny\u202ez", "n".repeat(500)].map((name) => ({
    ...WHOLE.counted!.operations[0]!,
    name,
  }));
  const text = statusText("o", { ...WHOLE, counted: { ...WHOLE.counted!, operations } }, NOW);
  expect(text).toContain("  ?[2Jx?y?z ");
  expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThan(130);
});

test.each([
  [-5, "0 s"],
  [1_999, "1 s"],
  [119_999, "119 s"],
  [120_000, "2 min"],
  [7_200_000, "2 h"],
  [200_000_000, "2 d"],
])("%i ms are %s", (ms, words) => {
  expect(ago(ms)).toBe(words);
});
