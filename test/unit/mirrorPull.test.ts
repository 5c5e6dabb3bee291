import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { RESOURCES } from "../../src/config/mirror.ts";
import { columnValue } from "../../src/mirror/columnValue.ts";
import { MirrorStore } from "../../src/mirror/MirrorStore.ts";
import { rowOf, type MirrorRow } from "../../src/mirror/rowOf.ts";
import { Seen } from "../../src/mirror/Seen.ts";
import type { Source } from "../../src/mirror/Source.ts";
import { valueAt } from "../../src/mcp/pointer.ts";
import { runs, timeLimitMs } from "../support/runs.ts";
import { collectionOf, listed, Mirror, pageOf, scripted } from "./support/pulling.ts";

const thing = (id: number | string, more: object = {}) => ({ id, name: `thing ${id}`, ...more });
const things = (count: number, from = 0) => Array.from({ length: count }, (_, nth) => thing(from + nth));
const WORDS = { columns: ["/name"], match: "words" as const };

describe("a pull", () => {
  test("of what has not changed writes no row, and renews the age", async () => {
    const mirror = await new Mirror({ search: WORDS }).prepare();
    const rows = things(2_500);
    const first = await mirror.pull(
      listed(
        () => rows,
        () => 500,
      ),
    );
    const all = { rows: 2_500, pages: 5, changed: 0, removed: 0 };
    expect(first).toMatchObject({ kind: "done", version: 1, before: 0, report: { ...all, added: 2_500 } });
    const before = await mirror.store.state();
    const again = await mirror.pull(
      listed(
        () => rows,
        () => 500,
      ),
    );
    expect(again).toMatchObject({ kind: "done", version: 1, before: 1, report: { ...all, added: 0 } });
    expect(again.kind === "done" && again.report.written).toBeLessThanOrEqual(2);
    const after = await mirror.store.state();
    expect(after!.asOf).toBeGreaterThan(before!.asOf);
    expect(after!.seq).toBeGreaterThan(before!.seq);
    expect(await mirror.search("2499")).toEqual(["2499"]);
  });

  test(
    "of many rows of which one has changed, one is new and one has gone writes a handful",
    async () => {
      const count = runs(20_000, 200_000);
      const columns = [{ name: "name", at: "/name", as: "lower" as const }];
      const mirror = await new Mirror({ search: WORDS, columns, indexes: [[0]], maxRows: count }).prepare();
      const rows = things(count);
      const source = listed(
        () => rows,
        () => 2_000,
      );
      await mirror.pull(source);
      rows[5] = thing(5, { name: "another thing" });
      rows.splice(7, 1);
      rows.push(thing("new"));
      const { report } = (await mirror.pull(source)) as { report: { written: number } };
      expect(report).toMatchObject({ rows: count, added: 1, changed: 1, removed: 1 });
      // The row, its index entries (key, name, until), its text in a few rows of FTS5's own; and the record.
      expect(report.written).toBeLessThan(25);
      const read = await mirror.read();
      expect(read.size).toBe(count);
      expect([read.get("5"), read.get("7"), read.has("new")]).toEqual([JSON.stringify(rows[5]), undefined, true]);
      expect(await mirror.search("another")).toEqual(["5"]);
    },
    timeLimitMs(60_000),
  );

  test("stops when its budget is used up, and goes on page by page", async () => {
    const mirror = await new Mirror().prepare();
    const asked: (string | undefined)[] = [];
    const source = listed(
      () => things(50),
      () => 10,
      { total: 50 },
    );
    const told: Source = { ...source, page: (cursor) => (asked.push(cursor), source.page(cursor)) };
    // One request is more than it may have: a page is worked in all the same.
    for (const page of [1, 2, 3, 4]) {
      const { kind } = await mirror.step(told, { budget: { requests: 1, ms: 1_000 } });
      expect(kind).toBe("goes-on");
      expect(mirror.state).toMatchObject({ pages: page, rows: page * 10, total: 50, next: "page" });
      expect(await mirror.version()).toBe(0);
    }
    expect(await mirror.pull(told, { requests: 100, ms: 1_000 })).toMatchObject({ kind: "done", report: { pages: 5 } });
    // The first once more, to see that it is what it was.
    expect(asked).toEqual([undefined, "10", "20", "30", "40", undefined]);
    // Time is a budget too: each look at the clock is a ms.
    const slow = await mirror.step(told, { budget: { requests: 1_000, ms: 3 } });
    expect(slow.kind).toBe("goes-on");
    expect(mirror.state!.pages).toBeLessThan(5);
  });

  test("that broke off after the switch says what it has done", async () => {
    const mirror = await new Mirror().prepare();
    const source = listed(
      () => things(3),
      () => 10,
    );
    expect((await mirror.step(source)).kind).toBe("goes-on");
    expect(mirror.state).toMatchObject({ next: "switch" });
    const done = await mirror.step(source, { save: () => false });
    expect([done.kind, await mirror.version()]).toEqual(["done", 1]);
    expect(await mirror.step(source)).toMatchObject({
      kind: "done",
      version: 1,
      before: 0,
      report: { rows: 3, added: 3, pages: 1 },
    });
    expect(await mirror.version()).toBe(1);
  });

  test("that was given up leaves nothing for readers, and the next does not write it again", async () => {
    const mirror = await new Mirror({ search: WORDS }).prepare();
    await mirror.pull(
      listed(
        () => things(4),
        () => 2,
      ),
    );
    const rows = [thing(0), ...things(20, 100)];
    const source = listed(
      () => rows,
      () => 7,
    );
    await mirror.step(source, { budget: { requests: 4, ms: 1_000 } });
    expect(mirror.state?.rows).toBe(7);
    mirror.state = undefined;
    expect([...(await mirror.read()).keys()].sort()).toEqual(["0", "1", "2", "3"]);
    // What it had written is not at the origin any more.
    rows.splice(1, 3);
    expect(await mirror.pull(source)).toMatchObject({
      report: { rows: 18, added: 17, changed: 0, removed: 3 },
    });
    expect([...(await mirror.read()).keys()].sort()).toEqual(rows.map(({ id }) => String(id)).sort());
    expect(await mirror.search("101")).toEqual([]);
    const { rows: all, texts } = await mirror.look();
    expect(texts).toEqual(all.map(({ id }) => id));
  });

  test("that was given up when rows had gone has them again, where the origin has", async () => {
    const mirror = await new Mirror().prepare();
    const rows = things(4);
    const source = (count: number) =>
      listed(
        () => rows.slice(0, count),
        () => 10,
      );
    await mirror.pull(source(4));
    await mirror.step(source(2));
    expect(mirror.state).toMatchObject({ next: "switch", rows: 2 });
    mirror.state = undefined;
    expect(await mirror.pull(source(4))).toMatchObject({ version: 1, report: { added: 0, changed: 0, removed: 0 } });
    expect((await mirror.look()).rows.length).toBe(4);
    // What it had changed counts as changed, though it is there already.
    rows[1] = thing(1, { name: "another thing" });
    await mirror.step(source(4), { save: () => false });
    expect((await mirror.look()).rows.length).toBe(5);
    expect(await mirror.pull(source(4))).toMatchObject({ version: 2, report: { added: 0, changed: 1, removed: 0 } });
  });

  test("of which a step was lost does not show what has gone meanwhile", async () => {
    const mirror = await new Mirror({ search: WORDS }).prepare();
    const rows = things(12);
    const source = listed(
      () => rows,
      () => 3,
    );
    const budget = { requests: 4, ms: 1_000 };
    await mirror.step(source, { budget });
    const { rows: before } = mirror.state!;
    await mirror.step(source, { budget, save: () => false });
    expect((await mirror.look()).rows.length).toBeGreaterThan(before);
    rows.splice(before, 1, thing(before, { name: "another thing" }));
    rows.splice(before + 1, 1);
    // A row was written that is there no more, another is other than it was written.
    expect(await mirror.pull(source)).toMatchObject({ report: { rows: 11, added: 11, changed: 0, removed: 0 } });
    expect(await mirror.read()).toEqual(new Map(rows.map((row) => [String(row.id), JSON.stringify(row)])));
    expect([await mirror.search(`"${before}"`), await mirror.search("another")]).toEqual([[], [String(before)]]);
    const { rows: all, texts } = await mirror.look();
    expect([all.length, texts]).toEqual([11, all.map(({ id }) => id)]);
  });

  test("of a page of more than one batch brings all of it", async () => {
    const batches: number[] = [];
    let bound = 0;
    // What D1 refuses, and Miniflare does not.
    const db = {
      prepare: (sql: string) => ({
        bind: (...values: unknown[]) => {
          const sizes = values.map((value) => new TextEncoder().encode(String(value)).length);
          expect([sizes.length <= 100, Math.max(...sizes) <= 2_000_000]).toEqual([true, true]);
          for (const size of sizes) bound += size;
          return env.DB.prepare(sql).bind(...values);
        },
      }),
      batch: (statements: D1PreparedStatement[]) => {
        batches.push(bound);
        bound = 0;
        return env.DB.batch(statements);
      },
    } as unknown as D1Database;
    const mirror = await new Mirror({ search: { columns: ["/name"], match: "contains" } }, db).prepare();
    // In JSON each takes twice what it has: some go by themselves, others in chunks.
    const rows = Array.from({ length: 36 }, (_, nth) =>
      thing(nth, { name: `N${nth} É`, text: '"\\é😀'.repeat(nth % 12 === 0 ? 40_000 : 9_000) }),
    );
    rows[33]!.name = `N33 ${"long É ".repeat(20_000)}`;
    expect(
      await mirror.pull(
        listed(
          () => rows,
          () => 36,
        ),
      ),
    ).toMatchObject({ report: { rows: 36, added: 36 } });
    expect(batches.filter((size) => size > 1_000_000).length).toBeGreaterThan(1);
    expect(Math.max(...batches)).toBeLessThan(6_000_000);
    expect(await mirror.read()).toEqual(new Map(rows.map((row) => [String(row.id), JSON.stringify(row)])));
    const { rows: all } = await mirror.look();
    for (const { key, plain } of all) expect(plain).toBe(rows[Number(key)]!.name.toLowerCase());
    expect([await mirror.search('"n24 "'), await mirror.search('"ng é l"')]).toEqual([["24"], ["33"]]);
  });

  test("of ids beyond one chunk knows what it has met", async () => {
    const mirror = await new Mirror().prepare();
    const sql = `INSERT INTO "rows:${mirror.name}" (id, key, since, until, hash, body) VALUES (?, 'old', 1, 2, '', '{}')`;
    await env.DB.prepare(sql).bind(65_530).run();
    const rows = things(12);
    const source = listed(
      () => rows,
      () => 3,
    );
    await mirror.pull(source, { requests: 1, ms: 1_000 });
    expect(Math.max(...(await mirror.look()).rows.map(({ id }) => id))).toBe(65_542);
    rows.splice(3, 6);
    await mirror.pull(source, { requests: 1, ms: 1_000 });
    expect([...(await mirror.read()).keys()]).toEqual(["0", "1", "2", "9", "10", "11"]);
  });

  test("brings resources by their URIs, one that is listed twice once", async () => {
    const mirror = await new Mirror({ from: { kind: "resources", pattern: "x://*" } }).prepare();
    const uris = ["x://1", "x://2", "x://1"];
    const twice = pageOf([thing(1), thing(2), thing(1)], "more", { uris });
    const source = () => scripted(twice, pageOf([thing(2), thing(3)], undefined, { uris: ["x://2", "x://3"] }), twice);
    expect(await mirror.pull(source())).toMatchObject({ kind: "done", report: { rows: 3 } });
    expect(await mirror.store.cameFrom("x://2")).toEqual({ key: "2", hasBelow: false });
    expect(await mirror.store.cameFrom("x://4")).toEqual({ key: undefined, hasBelow: false });
    // Another resource with the same key is another matter.
    const other = scripted(pageOf([thing(1), thing(1)], undefined, { uris: ["x://1", "x://9"] }));
    expect(await mirror.pull(other)).toMatchObject({ problem: { code: "duplicate-keys", count: 1 } });
  });

  test("brings results of resources as they are, and says which were left out", async () => {
    const mirror = await new Mirror({
      name: RESOURCES,
      from: { kind: "mirror", patterns: ["x://*"] },
      key: [],
    }).prepare();
    const rows = [
      { key: "list:0", body: '"resources":[]' },
      { key: `read:x://${"y".repeat(900)}`, body: '"contents":[]' },
    ];
    const skipped = Array.from({ length: 12 }, (_, nth) => ({ uri: `x://${nth}`, why: "too large" }));
    const done = await mirror.pull(scripted(pageOf(rows, undefined, { skipped })));
    expect(done).toMatchObject({ report: { rows: 2, skipped: { count: 12, some: skipped.slice(0, 10) } } });
    expect(await mirror.read()).toEqual(new Map(rows.map(({ key, body }) => [key, body])));
    const { key } = rows[1]!;
    expect(await mirror.store.cameFrom(`x://${"y".repeat(900)}`)).toEqual({ key, hasBelow: false });
  });
});

