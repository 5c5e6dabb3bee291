import type { KeyStore } from "./KeyStore.ts";

/** A use is noted once in so many ms, by all isolates together as far as KV lets them know. */
const EVERY_MS = 3_600_000;
const REMEMBERED = 1_000;

/** Notes when keys are used, for those who look after them. KV charges for each write, and nobody needs it to the second. */
export class LastUses {
  /** By id, when this isolate last looked after it. */
  readonly #lookedAt = new Map<string, number>();

  /** That a key is used now (epoch ms). What there is to be done is done by `waitUntil`; if it fails, a later use is noted. */
  note(store: KeyStore, id: string, now: number, waitUntil: (work: Promise<unknown>) => void): void {
    const lookedAt = this.#lookedAt.get(id);
    if (lookedAt !== undefined && now - lookedAt < EVERY_MS) return;
    if (this.#lookedAt.size >= REMEMBERED) this.#lookedAt.clear();
    this.#lookedAt.set(id, now);
    waitUntil(noteAnew(store, id, now).catch(() => this.#lookedAt.delete(id)));
  }
}

async function noteAnew(store: KeyStore, id: string, now: number): Promise<void> {
  const usedAt = await store.usedAt(id);
  if (usedAt === undefined || now - usedAt >= EVERY_MS) await store.noteUse(id, now);
}
