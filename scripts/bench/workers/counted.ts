import { env } from "cloudflare:workers";
import { resolve } from "../../../src/config/resolve.ts";
import { createApp } from "../../../src/http/app.ts";
import { Coalescer as RealCoalescer } from "../../../src/origin/Coalescer.ts";
import { OriginSync as RealOriginSync } from "../../../src/sync/OriginSync.ts";
import { NONE, type Operations } from "../operations.ts";

// The Worker and its objects are one isolate here, so that one count serves all.
let counts: Operations = { ...NONE };

/** A binding that counts the calls of some of its methods. */
function counting<T extends object>(binding: T, counted: Readonly<Record<string, () => void>>): T {
  return new Proxy(binding, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        counted[name as string]?.();
        return (value as (...args: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}

/** Objects whose calls are counted. */
function countingObjects<T extends Rpc.DurableObjectBranded | undefined>(
  objects: DurableObjectNamespace<T>,
  count: () => void,
): DurableObjectNamespace<T> {
  return new Proxy(objects, {
    get(target, name) {
      const value = Reflect.get(target, name) as (...args: unknown[]) => object;
      if (name !== "get") return value.bind(target);
      return (...args: unknown[]) => {
        const stub = value.apply(target, args);
        return new Proxy(stub, {
          get: (of, method) => {
            const call = Reflect.get(of, method) as (...args: unknown[]) => unknown;
            return (...given: unknown[]) => {
              count();
              return Reflect.apply(call, of, given);
            };
          },
        });
      };
    },
  });
}

function countingEnv(bindings: Cloudflare.Env): Cloudflare.Env {
  return {
    ...bindings,
    KV: counting(bindings.KV, {
      get: () => counts.kvReads++,
      put: () => counts.kvWrites++,
      delete: () => counts.kvWrites++,
      list: () => counts.kvWrites++,
    }),
    COALESCER: countingObjects(bindings.COALESCER, () => counts.objectRequests++),
    ORIGIN_SYNC: countingObjects(bindings.ORIGIN_SYNC, () => {
      counts.objectRequests++;
      counts.syncRequests++;
    }),
  };
}

/** Counts the rows that an object writes. */
function countRows({ storage }: DurableObjectState): void {
  const { sql } = storage;
  const exec = sql.exec.bind(sql);
  sql.exec = ((query: string, ...bindings: SqlStorageValue[]) => {
    const cursor = exec(query, ...bindings);
    counts.rowsWritten += cursor.rowsWritten;
    return cursor;
  }) as typeof sql.exec;
  const setAlarm = storage.setAlarm.bind(storage);
  storage.setAlarm = (...args: Parameters<typeof setAlarm>) => {
    counts.rowsWritten++;
    return setAlarm(...args);
  };
}

export class Coalescer extends RealCoalescer {
  constructor(context: DurableObjectState, bindings: Cloudflare.Env) {
    super(context, countingEnv(bindings));
  }
}

export class OriginSync extends RealOriginSync {
  constructor(context: DurableObjectState, bindings: Cloudflare.Env) {
    countRows(context);
    super(context, countingEnv(bindings));
  }

  override async alarm(): Promise<void> {
    counts.objectRequests++;
    await super.alarm();
  }
}

const bindings = env as unknown as Record<string, unknown>;
const isolate = () => createApp(resolve(JSON.parse(String(bindings["CONFIG"])), bindings), () => {});
let app = isolate();

// The replica, with an eye on what it is charged for: `/counts` says, and begins to count anew; `/anew` is as if another
// isolate answered from now on.
export default {
  fetch(request: Request, given: Cloudflare.Env, context: ExecutionContext) {
    const { pathname } = new URL(request.url);
    if (pathname === "/anew") {
      app = isolate();
      return new Response();
    }
    if (pathname !== "/counts") return app.fetch(request, countingEnv(given), context);
    const told = counts;
    counts = { ...NONE };
    return Response.json(told);
  },
};
