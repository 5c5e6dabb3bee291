import { describe, expect, test } from "vitest";
import { listed, Mirror } from "./support/pulling.ts";

const thing = (id: number, more: object = {}) => ({ id, name: `thing ${id}`, ...more });
const things = (count: number) => Array.from({ length: count }, (_, nth) => thing(nth));

describe("a pull", () => {
  test("of what has not changed writes no row, and renews the age", async () => {
    const mirror = await new Mirror({ search: { columns: ["/name"], match: "words" } }).prepare();
    const rows = things(2_500);
    const first = await mirror.pull(
      listed(
        () => rows,
        () => 500,
      ),
    );
    expect(first).toMatchObject({
      kind: "done",
      version: 1,
      before: 0,
      report: { rows: 2_500, added: 2_500, pages: 5 },
    });
    const before = await mirror.store.state();
    const again = await mirror.pull(
      listed(
        () => rows,
        () => 700,
      ),
    );
    expect(again).toMatchObject({
      kind: "done",
      version: 1,
      before: 1,
      report: { rows: 2_500, added: 0, changed: 0, removed: 0 },
    });
    expect(again.kind === "done" && again.report.written).toBeLessThanOrEqual(2);
    const after = await mirror.store.state();
    expect(after!.asOf).toBeGreaterThan(before!.asOf);
    expect(after!.seq).toBeGreaterThan(before!.seq);
    expect(await mirror.search("2499")).toEqual(["2499"]);
  });
});
