import { createServer } from "node:net";

/** Below the ports that systems give to connections that go out: one of those may be taken the moment after it was found free. */
const FIRST = 10_000;
const LAST = 32_000;
const TRIES = 50;

/** A port on 127.0.0.1 at which nothing listens: the one that is asked for, else any. */
export async function freePort(wanted = 0): Promise<number> {
  if (wanted > 0) {
    if (await isFree(wanted)) return wanted;
    throw new Error(`Port ${wanted} of 127.0.0.1 is taken: choose another.`);
  }
  for (let tries = 0; tries < TRIES; tries++) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (await isFree(port)) return port;
  }
  throw new Error("No free port was found on 127.0.0.1.");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(false) : reject(error),
    );
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
