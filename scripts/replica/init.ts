import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { resolve } from "../../src/config/resolve.ts";
import { options, UsageError } from "../commandLine.ts";
import { configFile } from "./configFile.ts";
import { propose, type ListedTool } from "./propose.ts";

/** `replica init URL`: connects to a server, and prints a config file with a policy proposed for each of its tools. */
export async function init(args: string[]): Promise<void> {
  const { values, positionals } = options({ args, allowPositionals: true, options: { write: { type: "string" } } });
  const [url, ...more] = positionals;
  if (url === undefined || more.length > 0 || !URL.canParse(url))
    throw new UsageError("Name one URL of an MCP server.");
  const { name, tools } = await listed(url);
  const id = idOf(name ?? new URL(url).hostname);
  const proposals = tools.map((tool) =>
    // In the file a star makes a pattern, so such a name cannot be written there.
    tool.name.includes("*") ? { tool: tool.name, cache: undefined, reason: "its name contains *" } : propose(tool),
  );
  const cached = proposals.filter(({ cache }) => cache);
  // The file has to be one that the Worker takes; the URL is what may be wrong with it.
  const policies = Object.fromEntries(cached.map(({ tool, cache }) => [tool, { cache }]));
  resolve({ origins: { [id]: { url, tools: policies } }, access: { open: true } });
  const text = configFile({ id, url, proposals });
  if (values.write === undefined) {
    process.stdout.write(text);
    return;
  }
  if (existsSync(values.write)) {
    renameSync(values.write, `${values.write}.old`);
    console.error(`kept the old file as ${values.write}.old`);
  }
  writeFileSync(values.write, text);
  console.error(`wrote ${values.write}: ${cached.length} of ${tools.length} tools cached; read the reasons in it`);
}

/** The server's name and tools. */
async function listed(url: string): Promise<{ name: string | undefined; tools: ListedTool[] }> {
  const client = new Client(
    { name: "mcp-edge-replica-init", version: "0.1.0" },
    { versionNegotiation: { mode: "auto" } },
  );
  try {
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    const { tools } = client.getServerCapabilities()?.tools ? await client.listTools() : { tools: [] };
    return { name: client.getServerVersion()?.name, tools };
  } catch (error) {
    throw new Error(`Cannot list the tools of ${url}: ${(error as Error).message}`, { cause: error });
  } finally {
    await client.close();
  }
}

/** An origin id (`[a-z][a-z0-9-]*`) out of a name. */
function idOf(name: string): string {
  const id = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+|-+$/g, "")
    .slice(0, 40);
  return id || "origin";
}
