import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { command } from "./child.ts";

/** It looks for its own description from the folder that it is run in. */
const FOLDER = path.join(import.meta.dirname, "../../../../node_modules/@modelcontextprotocol/inspector-cli/build");

/** What the Inspector prints about a server. Each run is a client, and where the origin has sessions a session, of its own. */
export async function inspect(url: string, method: string, ...args: string[]): Promise<Record<string, any>> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [command("mcp-inspector-cli"), "--cli", url, "--transport", "http", "--method", method, ...args],
    // It runs a second program by the name of `node`: this one.
    { cwd: FOLDER, env: { PATH: path.dirname(process.execPath) } },
  );
  return JSON.parse(stdout) as Record<string, any>;
}
