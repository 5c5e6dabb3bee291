import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { fileURLToPath } from "node:url";
import { bundle } from "../serve/bundle.ts";
import { COMPATIBILITY } from "../serve/compatibility.ts";
import { newSecret } from "../serve/serve.ts";
import { freePort } from "../serve/freePort.ts";

/** A Worker that is being served, in a workerd process of its own. */
export interface Started {
  /** Without a path. */
  url: string;
  close(): Promise<void>;
}

/** The Durable Objects of those that have any. */
const OBJECTS: Readonly<Record<string, Record<string, { className: string; useSQLite: boolean }>>> = {
  steps: { ECHO: { className: "Echo", useSQLite: true } },
  withoutKv: { COALESCER: { className: "Coalescer", useSQLite: true } },
  counted: {
    COALESCER: { className: "Coalescer", useSQLite: true },
    ORIGIN_SYNC: { className: "OriginSync", useSQLite: true },
  },
  outbox: {
    COALESCER: { className: "Coalescer", useSQLite: true },
    ORIGIN_SYNC: { className: "OriginSync", useSQLite: true },
    MIRROR_SYNC: { className: "MirrorSync", useSQLite: true },
    OUTBOX: { className: "Outbox", useSQLite: true },
  },
};

/** As much as a binding can let pass: what is measured is the asking. */
const UNBOUNDED = { limit: 1_000_000_000, period: 60 } as const;

/**
 * Bundles a Worker of `workers/` and serves it with a direct socket. All have a KV and a D1, used or not; `limiters` are the names of
 * rate-limit bindings that let everything pass.
 */
export async function startWorker(
  name: string,
  vars: Readonly<Record<string, string>> = {},
  limiters: readonly string[] = [],
): Promise<Started> {
  const port = await freePort();
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: 0,
      log: new Log(LogLevel.ERROR),
      workers: [
        {
          name,
          modules: [
            {
              type: "ESModule" as const,
              path: "index.js",
              contents: await bundle(fileURLToPath(new URL(`workers/${name}.ts`, import.meta.url))),
            },
          ],
          ...COMPATIBILITY,
          bindings: { ENTRY_SECRET: newSecret(), ...vars },
          kvNamespaces: { KV: "KV" },
          ratelimits: Object.fromEntries(limiters.map((one) => [one, { namespace_id: one, simple: UNBOUNDED }])),
          d1Databases: { DB: "DB" },
          durableObjects: OBJECTS[name] ?? {},
          unsafeDirectSockets: [{ host: "127.0.0.1", port }],
        },
      ],
    }),
  );
  await miniflare.ready;
  return { url: `http://127.0.0.1:${port}`, close: () => miniflare.dispose() };
}
