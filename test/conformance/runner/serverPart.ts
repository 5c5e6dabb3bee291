import { serveOrigin } from "../origin/serve.ts";
import { type Check, type Checks, count, isFailure } from "./checks.ts";
import { compare, type Comparison, type Difference } from "./compare.ts";
import { countHits, type Hits, replicate } from "./replica.ts";
import { runSuite } from "./runSuite.ts";

/** One pass of a requirement set, through the replica unless it is `direct`. */
export interface Pass {
  name: "direct" | "cold" | "warm";
  passed: number;
  failed: number;
  hits?: Hits;
  /** The messages that reached the origin. */
  asked: number;
}

/** What came of one requirement set. */
export interface ServerPart extends Comparison {
  revision: string;
  scored: string[];
  /** The scenarios that run but are not required, with the suite's reason. */
  unscored: Map<string, string>;
  /** The scenarios that check nothing yet: the suite skips them itself. */
  empty: string[];
  passes: Pass[];
  /** The origin's own checks that did not pass, in required scenarios and others. */
  own: { scenario: string; check: Check }[];
}

/** Runs a requirement set against the origin, then twice through a new replica in front of it. */
export async function runServerPart(revision: string): Promise<ServerPart> {
  const origin = await serveOrigin();
  const passes: Pass[] = [];
  let asked = 0;
  const note = (name: Pass["name"], checks: Checks, hits?: Hits): void => {
    const before = asked;
    asked = origin.list().length;
    passes.push({ name, ...count(checks), ...(hits !== undefined && { hits }), asked: asked - before });
  };
  try {
    const direct = await runSuite(origin.url, revision);
    note("direct", direct.checks);
    const replica = await replicate(origin.url);
    try {
      const cold = await runSuite(replica.mcp, revision);
      const coldHits = await countHits(replica);
      note("cold", cold.checks, coldHits);
      const warm = await runSuite(replica.mcp, revision);
      const hits = await countHits(replica);
      const warmHits = { all: hits.all - coldHits.all, named: hits.named - coldHits.named };
      note("warm", warm.checks, warmHits);
      const comparisons = [
        compare(`${revision} cold`, direct.checks, cold.checks),
        compare(`${revision} warm`, direct.checks, warm.checks),
        expectHits(revision, warmHits.named),
      ];
      return {
        revision,
        scored: direct.scored,
        unscored: direct.unscored,
        empty: [...direct.checks].flatMap(([scenario, list]) =>
          list.every(({ status }) => status === "SKIPPED") ? [scenario] : [],
        ),
        passes,
        own: failuresOf(direct.checks),
        equal: comparisons.reduce((sum, { equal }) => sum + equal, 0),
        differences: comparisons.flatMap(({ differences }) => differences),
      };
    } finally {
      await replica.close();
    }
  } finally {
    await origin.close();
  }
}

function failuresOf(checks: Checks): ServerPart["own"] {
  return [...checks].flatMap(([scenario, list]) => list.filter(isFailure).map((check) => ({ scenario, check })));
}

/** A warm run that asked the origin for everything would have shown nothing. */
function expectHits(revision: string, hits: number): Comparison {
  if (hits > 0) return { equal: 1, differences: [] };
  const difference: Difference = {
    part: `${revision} warm`,
    scenario: "all",
    check: "hits (WarmHits)",
    direct: "some",
    replica: "none",
    message: "Nothing was answered from the cache.",
  };
  return { equal: 0, differences: [difference] };
}
