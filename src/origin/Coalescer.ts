import { DurableObject } from "cloudflare:workers";
import { KvStore } from "../cache/KvStore.ts";
import { consoleReporter } from "../telemetry/consoleReporter.ts";
import { reasonOf } from "../telemetry/events.ts";
import { Flights, type Boarding, type Landing } from "./Flights.ts";
import { Gate } from "./Gate.ts";
import { land, type FillRequest } from "./land.ts";

/** The objects that share an origin's keys. Each may have as many calls open at once as a Worker may have connections. */
const SHARDS = 4;

/** The name of the object for a key. */
export function coalescerName(originId: string, key: string): string {
  return `${originId}:${Number.parseInt(key[0]!, 16) % SHARDS}`;
}

/** The names of all of an origin's objects. */
export function coalescerNames(originId: string): string[] {
  return Array.from({ length: SHARDS }, (_, shard) => `${originId}:${shard}`);
}

/**
 * One flight per key: however many isolates ask, the origin is called once, and sees a bounded number of calls at a
 * time. Keeps nothing durable; if it is lost, so are only the minutes that it remembered.
 */
export class Coalescer extends DurableObject<Cloudflare.Env> {
  readonly #flights = new Flights({ now: Date.now, random: Math.random });
  #gate: Gate | undefined;

  /** Answers a fill, from a flight of this key where there is one. */
  async fill(request: FillRequest): Promise<Boarding> {
    return this.#flights.board(request.key, request.again, () => this.#launch(request), request.method);
  }

  /** Lets nobody have what was brought for a method before now. */
  async forget(method: string): Promise<void> {
    this.#flights.forget(method);
  }

  async #launch(request: FillRequest): Promise<Landing> {
    const { origin } = request;
    this.#gate ??= new Gate(Math.max(1, Math.ceil(origin.concurrency / SHARDS)));
    const landing = await this.#gate.run(() => this.#land(request), origin.firstByteMs);
    return landing ?? { kind: "failed", failure: { kind: "busy", retryAfterMs: origin.firstByteMs }, retryAfterMs: 0 };
  }

  #land(request: FillRequest): Promise<Landing> {
    const kv = new KvStore(this.env.KV);
    const report = consoleReporter(this.env.REPLICA_LOG);
    const attempt = (operation: "put" | "delete" | "purge", work: Promise<void>) =>
      this.ctx.waitUntil(work.catch((error) => report({ type: "store-failed", operation, reason: reasonOf(error) })));
    return land(request, {
      bindings: this.env as unknown as Record<string, unknown>,
      now: Date.now,
      random: Math.random,
      save: (address, entry, replaced) => {
        attempt("put", kv.put(address, entry));
        if (replaced.address) attempt("delete", kv.delete(replaced.address));
        if (replaced.publicPages) attempt("purge", kv.purge(address.originId, address.method, "public"));
      },
    });
  }
}
