/** Objects of JSON-RPC have a handful of keys: those are found faster in a list than in a set. */
const FEW = 8;

/** The keys of one object, as they are met. */
export class Keys {
  readonly #few: string[] = [];
  #many: Set<string> | undefined;

  /** Takes in a key. Whether it is new. */
  add(key: string): boolean {
    if (this.#many) return this.#many.size < this.#many.add(key).size;
    if (this.#few.includes(key)) return false;
    if (this.#few.push(key) > FEW) this.#many = new Set(this.#few);
    return true;
  }
}