describe("bad data fails a pull, and the version before stays", () => {
  const large = thing(9, { text: "x".repeat(1_000_001) });
  const wide = thing(9, { name: "é".repeat(480_000) });
  const cases: [string, Source, object, Parameters<typeof collectionOf>[0]?][] = [
    [
      "rows without a key",
      scripted(pageOf([thing(1), { name: "x" }, { id: null }, thing("a\u001fb"), thing(""), thing("x".repeat(513))])),
      { code: "no-key", count: 5, message: /^5 of the 6 rows on page 1 have no key: .* at \/id\./ },
    ],
    ["rows that are no objects", scripted(pageOf([[], 5, null, thing(1)])), { code: "wrong-type", count: 3 }],
    [
      "resources that are no objects",
      scripted(pageOf([null, null], undefined, { uris: ["x://a", "x://b"] })),
      {
        code: "wrong-type",
        count: 2,
        message: /^2 of the 2 rows on page 1 are no objects\. .* resource.* "mirror"\.$/,
      },
      { from: { kind: "resources", pattern: "x://*" } },
    ],
    ["a row that is too large", scripted(pageOf([thing(1), large])), { code: "row-too-large", count: 1 }],
    [
      "a row that is too large with its text",
      scripted(pageOf([wide])),
      { code: "row-too-large", count: 1 },
      { search: { columns: ["/name"], match: "contains" } },
    ],
    ["a key twice on a page", scripted(pageOf([thing(1), thing(2), thing(1)])), { code: "duplicate-keys", count: 1 }],
    [
      "a cursor that was there before",
      scripted(pageOf([thing(1)], "a"), pageOf([thing(2)], "b"), pageOf([thing(3)], "a")),
      { code: "cursor-loops", message: /^Page 3 / },
    ],
    [
      "pages without a row, and no end",
      { page: async (at) => pageOf([], String(Number(at ?? 0) + 1)), one: async () => ({ gone: true }) },
      { code: "cursor-loops", count: 1_001 },
    ],
    [
      "more rows than there may be",
      listed(
        () => things(21),
        () => 10,
      ),
      { code: "too-many-rows", count: 21, message: /^There are more than 20 rows/ },
    ],
    [
      "pages that end before there are as many rows as the origin says",
      scripted({ ...pageOf([thing(1), thing(2)]), total: 7 }),
      { code: "too-few-rows", count: 5, message: /^Page 1 is the last, .* 5 fewer rows .* "cursor"/ },
    ],
    [
      "pages that end so each time",
      scripted(pageOf([thing(1)], "a"), { ...pageOf([thing(2)]), total: 7 }),
      { code: "too-few-rows", count: 5, message: /^Page 2 is the last/ },
    ],
    [
      "a key twice on different pages, each time",
      scripted(pageOf([thing(1)], "a"), pageOf([thing(1)])),
      { code: "pages-changed", count: 4 },
    ],
    [
      "a page that is none",
      scripted({ bad: "What came is not JSON." }),
      { code: "bad-page", message: "Page 1: What came is not JSON." },
    ],
    [
      "a page of an origin that speaks no MCP",
      scripted({ failure: { kind: "garbage", detail: "not UTF-8" } }),
      { code: "bad-page", message: "Page 1 cannot be used: not UTF-8." },
    ],
    [
      "an origin that dies under way",
      scripted(pageOf([thing(1)], "a"), { failure: { kind: "status", status: 503 } }),
      { code: "origin-failed", message: "The origin gave no page 2: HTTP 503." },
    ],
  ];
  test.each(cases)("%s", async (_, source, problem, more = {}) => {
    const mirror = await new Mirror({ maxRows: 20, ...more }).prepare();
    await mirror.pull(
      listed(
        () => things(15),
        () => 5,
      ),
    );
    const before = await mirror.read();
    const { message = expect.any(String), ...rest } = problem as { message?: string | RegExp };
    const failed = await mirror.pull(source);
    expect(failed).toMatchObject({ kind: "failed", problem: rest });
    expect((failed as { problem: { message: string } }).problem.message).toEqual(
      message instanceof RegExp ? expect.stringMatching(message) : message,
    );
    expect(await mirror.version()).toBe(1);
    expect(await mirror.read()).toEqual(before);
    mirror.state = undefined;
    expect(
      await mirror.pull(
        listed(
          () => things(15),
          () => 5,
        ),
      ),
    ).toMatchObject({ kind: "done", version: 1 });
  });

  test("however often a pull fails, no more is left behind than a version may have", async () => {
    const mirror = await new Mirror({ search: WORDS, maxRows: 20 }).prepare();
    await mirror.pull(
      listed(
        () => things(15),
        () => 15,
      ),
    );
    for (let nth = 1; nth <= 6; nth++) {
      mirror.state = undefined;
      const failed = await mirror.pull(scripted(pageOf(things(15, nth * 100), "a"), { bad: "" }));
      expect(failed.kind).toBe("failed");
      expect((await mirror.look()).rows.length).toBeLessThanOrEqual(15 + 20 + 15);
    }
    mirror.state = undefined;
    const rows = things(16);
    expect(
      await mirror.pull(
        listed(
          () => rows,
          () => 16,
        ),
      ),
    ).toMatchObject({ report: { added: 1, changed: 0, removed: 0 } });
    const { rows: all, texts } = await mirror.look();
    expect([all.length, texts.length]).toEqual([16, 16]);
  });

  test("an origin that failed is asked for the page once more", async () => {
    const mirror = await new Mirror().prepare();
    const source = listed(
      () => things(6),
      () => 2,
    );
    let isDown = false;
    const shaky: Source = {
      ...source,
      page: async (at) => (isDown ? { failure: { kind: "status", status: 429, retryAfterMs: 9 } } : source.page(at)),
    };
    await mirror.step(shaky, { budget: { requests: 1, ms: 1_000 } });
    isDown = true;
    expect(await mirror.step(shaky)).toMatchObject({
      kind: "failed",
      failure: { retryAfterMs: 9 },
      state: { pages: 1 },
    });
    isDown = false;
    expect(await mirror.pull(shaky)).toMatchObject({ kind: "done", report: { pages: 3, rows: 6 } });
  });

  test("a database that fails does not lose what was done", async () => {
    let left = 5;
    const db = {
      prepare: (sql: string) => env.DB.prepare(sql),
      batch: (statements: D1PreparedStatement[]) =>
        left-- > 0 ? env.DB.batch(statements) : Promise.reject(new Error("D1_ERROR: overloaded")),
    } as unknown as D1Database;
    const mirror = await new Mirror({}, db).prepare();
    const source = listed(
      () => things(6),
      () => 2,
    );
    expect(await mirror.step(source)).toMatchObject({
      kind: "failed",
      state: { pages: 2 },
      problem: { code: "store-failed", message: "The database failed: D1_ERROR: overloaded." },
    });
    left = 100;
    expect(await mirror.pull(source)).toMatchObject({ kind: "done", report: { pages: 3, rows: 6 } });
  });
});

