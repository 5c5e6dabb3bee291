import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type NetConnectOpts } from "node:net";
import path from "node:path";
import { setTimeout } from "node:timers/promises";

/** Where npm puts the commands of the packages. */
const BIN = path.join(import.meta.dirname, "../../../../node_modules/.bin");

/** The file behind a command of an installed package. */
export const command = (name: string): string => path.join(BIN, name);

/** A server in a process of its own. */
export interface Child {
  pid: number;
  close(): Promise<void>;
}

/**
 * Starts a server with this Node and this environment, nothing inherited, so that two of them are alike. Resolves once
 * it accepts connections there.
 */
export async function startChild(
  args: readonly string[],
  { cwd, env, listensAt }: { cwd: string; env: Record<string, string>; listensAt: NetConnectOpts },
): Promise<Child> {
  const child = spawn(process.execPath, args, { cwd, env, stdio: ["ignore", "ignore", "pipe"] });
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (complaints += chunk));
  let ended = false;
  const end = once(child, "close").finally(() => (ended = true));
  // A run that is broken off leaves no servers behind.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const close = async () => {
    process.off("exit", kill);
    if (!ended) child.kill("SIGTERM");
    await end;
  };
  const deadline = Date.now() + 30_000;
  while (!(await accepts(listensAt))) {
    if (ended || Date.now() > deadline) {
      await close();
      throw new Error(`${args.join(" ")} does not listen: ${complaints}`);
    }
    await setTimeout(25);
  }
  return { pid: child.pid!, close };
}

function accepts(where: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(where);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
