import type { Change, ListName } from "../mcp/change.ts";
import { wants, type ListenFilter } from "../mcp/listenFilter.ts";
import { inFairShares } from "./inFairShares.ts";

/** A stream that has not been heard of for this long is gone, though nobody said so: isolates may drop requests without a word. */
const SILENT_MS = 60_000;
/** The most resources that an isolate says it wants to be told of, and the most characters of their names. */
const MOST = { names: 1_000, characters: 131_072 };

/** What a stream is to tell of. */
export interface Wanted {
  originId: string;
  filter: Pick<ListenFilter, "lists" | "uris">;
}

interface Stream {
  at: number;
  listener: string | undefined;
  wanted: Wanted | undefined;
  length: number;
}

/** How many streams there may be, and how long the requests that opened them may be together, in characters: they are held. */
interface Limit {
  streams: number;
  characters: number;
}

const LIMIT: Limit = { streams: 1_000, characters: 8 * 1_048_576 };
const SHARE: Limit = { streams: 250, characters: 1_048_576 };

/** The listeners' streams that an isolate has open: so many, and no more, and of one listener a share. Times are epoch ms. */
export class OpenStreams {
  readonly #limit: Limit;
  readonly #share: Limit;
  readonly #streams = new Map<number, Stream>();
  #last = 0;

  constructor(limit = LIMIT, share = SHARE) {
    this.#limit = limit;
    this.#share = share;
  }

  get size(): number {
    return this.#streams.size;
  }

  /**
   * Takes in a stream, and gives its number; `undefined` where there is no room. Who has no name has no share. `length` is
   * that of the request, in characters.
   */
  open(now: number, listener?: string, wanted?: Wanted, length = 0): number | undefined {
    if (!this.#hasRoom(listener, length)) {
      this.#forgetSilent(now);
      if (!this.#hasRoom(listener, length)) return undefined;
    }
    this.#streams.set(++this.#last, { at: now, listener, wanted, length });
    return this.#last;
  }

  #hasRoom(listener: string | undefined, length: number): boolean {
    const all = { streams: 1, characters: length };
    const own = { streams: 1, characters: length };
    for (const one of this.#streams.values()) {
      all.streams++;
      all.characters += one.length;
      if (listener === undefined || one.listener !== listener) continue;
      own.streams++;
      own.characters += one.length;
    }
    return isWithin(all, this.#limit) && isWithin(own, this.#share);
  }

  #forgetSilent(now: number): void {
    for (const [stream, { at }] of this.#streams) if (now - at > SILENT_MS) this.#streams.delete(stream);
  }

  /** Notes that a stream is still there. */
  heard(stream: number, now: number): void {
    const known = this.#streams.get(stream);
    if (known) known.at = now;
    else this.#streams.set(stream, { at: now, listener: undefined, wanted: undefined, length: 0 });
  }

  close(stream: number): void {
    this.#streams.delete(stream);
  }

  /** Whether a stream is to tell of such a change at an origin. */
  wants(originId: string, change: Change): boolean {
    for (const filter of this.#of(originId)) if (wants(filter, change)) return true;
    return false;
  }

  /** All that the streams are to tell of an origin: the lists, and of the resources so many, some of each stream. */
  wantedOf(originId: string, now: number): { lists: ListName[]; uris: string[] } {
    const lists = new Set<ListName>();
    const named: ReadonlySet<string>[] = [];
    for (const wanted of this.#of(originId, now)) {
      for (const list of wanted.lists) lists.add(list);
      named.push(wanted.uris);
    }
    const uris = inFairShares(named, MOST);
    return { lists: [...lists], uris: [...uris] };
  }

  *#of(originId: string, now = 0): Generator<Wanted["filter"]> {
    for (const { at, wanted } of this.#streams.values())
      if (wanted?.originId === originId && now - at <= SILENT_MS) yield wanted.filter;
  }
}

function isWithin({ streams, characters }: Limit, most: Limit): boolean {
  return streams <= most.streams && characters <= most.characters;
}
