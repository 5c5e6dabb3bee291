import { secretProblem, Vault } from "../cache/Vault.ts";
import type { Payload, StoredOutcome } from "./Ledger.ts";
import type { Operation, OperationOutcome } from "./Operation.ts";

/** What is bound to the keys, so that no other use of the secret has the same ones. */
const PURPOSE = "edge-replica/outbox";

/** Whose it is, and of which operation. */
type Owner = Pick<Operation, "id" | "principal">;

/**
 * Seals what callers send and what they are answered, for as long as it is kept: under a key of the principal's own, and for
 * that operation alone. Without a secret that can be used it stays as it is.
 */
export class Sealing {
  readonly #originId: string;
  readonly #vault: Vault | undefined;

  constructor(originId: string, secret: string | undefined) {
    this.#originId = originId;
    if (secret !== undefined && secretProblem(secret) === undefined) this.#vault = new Vault(secret, PURPOSE);
  }

  /** The arguments, as they are to be kept. */
  async sealArguments(owner: Owner, args: string): Promise<Payload> {
    return this.#vault ? this.#vault.seal(this.#partOf(owner), `arguments ${owner.id}`, args) : args;
  }

  /** The arguments in what was kept; `undefined` where it does not open any more. */
  async openArguments(owner: Owner, kept: Payload): Promise<string | undefined> {
    return this.#open(owner, `arguments ${owner.id}`, kept);
  }

  /** The outcome, as it is to be kept; `undefined`: as it is. */
  async sealOutcome(owner: Owner, outcome: OperationOutcome): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#vault?.seal(this.#partOf(owner), `outcome ${owner.id}`, JSON.stringify(outcome));
  }

  /** The outcome in what was kept; `undefined` where it does not open any more. */
  async openOutcome(owner: Owner, kept: StoredOutcome): Promise<OperationOutcome | undefined> {
    if (!(kept instanceof Uint8Array)) return kept;
    const text = await this.#open(owner, `outcome ${owner.id}`, kept);
    return text === undefined ? undefined : (JSON.parse(text) as OperationOutcome);
  }

  async #open(owner: Owner, name: string, kept: Payload): Promise<string | undefined> {
    if (typeof kept === "string") return kept;
    const whole = kept.byteLength === kept.buffer.byteLength ? kept.buffer : kept.slice().buffer;
    return this.#vault?.open(this.#partOf(owner), name, whole);
  }

  #partOf({ principal }: Owner) {
    return { originId: this.#originId, partition: { scope: "private" as const, principal } };
  }
}
