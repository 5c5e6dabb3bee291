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

/** A call that is queued at once, unless it says otherwise. */
function submission(own: Pick<Submission, "tool" | "args"> & Partial<Submission>): Submission {
  return {
    id: operationId(newId()),
    origin: impersonal(settings),
    eras: { modern: true, legacy: undefined },
    limits: limits!,
    principal: "anonymous",
    digest: own.args,
    idempotency: { kind: "none" },
    orderKey: null,
    ifStuck: "park",
    tags: [],
    isAwaited: false,
    otherwise: "queue",
    isAtOnce: true,
    patienceMs: 30_000,
    ...own,
  };
}

function argsOf(nth: number): string {
  return `{"id":"api.AbortController","text":"note ${nth}"}`;
}

/** The outbox, which can be filled past its door: what is in it then is what calls would have left there, one by one. */
export class Outbox extends RealOutbox {
  readonly #ledger = new SqlLedger(this.ctx.storage);

  fill(tool: string, count: number): void {
    const desk = new Desk({ ledger: this.#ledger, now: Date.now, random: Math.random });
    this.#ledger.transaction(() => {
      for (let nth = 0; nth < count; nth++) {
        const { origin: _, eras: __, args, ...facts } = submission({ tool, args: argsOf(nth) });
        const { kind } = desk.accept(facts, args);
        if (kind !== "accepted") throw new Error(kind);
      }
    });
  }
}

// The replica, and the object of its outbox past the lane: `POST /submit` takes what a call has of its own, `/fill?tool=T&count=N` puts
// so many more into the queue, and the others are what operators ask.
export default {
  async fetch(request: Request, given: Cloudflare.Env, context: ExecutionContext) {
    const { pathname, searchParams } = new URL(request.url);
    const object = given.OUTBOX.get(given.OUTBOX.idFromName(settings.id)) as unknown as Outbox;
    const body = async <T>() => (await request.json()) as T;
    switch (pathname) {
      case "/submit":
        return Response.json(await object.submit(submission(await body())));
      case "/fill":
        await object.fill(searchParams.get("tool")!, Number(searchParams.get("count")));
        return new Response();
      case "/drain":
        return Response.json(await object.drain());
      case "/status":
        return Response.json(await object.status());
    }
    return app.fetch(request, given, context);
  },
};
