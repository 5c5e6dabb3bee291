import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Secrets of the scripts that are run here. */
export const SECRETS = { KEY_PEPPER: "a pepper of the tests of scripts", ENTRY_SECRET: "s".repeat(64) };

/** A folder of the test's own. */
export function tempFolder(): string {
  return mkdtempSync(path.join(os.tmpdir(), "edge-replica-"));
}

/** A script that runs. */
export interface Running {
  child: ChildProcess;
  /** All that it has printed so far, both streams. */
  output: () => string;
  /** What of it went to standard output. */
  stdout: () => string;
  /** Waits for a line that matches; fails if the script ends first. */
  line: (pattern: RegExp) => Promise<RegExpExecArray>;
  /** Waits for the end: the exit code. */
  ended: Promise<number | null>;
}

/** Runs a script of the project on the toolchain's Node, with the working directory of a newcomer. */
export function runScript(script: string, args: string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [path.join(ROOT, script), ...args], {
    cwd: ROOT,
    // With its secrets in the environment, `npm start` writes none into `.dev.vars`.
    env: { ...process.env, CLOUDFLARE_CF_FETCH_ENABLED: "false", ...SECRETS, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  let printed = "";
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (stream === child.stdout) printed += chunk.toString();
      for (const listener of listeners) listener();
    });
  }
  const ended = once(child, "close").then(([code]) => code as number | null);
  const line = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(text);
        if (match) resolve(match);
        return match;
      };
      if (look()) return;
      listeners.add(look);
      void ended.then((code) => look() ?? reject(new Error(`ended with ${code} before ${pattern}:\n${text}`)));
    });
  return { child, output: () => text, stdout: () => printed, line, ended };
}
