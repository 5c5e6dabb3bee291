import type { ConfigProblem } from "./ConfigError.ts";
import { outboxLimitsOf } from "./outboxLimits.ts";
import type { IdempotentRule, OutboxRule } from "./replica.ts";
import { below, type Report } from "./report.ts";
import { shorten } from "./shorten.ts";
import { placesIn } from "./template.ts";
import type { OriginConfig, ToolConfig } from "./types.ts";
import type { WriteConfig } from "./writeTypes.ts";

/** How the calls of a tool go through the outbox, with every default filled in; `undefined`: they are relayed. */
export function outboxRuleOf(write: WriteConfig): OutboxRule | undefined {
  const { queue, orderBy = null, idempotent = false, unlessTask = "refuse", ifStuck = "park" } = write;
  if (!isSent(write)) return undefined;
  return { queue, orderBy, idempotent: idempotentRuleOf(idempotent), unlessTask, ifStuck };
}

function idempotentRuleOf(idempotent: NonNullable<WriteConfig["idempotent"]>): IdempotentRule {
  if (typeof idempotent === "boolean") return idempotent ? "yes" : "no";
  // Header names are the same in any case.
  return typeof idempotent === "object" && "header" in idempotent
    ? { header: idempotent.header.toLowerCase() }
    : idempotent;
}

/** Whether an origin has a tool whose calls go through the outbox. */
export function hasOutbox({ tools = {} }: Pick<OriginConfig, "tools">): boolean {
  return Object.values(tools).some(({ write }) => write !== undefined && isSent(write));
}

/** Whether the outbox sends the calls. */
function isSent({ queue, idempotent }: WriteConfig): boolean {
  return queue !== undefined || (idempotent !== undefined && idempotent !== false);
}

/** What of an origin's writes, of its outbox and of the reads beside it the shape alone cannot say. */
export function writeProblems(id: string, config: OriginConfig): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const report: Report = (place, found, expected) =>
    problems.push({ path: ["origins", id, ...place].join("."), found, expected });
  for (const [name, tool] of Object.entries(config.tools ?? {})) {
    const at = below(report, "tools", name);
    if (tool.write) conflicts(tool, tool.write, config, at);
    if (tool.readPending !== undefined && !tool.cache && !tool.answer)
      at(["readPending"], shorten(tool.readPending), "cache or answer with it");
  }
  for (const kind of ["resources", "prompts"] as const) {
    for (const [name, { cache, readPending }] of Object.entries(config[kind] ?? {}))
      if (readPending !== undefined && !cache)
        report([kind, name, "readPending"], shorten(readPending), "cache with it");
  }
  if (config.outbox) bounds(config, below(report, "outbox"));
  return problems;
}

/** What in the policy of one tool does not go together. */
function conflicts(tool: ToolConfig, write: WriteConfig, { auth }: OriginConfig, report: Report): void {
  const at = below(report, "write");
  const needs = (member: keyof WriteConfig, others: string, isThere: boolean) => {
    if (write[member] !== undefined && !isThere) at([member], shorten(write[member]), `${others} with it`);
  };
  const isThrough = isSent(write);
  if (!isThrough && !write.invalidates) at(["invalidates"], "nothing", "at least one tag, or queue or idempotent");
  needs("orderBy", "queue or idempotent", isThrough);
  needs("unlessTask", "queue", write.queue !== undefined);
  needs("ifStuck", "queue or idempotent", isThrough);
  if (!isThrough) return;
  needs("ifStuck", "an order", write.orderBy !== false);
  if (typeof write.orderBy === "string" && !placesIn(write.orderBy))
    at(["orderBy"], shorten(write.orderBy), "arguments in braces, such as product:{sku}");
  const first = write.queue === undefined ? "idempotent" : "queue";
  const excludes = (what: string) => at([first], shorten(write[first]), `no ${what} with it`);
  for (const member of ["budget", "expensive", "deny"] as const) if (tool[member]) excludes(member);
  if (!auth) return;
  if ("exchange" in auth || "forward" in auth)
    at([first], shorten(write[first]), "an origin that is not asked with each caller's own credential: none is kept");
  // The credential would be sent as the key, or the key as the credential.
  const header = typeof write.idempotent === "object" && "header" in write.idempotent ? write.idempotent.header : "";
  if ("header" in auth && auth.header.name.toLowerCase() === header.toLowerCase())
    at(["idempotent", "header"], shorten(header), "another header than that of the origin's auth");
}

/** What in the bounds of an outbox does not go together. */
function bounds(config: OriginConfig, report: Report): void {
  if (!hasOutbox(config)) report([], "an object", "a tool with write.queue or write.idempotent");
  const limits = outboxLimitsOf(config.outbox);
  const { callerDepth, callerBytes } = config.outbox!;
  if (limits.callerDepth > limits.depth)
    report(["callerDepth"], shorten(callerDepth), `at most the depth, ${limits.depth}`);
  if (limits.callerBytes > limits.bytes)
    report(["callerBytes"], shorten(callerBytes), `at most the bytes, ${limits.bytes}`);
}
