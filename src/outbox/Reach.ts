import { digest } from "../cache/key.ts";
import { impersonal } from "../config/originAuth.ts";
import type { OriginSettings } from "../config/replica.ts";
import { OwnCalls, type OwnCallTools } from "../origin/OwnCalls.ts";
import type { SpokenEras } from "../origin/SpokenEras.ts";
import type { Ledger } from "./Ledger.ts";
import { Sealing } from "./Sealing.ts";
import type { Submission } from "./Submission.ts";

/** How the origin is reached, as those who submit have it. */
interface Setup {
  origin: OriginSettings;
  eras: SpokenEras;
}

const NAME = "setup";

/** The origin of an outbox: kept, so that an object that an alarm wakes can reach it. */
export class Reach {
  readonly #ledger: Pick<Ledger, "kept" | "keep">;
  readonly #tools: OwnCallTools;
  readonly #secret: string | undefined;
  #kept: string | undefined;
  #setup: Setup | undefined;
  #calls: { of: string; calls: OwnCalls } | undefined;
  #sealing: Sealing | undefined;

  /** `secret` is what arguments and outcomes are sealed with. */
  constructor(ledger: Pick<Ledger, "kept" | "keep">, tools: OwnCallTools, secret: string | undefined) {
    this.#ledger = ledger;
    this.#tools = tools;
    this.#secret = secret;
    this.#kept = ledger.kept(NAME);
    if (this.#kept !== undefined) this.#setup = JSON.parse(this.#kept) as Setup;
  }

  /** Takes in what a submission says of it. */
  note({ origin, eras }: Pick<Submission, "origin" | "eras">): void {
    // Who knows less of the eras than somebody before has only met the origin later.
    const known = Object.fromEntries(Object.entries(eras).filter(([, value]) => value !== undefined));
    const setup: Setup = { origin: impersonal(origin), eras: { ...this.#setup?.eras, ...known } };
    const text = JSON.stringify(setup);
    if (text === this.#kept) return;
    this.#ledger.keep(NAME, text);
    this.#kept = text;
    this.#setup = setup;
  }

  get origin(): OriginSettings | undefined {
    return this.#setup?.origin;
  }

  /** Whether it is known to speak the earlier revisions only. */
  get isLegacy(): boolean {
    return this.#setup?.eras.modern === false;
  }

  /** Those who call it; they keep what they learn of it. Only where it is known. */
  get calls(): OwnCalls {
    const { origin, eras } = this.#setup!;
    const of = JSON.stringify([origin, eras]);
    if (this.#calls?.of !== of) this.#calls = { of, calls: new OwnCalls(origin, eras, this.#tools) };
    return this.#calls.calls;
  }

  /** What seals; only where the origin is known. */
  get sealing(): Sealing {
    return (this.#sealing ??= new Sealing(this.#setup!.origin.id, this.#secret));
  }

  /** Whose session of the pool a principal's calls are made in: no two principals have one together, nor two configurations. */
  poolOf(principal: string): Promise<string> {
    return digest(JSON.stringify([this.#setup!.origin.identity, principal]));
  }
}
