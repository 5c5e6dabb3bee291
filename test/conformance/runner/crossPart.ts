import { BASELINE, type Crossing } from "../baseline.ts";
import { serveOrigin } from "../origin/serve.ts";
import type { Comparison } from "./compare.ts";
import { compareWithBaseline } from "./compareWithBaseline.ts";
import { replicate } from "./replica.ts";
import { runSuite } from "./runSuite.ts";

/** One pass through the replica. */
export interface CrossPass {
  name: "cold" | "warm";
  passed: number;
  /** The checks that failed as the baseline says. */
  expected: number;
}

/** What came of a requirement set in front of an origin that lacks its era. */
export interface CrossPart extends Comparison {
  crossing: Crossing;
  passes: CrossPass[];
}

/** Runs a requirement set twice through a new replica in front of an origin of the other era, and compares with the baseline. */
export async function runCrossPart(crossing: Crossing): Promise<CrossPart> {
  const { revision, origin: spoken } = crossing;
  const origin = await serveOrigin(0, spoken);
  const part: CrossPart = { crossing, passes: [], equal: 0, differences: [] };
  try {
    const replica = await replicate(origin.url);
    try {
      for (const name of ["cold", "warm"] as const) {
        const { checks } = await runSuite(replica.mcp, revision);
        const { equal, differences, ...counts } = compareWithBaseline(
          `${revision}, ${spoken} origin, ${name}`,
          checks,
          BASELINE[revision],
        );
        part.passes.push({ name, ...counts });
        part.equal += equal;
        part.differences.push(...differences);
      }
    } finally {
      await replica.close();
    }
  } finally {
    await origin.close();
  }
  return part;
}
