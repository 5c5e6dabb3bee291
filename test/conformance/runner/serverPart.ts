import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { serveOrigin } from "../origin/serve.ts";
import { type Check, type Checks, count, readChecks } from "./checks.ts";
import { compare, type Comparison, type Difference } from "./compare.ts";
import { countHits, type Hits, replicate } from "./replica.ts";
import { runChild } from "./runChild.ts";

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

interface SuiteRun {
  scored: string[];
  unscored: Map<string, string>;
  checks: Checks;
}

/** Runs the scenarios of a requirement set, in the suite's order. */
async function runSuite(url: string, revision: string): Promise<SuiteRun> {
  const folder = await mkdtemp(path.join(tmpdir(), "conformance-"));
  try {
    const output = await runChild(["server", "--url", url, "--requirements", revision, "-o", folder]);
    const read = await readChecks(folder);
    const ran = [...output.matchAll(/^=== Running scenario: (\S+) ===$/gm)].map(([, scenario]) => scenario!);
    if (ran.length === 0) throw new Error(`The suite ran nothing:\n${output}`);
    const unscored = new Map(
      [...output.matchAll(/^ {2}. (\S+) \((\S+)\)$/gm)].map(([, scenario, reason]) => [scenario!, reason!]),
    );
    const checks: Checks = new Map(ran.map((scenario) => [scenario, read.get(scenario) ?? [didNotRun(scenario)]]));
    return { scored: ran.filter((scenario) => !unscored.has(scenario)), unscored, checks };
  } finally {
    await rm(folder, { recursive: true });
  }
}

function didNotRun(id: string): Check {
  return {
    id,
    name: "DidNotRun",
    status: "FAILURE",
    errorMessage: "The scenario left no results: it timed out or broke down.",
  };
}

function failuresOf(checks: Checks): ServerPart["own"] {
  return [...checks].flatMap(([scenario, list]) =>
    list.filter(({ status }) => status === "FAILURE" || status === "WARNING").map((check) => ({ scenario, check })),
  );
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