describe("pages that change while they are read", () => {
  test("have the pull start over where a row comes twice, or one may have been passed over", async () => {
    const mirror = await new Mirror().prepare();
    const rows = things(9);
    const source = (at: string, change: () => void): Source => {
      const from = listed(
        () => rows,
        () => 3,
        {},
      );
      let isDone = false;
      return {
        ...from,
        page: async (cursor) => {
          if (cursor === at && !isDone) change();
          isDone ||= cursor === at;
          return { ...((await from.page(cursor)) as ReturnType<typeof pageOf>), total: rows.length };
        },
      };
    };
    const kinds = async (from: Source) => {
      const kinds: string[] = [];
      for (;;) {
        const came = await mirror.step(from);
        kinds.push(came.kind);
        if (came.kind === "done" || came.kind === "failed") return kinds;
      }
    };
    // One before what was read: it moves what comes after.
    expect(await kinds(source("6", () => rows.unshift(thing("first"))))).toEqual(["start-over", "goes-on", "done"]);
    expect(await mirror.read()).toEqual(new Map(rows.map((row) => [String(row.id), JSON.stringify(row)])));
    // One of the first page goes: a row is passed over, and the first page says so in the end.
    expect(await kinds(source("6", () => rows.shift()))).toEqual(["start-over", "goes-on", "done"]);
    // One of a later page goes: there are fewer than there were.
    expect(await kinds(source("6", () => rows.splice(4, 1)))).toEqual(["start-over", "goes-on", "done"]);
    // One at the end is harmless.
    expect(await kinds(source("6", () => rows.push(thing("last"))))).toEqual(["goes-on", "done"]);
    expect(await mirror.read()).toEqual(new Map(rows.map((row) => [String(row.id), JSON.stringify(row)])));
    // Fewer each time is no reason to have nothing at all.
    let total = rows.length;
    const fewer = listed(
      () => rows,
      () => 5,
    );
    const falling: Source = {
      ...fewer,
      page: async (at) => ({ ...((await fewer.page(at)) as ReturnType<typeof pageOf>), total: total-- }),
    };
    expect(await kinds(falling)).toEqual(["start-over", "start-over", "start-over", "done"]);
  });
});

