import { S3Fifo } from "../cache/S3Fifo.ts";
import type { PooledSession, PoolReply, PoolRequest } from "./PooledSession.ts";

/** For so long a session is gone by without asking whether it goes on: it is closed long after. */
const REMEMBER_MS = 30_000;
const REMEMBERED = 10_000;

/** The pooled sessions as one place knows them. Those that were asked for lately are remembered. */
export class SessionSource {
  readonly #known = new S3Fifo<{ session: PooledSession; readAt: number }>(REMEMBERED);

  /** The session that goes on for the request; `ask` asks the pool, `now` is epoch ms. */
  async find(request: PoolRequest, ask: (request: PoolRequest) => Promise<PoolReply>, now: number): Promise<PoolReply> {
    const key = `${request.origin.id} ${request.name}`;
    const known = this.#known.get(key);
    const isOver = request.over !== undefined && request.over.serial === known?.session.serial;
    if (known && !isOver && now - known.readAt < REMEMBER_MS) return { session: known.session };
    const reply = await ask(request);
    if ("session" in reply) this.#known.set(key, { session: reply.session, readAt: now }, 1);
    return reply;
  }
}
