import { expect, test } from "vitest";
import { countCalls } from "../../scripts/bench/measureOperations.ts";
import { NONE } from "../../scripts/bench/operations.ts";
import { startOrigin } from "../../scripts/bench/startOrigin.ts";

test("what calls take of the platform, by what they are", { timeout: 60_000 }, async () => {
  const origin = await startOrigin();
  try {
    const calls = await countCalls(origin, 20);
    expect(Object.fromEntries(calls.map(({ kind, operations }) => [kind, operations]))).toEqual({
      "a miss": { ...NONE, kvReads: 1, kvWrites: 1, objectRequests: 1 },
      "a hit in memory": NONE,
      "a strict hit": { ...NONE, objectRequests: 1, syncRequests: 1 },
      "a hit in KV": { ...NONE, kvReads: 1 },
      "relayed, as it may not be cached": NONE,
      // Of the announcement and of the tag in the feed the row and its index; the row that goes; the feed's head.
      "a write that is announced": { ...NONE, objectRequests: 2, syncRequests: 2, rowsWritten: 6 },
    });
  } finally {
    await origin.close();
  }
});