describe("single rows", () => {
  const rowFor = async (mirror: Mirror, value: object) => (await rowOf(mirror.collection, value)) as MirrorRow;

  test("are refreshed as a version of their own that leaves the age", async () => {
    const mirror = await new Mirror({ search: WORDS, maxRows: 4 }).prepare();
    expect(await mirror.store.refresh([{ gone: "1" }], { feedId: "f", seq: 9 })).toBe(undefined);
    await mirror.pull(
      listed(
        () => things(4),
        () => 10,
      ),
    );
    const { asOf } = (await mirror.store.state())!;
    const changed = await rowFor(mirror, thing(1, { name: "changed" }));
    const same = await rowFor(mirror, thing(2));
    const beyond = await rowFor(mirror, thing("beyond"));
    const changes = [{ gone: "1" }, changed, same, { gone: "3" }, { gone: "unknown" }, beyond];
    const counts = { version: 2, before: 1, added: 0, changed: 1, removed: 1 };
    expect(await mirror.store.refresh(changes, { feedId: "f", seq: 77 })).toEqual(counts);
    expect(await mirror.store.state()).toMatchObject({ version: 2, asOf, feedId: "f", seq: 77, size: 3 });
    expect([...(await mirror.read()).keys()]).toEqual(["0", "2", "1"]);
    expect([...(await mirror.readAt(1)).keys()]).toEqual(["0", "1", "2", "3"]);
    expect([await mirror.search("changed"), await mirror.search("1")]).toEqual([["1"], []]);
    const { rows } = await mirror.look();
    expect(await mirror.store.refresh([same, changed], { feedId: "g", seq: 1 })).toMatchObject({
      version: 2,
      changed: 0,
    });
    expect(await mirror.store.state()).toMatchObject({ version: 2, feedId: "g", seq: 1 });
    expect((await mirror.look()).rows).toEqual(rows);
    expect(await mirror.store.refresh([beyond])).toMatchObject({ version: 3, added: 1 });
    expect(await mirror.store.state()).toMatchObject({ version: 3, feedId: "g", seq: 1, size: 4 });
    // The next pull counts from there.
    expect(
      await mirror.pull(
        listed(
          () => things(4),
          () => 10,
        ),
      ),
    ).toMatchObject({
      report: { added: 1, changed: 1, removed: 1 },
    });
  });

  test("are not mixed with what a pull has left behind", async () => {
    const mirror = await new Mirror({ search: WORDS }).prepare();
    await mirror.pull(
      listed(
        () => things(6),
        () => 10,
      ),
    );
    const rows = [thing(0, { name: "half" }), ...things(3, 1), thing("new")];
    const source = listed(
      () => rows,
      () => 10,
    );
    // All is written, and two have gone: only the switch is missing.
    await mirror.step(source);
    expect(mirror.state).toMatchObject({ next: "switch" });
    mirror.state = undefined;
    const one = await rowFor(mirror, thing(3, { name: "whole" }));
    expect(await mirror.store.refresh([one], { feedId: "f", seq: 1 })).toMatchObject({ version: 2, changed: 1 });
    const expected = things(6).map((row) => (row.id === 3 ? thing(3, { name: "whole" }) : row));
    expect(await mirror.read()).toEqual(new Map(expected.map((row) => [String(row.id), JSON.stringify(row)])));
    expect(await mirror.search("half OR new")).toEqual([]);
    const { rows: all, texts } = await mirror.look();
    expect(texts).toEqual(all.map(({ id }) => id));
    expect(all.length).toBe(7);
  });
});

