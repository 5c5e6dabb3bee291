import { HttpConnection } from "./HttpConnection.ts";

/** What came of a load. */
export interface Loaded {
  /** Of each call, in µs. */
  latencies: number[];
  /** From the first call to the last answer, in ms. */
  durationMs: number;
}

/** The bytes of a request: the same for all calls, or of the next one. */
export type Request = Buffer | (() => Buffer);

/** Sends requests over some connections for a while; on each, one call after the other. */
export async function load(url: string, request: Request, connections: number, ms: number): Promise<Loaded> {
  const next = typeof request === "function" ? request : () => request;
  const open = await Promise.all(Array.from({ length: connections }, () => HttpConnection.open(url)));
  const latencies: number[] = [];
  const begun = performance.now();
  const end = begun + ms;
  await Promise.all(
    open.map(async (connection) => {
      for (let at = performance.now(); at < end;) {
        await connection.exchange(next());
        const now = performance.now();
        latencies.push((now - at) * 1_000);
        at = now;
      }
    }),
  );
  const durationMs = performance.now() - begun;
  for (const connection of open) connection.close();
  return { latencies, durationMs };
}
