import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { until } from "./wire.ts";

/** A server in a process that can be killed, and started again where it was. */
export interface Killable {
  start(): Promise<void>;
  /** Ends it, and what it has started, without letting it finish anything. */
  kill(): Promise<void>;
}

/** A script of the project, with these arguments, and these more in its environment: it is there when `isThere` says so. */
export function killable(
  args: readonly string[],
  isThere: () => Promise<boolean>,
  env: Readonly<Record<string, string>> = {},
): Killable {
  let running: { pid: number; ended: Promise<unknown> } | undefined;
  return {
    async start() {
      const child = spawn(process.execPath, args, { stdio: "ignore", env: { ...process.env, ...env } });
      const ended = once(child, "close");
      running = { pid: child.pid!, ended };
      // A run that is broken off leaves no servers behind.
      const kill = () => child.kill("SIGKILL");
      process.once("exit", kill);
      void ended.then(() => process.off("exit", kill));
      await until(() => isThere().catch(() => false), Boolean, 30_000);
    },
    async kill() {
      if (!running) return;
      const { pid, ended } = running;
      running = undefined;
      // The children first: nobody would know of them later.
      for (const one of [...childrenOf(pid), pid]) process.kill(one, "SIGKILL");
      await ended;
    },
  };
}

function childrenOf(pid: number): number[] {
  const own = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim().split(" "),
  );
  return own.map(Number).filter((child) => child > 0);
}