describe("the record", () => {
  test("says what is stopped, and holds schemas", async () => {
    const mirror = await new Mirror().prepare();
    await mirror.store.stop('a"b', 5);
    await mirror.store.stop("__proto__", 6);
    expect(Object.entries((await mirror.store.state())!.stopped)).toEqual([
      ['a"b', 5],
      ["__proto__", 6],
    ]);
    await mirror.store.resume();
    await mirror.store.keepSchemas('{"a":{}}', "hash");
    expect(await mirror.store.state()).toMatchObject({ stopped: {}, schemasHash: "hash" });
    // Made once more, it is what it was.
    await mirror.prepare();
    expect(await mirror.store.state()).toMatchObject({ schemasHash: "hash" });
  });

  test("says what is whole before older rows go, in portions", async () => {
    const mirror = await new Mirror({ search: WORDS }).prepare();
    const rows = things(5_300);
    const source = listed(
      () => rows,
      () => 6_000,
    );
    await mirror.pull(source);
    for (const row of rows) row.name = `other ${row.id}`;
    await mirror.pull(source);
    await mirror.store.collect(1);
    expect((await mirror.look()).rows.length).toBe(10_600);
    expect(await mirror.store.collect(9, { requests: 2 })).toBe(false);
    expect((await mirror.store.state())!.oldest).toBe(2);
    expect((await mirror.look()).rows.length).toBe(5_600);
    expect(await mirror.store.collect(2)).toBe(true);
    const { rows: all, texts } = await mirror.look();
    expect([all.length, texts.length, (await mirror.read()).size]).toEqual([5_300, 5_300, 5_300]);
    expect(await mirror.search("thing")).toEqual([]);
    // What is older does not come back.
    await mirror.store.collect(1);
    expect((await mirror.store.state())!.oldest).toBe(2);
  });

  test("goes with its tables", async () => {
    const mirror = await new Mirror({ search: WORDS }).prepare();
    await mirror.store.drop();
    expect(await mirror.store.state()).toBe(undefined);
    const left = await env.DB.prepare("SELECT name FROM sqlite_master WHERE instr(name, ?)").bind(mirror.name).all();
    expect(left.results).toEqual([]);
    await mirror.store.drop();
    const failed = await mirror.step(
      listed(
        () => [],
        () => 1,
      ),
    );
    expect(failed).toMatchObject({ kind: "failed", problem: { code: "store-failed" } });
  });

  test("of a name with quotes is made as any other", async () => {
    const name = `o"; DROP TABLE mirror; --/x'#${crypto.randomUUID()}`;
    const store = new MirrorStore(env.DB, name, collectionOf({ search: WORDS }));
    await store.prepare("o", "x");
    expect(await store.stand()).toMatchObject({ version: 0, top: 0 });
    await store.drop();
  });
});

