import { env } from "cloudflare:workers";
import { impersonal } from "../../../src/config/originAuth.ts";
import { resolve } from "../../../src/config/resolve.ts";
import { createApp } from "../../../src/http/app.ts";
import { Desk } from "../../../src/outbox/Desk.ts";
import { operationId } from "../../../src/outbox/operationId.ts";
import { Outbox as RealOutbox } from "../../../src/outbox/Outbox.ts";
import { SqlLedger } from "../../../src/outbox/SqlLedger.ts";
import type { Submission } from "../../../src/outbox/Submission.ts";
import { newId } from "../../../src/telemetry/newId.ts";

export { MirrorSync } from "../../../src/mirror/MirrorSync.ts";
export { Coalescer } from "../../../src/origin/Coalescer.ts";
export { OriginSync } from "../../../src/sync/OriginSync.ts";

const bindings = env as unknown as Record<string, unknown>;
const replica = resolve(JSON.parse(String(bindings["CONFIG"])), bindings);
const app = createApp(replica, () => {});
const { settings, outbox: limits } = replica.origins.get("bench")!;

/** A call that is queued at once. */
function submission(tool: string, nth: number): Submission {
  return {
    id: operationId(newId()),
    origin: impersonal(settings),
    eras: { modern: true, legacy: undefined },
    limits: limits!,
    principal: "anonymous",
    tool,
    args: `{"id":"api.AbortController","text":"note ${nth}"}`,
    digest: newId(),
    idempotency: { kind: "none" },
    orderKey: null,
    ifStuck: "park",
    tags: [],
    isAwaited: false,
    otherwise: "queue",
    isAtOnce: true,
    patienceMs: 30_000,
  };
}

/** The outbox, which can be filled past its door: what is in it then is what calls would have left there, one by one. */
export class Outbox extends RealOutbox {
  readonly #ledger = new SqlLedger(this.ctx.storage);

  fill(tool: string, count: number): void {
    const desk = new Desk({ ledger: this.#ledger, now: Date.now, random: Math.random });
    this.#ledger.transaction(() => {
      for (let nth = 0; nth < count; nth++) {
        const { origin: _, eras: __, args, ...facts } = submission(tool, nth);
        const { kind } = desk.accept(facts, args);
        if (kind !== "accepted") throw new Error(kind);
      }
    });
  }
}

// The replica with its outbox: `/submit?tool=T` queues a call, `/fill?tool=T&count=N` puts so many more into the queue, `/drain`
// has them looked at, and `/status` says how the outbox stands.
export default {
  async fetch(request: Request, given: Cloudflare.Env, context: ExecutionContext) {
    const { pathname, searchParams } = new URL(request.url);
    const object = given.OUTBOX.get(given.OUTBOX.idFromName(settings.id)) as unknown as Outbox;
    const tool = searchParams.get("tool") ?? "";
    switch (pathname) {
      case "/submit":
        return Response.json(await object.submit(submission(tool, 0)));
      case "/fill":
        await object.fill(tool, Number(searchParams.get("count")));
        return new Response();
      case "/drain":
        return Response.json(await object.drain());
      case "/status":
        return Response.json(await object.status());
    }
    return app.fetch(request, given, context);
  },
};
