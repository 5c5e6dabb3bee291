import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const require = createRequire(import.meta.url);
const MANIFEST = require.resolve("@modelcontextprotocol/conformance/package.json");
const SUITE = path.join(path.dirname(MANIFEST), "dist/index.js");

/** The version of the suite. */
export const SUITE_VERSION = (require(MANIFEST) as { version: string }).version;

/** Runs the conformance suite in its own process. Returns what it wrote; its exit code says less than its files. */
export function runChild(args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SUITE, ...args], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const add = (part: Buffer) => void (output += part.toString());
    child.stdout.on("data", add);
    child.stderr.on("data", add);
    child.once("error", reject);
    child.once("close", () => resolve(output));
  });
}
