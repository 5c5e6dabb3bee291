import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../../../../scripts/serve/freePort.ts";
import { type Child, command, startChild } from "./child.ts";
import { type Counter, startCounter } from "./counter.ts";

/** A server from npm, behind a counter. */
export interface RealOrigin extends Counter {
  /** A folder of its own, empty at the start. */
  folder: string;
}

/** The protocol's reference server. It has every feature, speaks the legacy era only, and mints sessions. */
export function startEverything(): Promise<RealOrigin> {
  return inFolder(async (folder) => {
    // It would listen on every address of the machine. Of a port that is a file's name it makes a socket in its folder.
    const socketPath = path.join(folder, "origin.sock");
    const child = await startChild([command("mcp-server-everything"), "streamableHttp"], {
      cwd: folder,
      env: { PORT: "origin.sock" },
      listensAt: { path: socketPath },
    });
    return { child, place: { socketPath } };
  });
}

/** The knowledge graph in a file, `memory.jsonl`. */
export const startMemory = (bridge: Bridge): Promise<RealOrigin> =>
  inFolder((folder) =>
    bridged([command("mcp-server-memory")], folder, bridge, {
      MEMORY_FILE_PATH: path.join(folder, "memory.jsonl"),
    }),
  );

/** Reads and writes files, below its folder only. */
export const startFilesystem = (bridge: Bridge): Promise<RealOrigin> =>
  inFolder((folder) => bridged([command("mcp-server-filesystem"), folder], folder, bridge));

/** How a server that speaks stdio is put on HTTP: with a session for each legacy client, or without any. */
export type Bridge = "sessions" | "stateless";

async function bridged(args: string[], folder: string, bridge: Bridge, env: Record<string, string> = {}) {
  const port = await freePort();
  const own = ["--host", "127.0.0.1", "--port", `${port}`, "--server", "stream"];
  const stateless = bridge === "stateless" ? ["--stateless"] : [];
  const child = await startChild([command("mcp-proxy"), ...own, ...stateless, "--", process.execPath, ...args], {
    cwd: folder,
    env,
    listensAt: { host: "127.0.0.1", port },
  });
  return { child, place: { host: "127.0.0.1", port } };
}

async function inFolder(
  start: (folder: string) => Promise<{ child: Child; place: Parameters<typeof startCounter>[0] }>,
): Promise<RealOrigin> {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), "real-origin-")));
  const remove = () => rm(folder, { recursive: true, force: true });
  const started = await start(folder).catch(async (error: unknown) => {
    await remove();
    throw error;
  });
  const counter = await startCounter(started.place);
  return {
    ...counter,
    folder,
    async close() {
      await counter.close();
      await started.child.close();
      await remove();
    },
  };
}
