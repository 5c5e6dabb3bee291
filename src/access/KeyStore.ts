import { keyRecord } from "./keys.ts";
import { parseKey, type StoredKey } from "./StoredKey.ts";

/** How long a KV location may go on answering from its own cache, in s; KV's minimum. */
const CACHE_TTL_S = 30;
/** KV reads a hundred names at once, and a key has two. */
const PAGE = 50;
const DAY_S = 86_400;
/** A key that has expired is listed for so much longer. */
const LISTED_EXPIRED_S = 30 * DAY_S;
/** A use is remembered for so long. */
const USE_S = 400 * DAY_S;

const RECORD = /^key\/([0-9a-f]{12})$/;

/** A key among others. */
export interface ListedKey {
  id: string;
  /** Absent where the record cannot be read: such a key lets nobody in. */
  key: StoredKey | undefined;
  /** When it was used, to the hour, epoch ms; `undefined` where that is not known. */
  usedAt: number | undefined;
}

/**
 * The API keys in Workers KV: `key/<id>`, and `key-used/<id>`. Eventually consistent: elsewhere, what was changed may be
 * as it was for a minute. Nor is there any order between two who change one key in the same minute: the last word counts.
 */
export class KeyStore {
  readonly #kv: KVNamespace;

  constructor(kv: KVNamespace) {
    this.#kv = kv;
  }

  /** The key of an id, where there is one that lets somebody in. */
  async read(id: string): Promise<StoredKey | undefined> {
    return (await this.find(id))?.key;
  }

  /** What is kept under an id, readable or not; `undefined` where nothing is. */
  async find(id: string): Promise<Pick<ListedKey, "key"> | undefined> {
    const text = await this.#kv.get(keyRecord(id), { type: "text", cacheTtl: CACHE_TTL_S });
    return text === null ? undefined : { key: parseKey(text) };
  }

  /** `now` is epoch ms. */
  async write(id: string, key: StoredKey, now: number): Promise<void> {
    const leftS = key.expiresAt === undefined ? undefined : Math.ceil((key.expiresAt - now) / 1_000);
    const options = leftS === undefined ? {} : { expirationTtl: leftS + LISTED_EXPIRED_S };
    await this.#kv.put(keyRecord(id), JSON.stringify(key), options);
  }

  async delete(id: string): Promise<void> {
    await Promise.all([this.#kv.delete(keyRecord(id)), this.#kv.delete(useRecord(id))]);
  }

  /** A page of all keys, by their ids; `cursor` is where the next begins. */
  async list(from?: string): Promise<{ keys: ListedKey[]; cursor?: string }> {
    const prefix = keyRecord("");
    const listed = await this.#kv.list({ prefix, limit: PAGE, ...(from !== undefined && { cursor: from }) });
    const ids = listed.keys.flatMap(({ name }) => RECORD.exec(name)?.[1] ?? []);
    const names = ids.flatMap((id) => [keyRecord(id), useRecord(id)]);
    const read: ReadonlyMap<string, string | null> =
      ids.length === 0 ? new Map() : await this.#kv.get(names, { type: "text", cacheTtl: CACHE_TTL_S });
    const keys = ids.map((id) => ({
      id,
      key: parseKey(read.get(keyRecord(id)) ?? ""),
      usedAt: timeIn(read.get(useRecord(id))),
    }));
    return { keys, ...(!listed.list_complete && { cursor: listed.cursor }) };
  }

  async usedAt(id: string): Promise<number | undefined> {
    return timeIn(await this.#kv.get(useRecord(id), { type: "text", cacheTtl: CACHE_TTL_S }));
  }

  /** `at` is epoch ms. */
  async noteUse(id: string, at: number): Promise<void> {
    await this.#kv.put(useRecord(id), String(at), { expirationTtl: USE_S });
  }
}

/** The name in KV of when a key was used. */
function useRecord(id: string): string {
  return `key-used/${id}`;
}

function timeIn(text: string | null | undefined): number | undefined {
  return /^\d{1,15}$/.test(text ?? "") ? Number(text) : undefined;
}