test("what a pull has met is kept by id and by cursor, and forgotten with the next", async () => {
  const mirror = new Mirror();
  const ids = [0, 1, 7, 8, 65_535, 65_536, 5_000_000_000];
  await mirror.inObject((sql) => {
    const seen = new Seen(sql);
    seen.clear();
    for (const id of ids) seen.add(id);
    expect([seen.meet("a"), seen.meet("a"), seen.isFull]).toEqual([false, true, false]);
    seen.save();
    seen.add(2);
    seen.meet("b");
  });
  await mirror.inObject((sql) => {
    // What was not saved is not there.
    const seen = new Seen(sql);
    expect(ids.every((id) => seen.has(id))).toBe(true);
    expect([2, 65_537, 131_072].some((id) => seen.has(id))).toBe(false);
    expect([seen.meet("a"), seen.meet("b")]).toEqual([true, false]);
    seen.add(9);
    seen.save();
    expect(sql.exec("SELECT count(*) AS n FROM seen_rows").one()).toEqual({ n: 3 });
    seen.clear();
    expect([seen.has(1), seen.meet("a")]).toEqual([false, false]);
    // Until it is saved, what was there before is kept.
    expect(new Seen(sql).has(1)).toBe(true);
    for (let chunk = 0; chunk < 512; chunk++) seen.add(chunk * 65_536);
    expect(seen.isFull).toBe(true);
    seen.save();
    expect([seen.isFull, seen.has(65_536), seen.has(1), new Seen(sql).has(1)]).toEqual([false, true, false, false]);
  });
});

