import { DurableObject } from "cloudflare:workers";
import { KvStore } from "../cache/KvStore.ts";
import { vaultFor } from "../cache/Vault.ts";
import { consoleReporter } from "../telemetry/consoleReporter.ts";
import { reasonOf } from "../telemetry/events.ts";
import { charge } from "./charge.ts";
import type { OriginFailure } from "./failure.ts";
import { Flights, type Boarding, type Tower } from "./Flights.ts";
import { Gate } from "./Gate.ts";
import { land, type FillRequest } from "./land.ts";
import type { Landing, Saving } from "./Landing.ts";
import { poolIn } from "./poolIn.ts";
import { SessionSource } from "./SessionSource.ts";
import { RetryBudget } from "./RetryBudget.ts";
import { roomIn } from "./shards.ts";

/** Of an object's 128 MB, what answers may take that are being read. One that finds no room is streamed past. */
const READING_BYTES = 32 * 1_048_576;

/**
 * One flight per key: however many isolates ask, the origin is called once, and sees a bounded number of calls at a
 * time. Keeps nothing durable; if it is lost, so are only the minutes that it remembered.
 */
export class Coalescer extends DurableObject<Cloudflare.Env> {
  readonly #flights = new Flights({
    now: Date.now,
    random: Math.random,
    kept: ({ saving }) => saving && this.#save(saving),
  });
  readonly #sessions = new SessionSource();
  readonly #retries = new RetryBudget();
  #gate: Gate | undefined;
  readonly #room = { left: READING_BYTES };

  /** Answers a fill, from a flight of this key where there is one. */
  async fill(request: FillRequest): Promise<Boarding> {
    const launch = (tower: Tower) => this.#launch(request, tower);
    const { key, again, era, method: group, ticket, known, newerThan, toll } = request;
    const passenger = {
      key,
      again,
      era,
      group,
      ...(ticket && { ticket }),
      ...(toll && { payer: toll.key }),
      ...(known && { known }),
      ...(newerThan !== undefined && { newerThan }),
    };
    const boarding = await this.#flights.board(passenger, launch);
    if (boarding.kind !== "entry") return boarding;
    const { saving: _, ...told } = boarding;
    return told;
  }

  /** One who asked for a fill waits no more. */
  async leave(key: string, ticket: string): Promise<void> {
    this.#flights.leave(key, ticket);
  }

  /** Lets nobody have what was brought for a method before now. */
  async forget(method: string): Promise<void> {
    this.#flights.forget(method);
  }

  async #launch(request: FillRequest, { begin, abandoned }: Tower): Promise<Landing> {
    const { origin, key, toll, isExpensive = false } = request;
    this.#gate ??= new Gate(roomIn(origin, key));
    const bindings = this.env as unknown as Record<string, unknown>;
    const shed = () => failed({ kind: "shed", retryAfterMs: origin.firstByteMs });
    if (isExpensive && this.#gate.isFull) return shed();
    // Of all who wait for a call, the one who makes it pays.
    const limited = toll && (await charge(bindings, toll, consoleReporter(this.env.REPLICA_LOG)));
    if (limited) return failed(limited);
    // What is expensive does not wait: while others do, none of it is let through.
    const waitMs = isExpensive ? 0 : origin.firstByteMs;
    const landing = await this.#gate.run(() => {
      begin();
      return land(request, {
        bindings,
        now: Date.now,
        random: Math.random,
        abandoned,
        room: this.#room,
        retries: this.#retries,
        pool: (asked) => this.#sessions.find(asked, poolIn(this.env), Date.now()),
        waitUntil: (work) => this.ctx.waitUntil(work),
      });
    }, waitMs);
    if (landing) return landing;
    return isExpensive ? shed() : failed({ kind: "busy", retryAfterMs: origin.firstByteMs });
  }

  #save({ address, entry, replaced, demotes }: Saving): void {
    const kv = new KvStore(this.env.KV, vaultFor(this.env.ENTRY_SECRET));
    const report = consoleReporter(this.env.REPLICA_LOG);
    const attempt = (operation: "put" | "delete" | "purge", work: Promise<void>) =>
      this.ctx.waitUntil(work.catch((error) => report({ type: "store-failed", operation, reason: reasonOf(error) })));
    // After the answer has left: the write is in nobody's way then.
    attempt(
      "put",
      scheduler.wait(0).then(() => kv.put(address, entry)),
    );
    if (replaced) attempt("delete", kv.delete(replaced));
    if (demotes) attempt("purge", kv.purge(address.originId, address.method, "public"));
  }
}

function failed(failure: OriginFailure): Landing {
  return { kind: "failed", failure, retryAfterMs: 0 };
}
