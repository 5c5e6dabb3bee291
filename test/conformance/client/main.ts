// What the suite runs as the client: node test/conformance/client/main.ts [--replica] URL
// With --replica, it starts a replica of the suite's server and talks to that instead.
import { startReplica } from "../../integration/support/replica.ts";
import { drive } from "./drive.ts";

/** Sooner than the suite gives up, which ends a shell but not what the shell has started. In ms. */
const DEADLINE_MS = 25_000;

const url = process.argv.at(-1)!;
const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? "";
const revision = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION ?? "";
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}") as Record<string, unknown>;
const deadline = setTimeout(() => process.exit(1), DEADLINE_MS);

if (process.argv.includes("--replica")) {
  const replica = await startReplica({ origins: { conformance: { url } } });
  try {
    await drive(scenario, revision, replica.mcp, context);
  } finally {
    await replica.close();
  }
} else {
  await drive(scenario, revision, url, context);
}
clearTimeout(deadline);
