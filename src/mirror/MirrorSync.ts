import { DurableObject } from "cloudflare:workers";
import { digest } from "../cache/key.ts";
import { originSync } from "../origin/originSync.ts";
import { Alarm } from "../sync/Alarm.ts";
import { consoleReporter } from "../telemetry/consoleReporter.ts";
import { reasonOf } from "../telemetry/events.ts";
import { inputSchemasOf } from "./inputSchemasOf.ts";
import { Keeper } from "./Keeper.ts";
import { mirrorName } from "./mirrorName.ts";
import type { MirrorSetup } from "./MirrorSetup.ts";
import type { MirrorStatus } from "./MirrorStatus.ts";
import { MirrorStore } from "./MirrorStore.ts";
import { retireOthers } from "./retireOthers.ts";
import { sourceOf } from "./sourceOf.ts";
import { sourceToolsIn } from "./SourceTools.ts";
import { urisIn } from "./urisIn.ts";
import type { Verdict } from "./Verified.ts";

/**
 * Keeps one collection, as it is defined, in step with its origin: pulls it into D1, asks for single rows again when there is
 * news of them, and counts how its answers compare. Nobody else writes what it has in D1.
 */
export class MirrorSync extends DurableObject<Cloudflare.Env> {
  readonly #report = consoleReporter(this.env.REPLICA_LOG);
  readonly #failed = (error: unknown) => this.#report({ type: "duty-failed", reason: reasonOf(error) });
  readonly #sourceTools = sourceToolsIn(this.env, (work) => this.ctx.waitUntil(work));
  readonly #keeper = new Keeper({
    storage: this.ctx.storage,
    storeOf: (name, { collection }) => new MirrorStore(this.env.DB, name, collection),
    sourceOf: (setup) => sourceOf(setup, this.#sourceTools),
    schemasOf: async (setup) => {
      const found = await inputSchemasOf(setup, this.#sourceTools);
      return "json" in found ? { ...found, hash: await digest(found.json) } : found;
    },
    urisOf: (name, most) => urisIn(this.env.DB, name).some(most),
    uriOf: (name, key) => urisIn(this.env.DB, name).of(key),
    tell: (word) => originSync(this.env, word.origin).mirror(word),
    retireOthers: (name, setup) => retireOthers(this.env, name, setup),
    arm: () => this.#alarm.arm(),
    now: Date.now,
    random: Math.random,
    report: this.#report,
  });
  readonly #alarm = new Alarm(this.ctx.storage, [this.#keeper], Date.now, this.#failed);

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    // Whatever ended the object before, what is due is done.
    void ctx.blockConcurrencyWhile(() => this.#alarm.arm());
  }

  /**
   * Says that the collection is wanted, and as what: it is pulled at once where it never was, and from then on as often as it
   * says. `isMissed`: nothing of it was found in D1, where it ought to be.
   */
  async wake(setup: MirrorSetup, isMissed = false): Promise<void> {
    await this.#keeper.wake(await mirrorName(setup.origin, setup.collection), setup, isMissed);
  }

  /** Pulls it now: it has begun when this resolves, unless the origin cannot be asked. How it stands; `null` where nobody has woken it. */
  async pull(): Promise<MirrorStatus | null> {
    await this.#keeper.pullNow();
    return this.status();
  }

  /** The origin's feed has news that concerns it. */
  async changed(): Promise<void> {
    await this.#keeper.changed();
  }

  /** Takes in how answers from it compare with the origin's. */
  async verified(verdicts: readonly Verdict[]): Promise<void> {
    await this.#keeper.verified(verdicts);
  }

  /** Another definition of the collection has taken its place: where nobody wants this one any more, nothing of it is left. */
  async retire(): Promise<void> {
    await this.#keeper.retire();
  }

  /** How it stands; `null` where nobody has woken it. */
  async status(): Promise<MirrorStatus | null> {
    return this.#keeper.status() ?? null;
  }

  /** Does what is due. */
  override async alarm(): Promise<void> {
    this.#keeper.alarmed();
    await this.#alarm.goOff();
  }
}