test("a pointer leads where RFC 6901 says", () => {
  const value = { foo: ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, "~1": 9, k: { l: null } };
  const places: Record<string, unknown> = {
    "": value,
    "/foo": value.foo,
    "/foo/0": "bar",
    "/": 0,
    "/a~1b": 1,
    "/m~0n": 8,
    "/~01": 9,
    "/k/l": null,
  };
  for (const [pointer, found] of Object.entries(places)) expect(valueAt(value, pointer), pointer).toBe(found);
  for (const pointer of ["/foo/-", "/foo/01", "/foo/2", "/foo/length", "/constructor", "/k/l/m", "/x/y", "/a~1b/c"])
    expect(valueAt(value, pointer), pointer).toBe(undefined);
});

test("a column has a value that compares", () => {
  expect(
    ["a\ud800", 1.5, true, false, null, undefined, {}, [], Number.POSITIVE_INFINITY].map((one) =>
      columnValue("value", one),
    ),
  ).toEqual(["a\ufffd", 1.5, 1, 0, null, null, null, null, null]);
  expect(["ÀB", 7].map((one) => columnValue("lower", one))).toEqual(["àb", 7]);
  const versions = ["9", "16", "≤16.0.0", "16.4", "v16.10", "17"];
  const values = versions.map((one) => columnValue("version", one) as string);
  expect(values.toSorted()).toEqual(values);
  expect([values[1], values[3], columnValue("version", 16.4), columnValue("version", "0.0")]).toEqual([
    values[2],
    "000000016.000000004",
    values[3],
    "000000000",
  ]);
  for (const none of [
    "",
    "preview",
    "1.",
    ".1",
    "1.2.3.4.5.6.7",
    "1234567890",
    "-1",
    "1e5",
    " 1",
    -1,
    1e21,
    null,
    true,
    {},
  ])
    expect(columnValue("version", none), String(none)).toBe(null);
});
