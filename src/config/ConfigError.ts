/** One thing that is wrong in the operator's file. */
export interface ConfigProblem {
  /** Where: `origins.catalog.tools.search.cache.ttl`. */
  path: string;
  /** What stands there, shortened; only its kind where somebody may have put a credential by mistake. */
  found: string;
  /** What was expected, as a sentence's end. */
  expected: string;
}

/** The operator's file cannot be used. The message has a line for each problem. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map((p) => `${p.path || "the file"}: found ${p.found}, expected ${p.expected}`).join("\n"));
    this.name = "ConfigError";
    this.problems = problems;
  }
}
