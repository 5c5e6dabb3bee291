import { describe, expect, test } from "vitest";
import { rolesOf } from "../../src/access/rolesOf.ts";
import type { Collection } from "../../src/config/mirror.ts";
import { Mirrors } from "../../src/lanes/Mirrors.ts";
import { mayBeOfRow, tagsOfCollection, tagsOfKey, tagsOfRow } from "../../src/mirror/rowTags.ts";
import { overBudget } from "../../src/origin/Meter.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import { collectionOf } from "./support/pulling.ts";

const fromTool = { name: "items", from: { kind: "tool", tool: "list" }, tags: ["item:{sku}", "cat:{cat}:x"] };
const items = fromTool as unknown as Collection;
const docs = { name: "docs", from: { kind: "resources", pattern: "docs://a/*" }, tags: [] } as unknown as Collection;

describe("the tags of what is mirrored", () => {
  test("a row has those that its collection's templates come to, and its resource's", () => {
    expect(tagsOfRow(items, { sku: "s1", cat: "c" }, null)).toEqual(["item:s1", "cat:c:x"]);
    expect(tagsOfRow(docs, {}, "docs://a/b")).toEqual([
      "resource:docs://a/b",
      "resource:docs://a/",
      "resource:docs://a",
    ]);
    expect(tagsOfCollection(items)).toEqual(["collection:items", "tool:list"]);
    expect(tagsOfCollection(docs)).toEqual(["collection:docs", "list:resources"]);
  });

  test("of a row that is not there are known where they go by its key alone", () => {
    const of = (key: string[], tags: string[]) =>
      tagsOfKey({ ...items, tags, keyNames: key }, key.map((_, nth) => `k${nth}`).join("\u001F"));
    expect(of(["sku"], ["item:{sku}", "all"])).toEqual(["item:k0", "all"]);
    expect(of(["sku", "at"], ["item:{at}:{sku}"])).toEqual(["item:k1:k0"]);
    expect(of(["sku"], ["item:{sku}", "cat:{cat}"])).toBeUndefined();
    expect(tagsOfKey({ ...docs, keyNames: ["id"] }, "k")).toBeUndefined();
  });

  test.each<[Collection, string, boolean]>([
    [items, "item:s1", true],
    [items, "cat:c:x", true],
    [items, "cat:c:y", false],
    [items, `cat:${"c".repeat(300)}`, true],
    [items, "items", false],
    [items, "resource:docs://a/b", false],
    [docs, "resource:docs://a/b", true],
    [docs, "resource:docs://a", true],
    [docs, "resource:docs://b", false],
    [docs, "item:s1", false],
  ])("of a row or not: %#", (collection, tag, may) => {
    expect(mayBeOfRow(collection)(tag)).toBe(may);
  });

  test("the feed says of all of them what it says of the latest of any, each time that there is news", () => {
    const view = new FeedView(() => "i");
    let looked = 0;
    const isItem = (tag: string) => {
      looked++;
      return tag.startsWith("item:");
    };
    const at = (seq: number, feedId = "f") => view.judgeAll({ feedId, seq }, "items", isItem);
    const hear = (seq: number, tag: string, hard = 0) =>
      view.hear(view.ask(), { feedId: "f", seq, floor: 0, hardFloor: 0, changes: [{ tag, seq, hard, told: 0 }] });
    expect(at(0)).toBe("sound");
    hear(1, "other");
    hear(2, "item:1");
    hear(3, "item:2");
    expect([at(0), at(2), at(3), at(3, "g")]).toEqual(["stale", "stale", "sound", "suspect"]);
    const before = looked;
    expect([at(1), at(4)]).toEqual(["stale", "sound"]);
    expect(looked).toBe(before);
    hear(5, "item:1", 5);
    expect([at(4), at(5)]).toEqual(["gone", "sound"]);
    hear(6, "other");
    expect([at(4), at(5)]).toEqual(["gone", "sound"]);
  });
});

test("a mirror is left alone after three failures of D1 in a row, and after each further one until it has answered; others are not", () => {
  const mirrors = new Mirrors();
  const known = (name: string) => [mirrors.add({ name, collection: collectionOf({ name }), mayBeOfRow: () => false })];
  const [one, other] = [known("one"), known("other")];
  const fail = (at: number) => mirrors.failed(one, at);
  fail(0);
  fail(0);
  mirrors.answered(one);
  fail(0);
  fail(0);
  expect(mirrors.rest(one, 1)).toBe(false);
  fail(0);
  expect([mirrors.rest(one, 4_999), mirrors.rest([...other, ...one], 4_999), mirrors.rest(other, 4_999)]).toEqual([
    true,
    true,
    false,
  ]);
  expect(mirrors.rest(one, 5_000)).toBe(false);
  fail(6_000);
  expect(mirrors.rest(one, 6_001)).toBe(true);
});

test("an answer is measured by the bound that is met first", () => {
  expect(overBudget({ bytes: 10 }, 10)).toBeUndefined();
  expect(overBudget({ bytes: 10 }, 11)).toEqual({ kind: "over-budget", of: "bytes", most: 10 });
  expect(overBudget({ bytes: 10, tokens: 2 }, 9)).toEqual({ kind: "over-budget", of: "tokens", most: 2 });
});

test("a caller has the roles that it was given, those of its scopes, or that of anybody, as far as there are such", () => {
  const role = (scopes?: string[]) => ({ grants: [], scopes });
  const known = new Map([
    ["reader", role()],
    ["buyer", role(["buy", "look"])],
    ["anonymous", role()],
  ]);
  expect(rolesOf(known, { principal: "p", roles: ["reader", "unknown"] })).toEqual(["reader"]);
  expect(rolesOf(known, { principal: "p", scopes: ["buy", "look"] })).toEqual(["buyer"]);
  expect(rolesOf(known, { principal: "p", scopes: ["buy"] })).toEqual([]);
  expect(rolesOf(known, { principal: "anonymous" })).toEqual(["anonymous"]);
});
