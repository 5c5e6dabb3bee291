/** A node of a queue. It is in at most one queue at a time. */
interface Node<V> {
  key: string;
  value: V;
  size: number;
  /** Uses since it entered its queue, at most 3. */
  uses: number;
  main: boolean;
  next: Node<V> | undefined;
  previous: Node<V> | undefined;
}

/** Longer keys are forgotten as soon as they fall out. */
const MAX_GHOST_LENGTH = 1_024;

/**
 * A map bounded by size that a scan cannot empty: S3-FIFO (Yang et al., SOSP 2023). New entries pass through a small
 * queue, and only those used again reach the main one; keys that fell out lately are remembered, and go to the main
 * queue at once when they return. Every operation is constant time, whatever the number of entries.
 */
export class S3Fifo<V> {
  readonly #capacity: number;
  readonly #nodes = new Map<string, Node<V>>();
  readonly #small = new Queue<V>();
  readonly #main = new Queue<V>();
  // Two generations of remembered keys: the older is dropped whole, so that forgetting costs nothing.
  #ghosts = new Set<string>();
  #olderGhosts = new Set<string>();

  /** `capacity` is the sum of sizes that is kept; an entry larger than a tenth of it is not. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The number of entries. */
  get count(): number {
    return this.#nodes.size;
  }

  /** The sum of the sizes of all entries. */
  get size(): number {
    return this.#small.size + this.#main.size;
  }

  get(key: string): V | undefined {
    const node = this.#nodes.get(key);
    if (!node) return undefined;
    if (node.uses < 3) node.uses++;
    return node.value;
  }

  set(key: string, value: V, size: number): void {
    const old = this.#nodes.get(key);
    if (old) this.#remove(old);
    if (size > this.#capacity / 10) return;
    const returning = old ? old.main : this.#ghosts.has(key) || this.#olderGhosts.has(key);
    const node: Node<V> = {
      key,
      value,
      size,
      uses: old?.uses ?? 0,
      main: returning,
      next: undefined,
      previous: undefined,
    };
    this.#nodes.set(key, node);
    (returning ? this.#main : this.#small).push(node);
    while (this.size > this.#capacity) this.#evict();
  }

  delete(key: string): void {
    const node = this.#nodes.get(key);
    if (node) this.#remove(node);
  }

  *keys(): Generator<string> {
    yield* this.#nodes.keys();
  }

  #evict(): void {
    if (this.#small.size > this.#capacity / 10 || this.#main.size === 0) {
      const node = this.#small.shift()!;
      if (node.uses > 0) {
        node.uses = 0;
        node.main = true;
        this.#main.push(node);
        return;
      }
      this.#nodes.delete(node.key);
      this.#remember(node.key);
      return;
    }
    const node = this.#main.shift()!;
    if (node.uses > 0) {
      node.uses--;
      this.#main.push(node);
    } else this.#nodes.delete(node.key);
  }

  #remember(key: string): void {
    // What is remembered is not counted in the size, so it has to be small.
    if (key.length > MAX_GHOST_LENGTH) return;
    this.#ghosts.add(key);
    if (this.#ghosts.size <= this.#nodes.size / 2 + 16) return;
    this.#olderGhosts = this.#ghosts;
    this.#ghosts = new Set();
  }

  #remove(node: Node<V>): void {
    (node.main ? this.#main : this.#small).unlink(node);
    this.#nodes.delete(node.key);
  }
}

/** First in, first out; any node can leave. */
class Queue<V> {
  size = 0;
  #head: Node<V> | undefined;
  #tail: Node<V> | undefined;

  push(node: Node<V>): void {
    node.previous = this.#tail;
    node.next = undefined;
    if (this.#tail) this.#tail.next = node;
    else this.#head = node;
    this.#tail = node;
    this.size += node.size;
  }

  shift(): Node<V> | undefined {
    const node = this.#head;
    if (node) this.unlink(node);
    return node;
  }

  unlink(node: Node<V>): void {
    if (node.previous) node.previous.next = node.next;
    else this.#head = node.next;
    if (node.next) node.next.previous = node.previous;
    else this.#tail = node.previous;
    this.size -= node.size;
  }
}
