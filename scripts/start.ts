/** `npm start`: the replica on workerd, in front of the origin to try it with, or of any other. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Access } from "../src/config/replica.ts";
import { resolve } from "../src/config/resolve.ts";
import { options, run, UsageError } from "./commandLine.ts";
import { firstSync } from "./firstSync.ts";
import { startOrigin, type Origin } from "./origin/startOrigin.ts";
import { LOCAL_URL } from "./replica/callReplica.ts";
import type { Screen } from "./replica/progress.ts";
import { readConfig } from "./serve/bundle.ts";
import { localSecrets } from "./serve/localSecrets.ts";
import { localVars } from "./serve/localVars.ts";
import { wranglerRateLimits } from "./serve/rateLimits.ts";
import { serve } from "./serve/serve.ts";
import { wanted } from "./serve/wanted.ts";

const USAGE = `npm start -- [options]
  --origin URL    put the replica in front of this MCP server (default: the origin to try it with)
  --config FILE   use this file instead of src/replica.config.ts
  --port N        listen on this port of 127.0.0.1 (default: 8787)
  --state DIR     keep KV, D1 and Durable Objects here (default: .replica)
  --fresh         drop that state first
  --quiet         do not print a line for each request, nor how far the first sync is`;

const DEFAULT_ORIGIN_PORT = 8788;

/** What is asked for on the command line. */
function asked() {
  const { values } = options({
    options: {
      origin: { type: "string" },
      config: { type: "string" },
      port: { type: "string", default: "8787" },
      state: { type: "string", default: ".replica" },
      fresh: { type: "boolean", default: false },
      quiet: { type: "boolean", default: false },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new UsageError(`--port ${values.port}: expected 0 to 65535`);
  if (values.origin !== undefined && values.config !== undefined) {
    throw new UsageError("--origin and --config exclude each other: the file names its origins itself");
  }
  return { ...values, port, state: path.resolve(values.state) };
}

await run(USAGE, async () => {
  const { origin: url, config: file, port, state, fresh, quiet } = asked();
  const own = { worker: path.join(state, "worker"), origin: path.join(state, "origin") };
  // Only what this script itself put there: the folder may be anybody's.
  if (fresh) for (const folder of Object.values(own)) rmSync(folder, { recursive: true, force: true });
  mkdirSync(state, { recursive: true });
  const config = url === undefined ? file : generatedConfig(url, state);

  const tried = config === undefined ? await startTried(own.origin) : undefined;
  const address = tried && { ORIGIN_URL: tried.url };
  try {
    // With an error here, the Worker would not start; the message is plainer than workerd's.
    const replica = resolve(await readConfig(config), { ...localVars(), ...address });
    const secrets = localSecrets(["ENTRY_SECRET", ...(replica.access.keys ? (["KEY_PEPPER"] as const) : [])]);
    const log = quiet ? "off" : "line";
    const served = await serve({
      ...(config !== undefined && { config }),
      port,
      state: own.worker,
      rateLimits: wranglerRateLimits(),
      vars: { ...secrets, ...address, REPLICA_LOG: log },
      onLine: print,
    });
    const paths = replica.defaultOrigin ? ["/mcp"] : [...replica.origins.keys()].map((id) => `/mcp/${id}`);
    announce(
      paths.map((at) => served.url + at),
      tried,
      replica.access,
    );
    let isOver = false;
    const over = interrupted().then(() => (isOver = true));
    if ([...replica.origins.values()].some(({ collections }) => collections.size > 0)) {
      const screen: Screen = quiet ? { write: () => {} } : process.stdout;
      const { url } = served;
      const synced = firstSync({ url, token: secrets["ADMIN_TOKEN"], screen, say: print, isOver: () => isOver });
      // It goes on by itself, and the replica serves meanwhile.
      const told = (error: Error) => void (isOver || print(`What is mirrored cannot be watched: ${error.message}`));
      await Promise.race([over, synced.catch(told)]);
    }
    await over;
    await served.close();
  } finally {
    await tried?.close();
  }
});
process.exit(0);

/** Prints a line in the place of how far something is, where that stands on a terminal. */
function print(line: string): void {
  console.log(process.stdout.isTTY ? `\r${line}\u001B[K` : line);
}

/** The smallest file for an origin: only what the protocol itself allows is cached. */
function generatedConfig(url: string, state: string): string {
  const file = path.join(state, "generated.config.mjs");
  const config = { origins: { origin: { url } }, access: { open: true } };
  writeFileSync(file, `export default ${JSON.stringify(config, null, 2)};\n`);
  return file;
}

async function startTried(state: string): Promise<Origin> {
  try {
    return await startOrigin({ port: DEFAULT_ORIGIN_PORT, state });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    return startOrigin({ port: 0, state });
  }
}

function announce(urls: readonly string[], tried: Origin | undefined, access: Access): void {
  if (tried) console.log(`origin ${tried.url}`);
  for (const url of urls) console.log(`ready ${url}`);
  const url = urls[0]!;
  const { origin } = new URL(url);
  const where = origin === LOCAL_URL ? "" : ` --url ${origin}`;
  const { line, option: key } = wanted(access, where) ?? { option: "" };
  if (line !== undefined) console.log(`\n${line}`);
  console.log(`
Connect a client, for instance
  Claude Code  claude mcp add --transport http replica ${url}${key}
  curl         curl -s ${url}${key} -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\
                 -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
Ctrl-C ends it.
`);
}

function interrupted(): Promise<void> {
  return new Promise((done) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      // Miniflare's own listener would end the process at once, with the origin's notes half written.
      process.removeAllListeners(signal);
      process.once(signal, () => done());
    }
  });
}
