import { describe, expect, test } from "vitest";
import { compareVersions, parseVersion } from "../../scripts/origin/compareVersions.ts";
import { readCursor, writeCursor } from "../../scripts/origin/cursor.ts";
import { loadCatalog } from "../../scripts/origin/loadCatalog.ts";
import { summariseSupport, supportedAt } from "../../scripts/origin/summariseSupport.ts";

describe("versions", () => {
  test("are compared number by number", () => {
    expect(["16.10", "9", "16.4", "16"].toSorted(compareVersions)).toEqual(["9", "16", "16.4", "16.10"]);
    expect(compareVersions("1", "1.0.0")).toBe(0);
    expect(compareVersions("≤12.1", "12.1")).toBe(0);
  });

  test("are numbers or nothing", () => {
    expect(parseVersion("16.4")).toEqual([16, 4]);
    expect(parseVersion("preview")).toBeUndefined();
    expect(parseVersion("1.")).toBeUndefined();
    expect(parseVersion("")).toBeUndefined();
  });
});

describe("support", () => {
  const flagged = {
    version_added: "50",
    flags: [{ type: "preference" as const, name: "some.flag", value_to_set: "true" }],
  } satisfies Parameters<typeof summariseSupport>[0][number];

  test("behind a flag or under another name does not count", () => {
    expect(supportedAt([flagged], "60")).toBe(false);
    expect(supportedAt([{ version_added: "5", prefix: "-webkit-" }], "60")).toBe(false);
    expect(supportedAt([{ version_added: "5", alternative_name: "Old" }], "60")).toBe(false);
    expect(supportedAt([{ version_added: "preview" }], "999")).toBe(false);
    expect(supportedAt([{ version_added: "61" }, flagged], "60")).toBe(false);
    expect(supportedAt([{ version_added: "61" }, flagged], "61")).toBe(true);
  });

  test("ends with the version that removed it", () => {
    const statements = [{ version_added: "10", version_removed: "20", version_last: "19" }];
    expect(supportedAt(statements, "19.9")).toBe(true);
    expect(supportedAt(statements, "20")).toBe(false);
  });

  test("is summarised by the first plain statement, or the first", () => {
    expect(summariseSupport([flagged])).toMatchObject({ added: "50", flags: flagged.flags });
    expect(summariseSupport([flagged, { version_added: "60", partial_implementation: true }])).toMatchObject({
      added: "60",
      partial: true,
      flags: [],
    });
    expect(summariseSupport([{ version_added: "5", prefix: "-moz-" }])).toMatchObject({ prefix: "-moz-" });
  });
});

test("a cursor is good only for its list, its data and its size", () => {
  const cursor = writeCursor("features", "1.0.0", 10);
  expect(readCursor("features", "1.0.0", 11, cursor)).toBe(10);
  expect(readCursor("features", "1.0.0", 10, cursor)).toBeUndefined();
  expect(readCursor("support", "1.0.0", 11, cursor)).toBeUndefined();
  expect(readCursor("features", "1.0.1", 11, cursor)).toBeUndefined();
});

test("the catalogue is loaded once and ordered by id", () => {
  const catalog = loadCatalog();
  expect(loadCatalog()).toBe(catalog);
  expect(catalog.features.every(({ id }, at, all) => at === 0 || all[at - 1]!.id < id)).toBe(true);
  expect(catalog.browsers.get("ie")?.current).toBe("11");
});
