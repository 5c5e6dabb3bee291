import { ORIGIN_TAG } from "../cache/implicitTags.ts";
import { writtenTags } from "../cache/tags.ts";
import { policyOf } from "../config/policy.ts";
import type { WriteRule } from "../config/replica.ts";
import { isObject } from "../mcp/isObject.ts";
import type { AnnounceReply } from "../sync/Pulse.ts";
import { newId } from "../telemetry/newId.ts";
import { bump } from "./bump.ts";
import type { Exchange } from "./Exchange.ts";
import type { Outcome } from "./outcomeOf.ts";
import { tune } from "./tune.ts";

/** A write lapses that long after the origin's timeout, unless more is heard of it. */
const LAPSE_MS = 30_000;
/** While it goes on, that is said this often. */
const RENEW_MS = 20_000;
/** How long a caller waits for each thing that is said of a write. */
const PATIENCE_MS = 2_000;
/** What is waited before each try to say that it has ended. Then it lapses. */
const TRIES_MS = [0, 50, 250];

/** What the request changes at the origin, where it is the call of a tool that writes. */
export function writeOf(x: Exchange): Write | undefined {
  if (!x.origin.hasWrites || x.httpMethod !== "POST") return undefined;
  const { method, params } = isObject(x.body) ? x.body : {};
  if (method !== "tools/call" || !isObject(params)) return undefined;
  const { name, arguments: args } = params;
  const policy = policyOf(x.origin, method, String(name));
  if (policy.kind !== "write") return undefined;
  // Which tags the origin reads in a number that is not held as written, nobody can tell.
  return new Write(x, policy.write, x.scan.exact ? writtenTags(policy.write.invalidates, args) : [ORIGIN_TAG]);
}

/**
 * A write that is relayed: announced to the origin's `OriginSync` before it is sent, and until its end is known. Then its
 * tags are invalidated, before its caller hears of it. One of which nobody knows the end is left to lapse.
 */
export class Write {
  readonly #x: Exchange;
  readonly #isAwaited: boolean;
  readonly #id = newId();
  readonly #tags: readonly string[];
  #renewing: ReturnType<typeof setInterval> | null = null;
  #renewal: Promise<unknown> | undefined;
  #ending: Promise<void> | undefined;

  constructor(x: Exchange, { isAwaited }: Pick<WriteRule, "isAwaited">, tags: readonly string[]) {
    this.#x = x;
    this.#isAwaited = isAwaited;
    this.#tags = tags;
  }

  /** Announces it. Whether it may be sent: not behind the back of those who must not be answered with what it changes. */
  async announce(): Promise<boolean> {
    const reply = await this.#announce();
    const mayGo = reply?.isAnnounced === true || !this.#isAwaited || !this.#x.replica.enabled;
    if (mayGo) this.#renewing = setInterval(() => this.#x.waitUntil((this.#renewal = this.#announce())), RENEW_MS);
    // It may have been announced all the same.
    else this.#x.waitUntil(this.end("not-applied"));
    return mayGo;
  }

  /** The write is over, as far as anybody knows. Resolves when nobody can be answered any more as if it were not. */
  end(outcome: Outcome): Promise<void> {
    return (this.#ending ??= this.#end(outcome));
  }

  /** Resolves when all that is known of its end has been told; at once where nothing is. */
  get ending(): Promise<void> | undefined {
    return this.#ending;
  }

  async #end(outcome: Outcome): Promise<void> {
    clearInterval(this.#renewing);
    if (outcome === "unknown") return;
    // One that came after the end would announce it anew.
    await this.#renewal;
    const conclusion = { id: this.#id, tags: this.#tags, isApplied: outcome === "applied" };
    for (const waitMs of TRIES_MS) {
      if (waitMs > 0) await scheduler.wait(waitMs);
      const told = await tune(
        this.#x,
        "conclude",
        (object, { seq, feedId }) => object.conclude(conclusion, { seq, feedId }),
        PATIENCE_MS,
      );
      if (told) return;
    }
    // Strict callers go on asking the origin until it lapses; the others are told when somebody can be.
    if (conclusion.isApplied) bump(this.#x, this.#tags);
  }

  #announce(): Promise<AnnounceReply | undefined> {
    const lapseMs = this.#x.origin.settings.totalMs + LAPSE_MS;
    const announcement = { id: this.#id, tags: this.#tags, lapseMs };
    return tune(
      this.#x,
      "announce",
      (object, { seq, feedId }) => object.announce(announcement, { seq, feedId }),
      PATIENCE_MS,
    );
  }
}
