import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";

/** A note on a feature, when it was added (ISO 8601, UTC), and the id of the request that added it, where it had one. */
export const Note = z.object({ text: z.string(), at: z.string(), request_id: z.string().optional() });
export type Note = z.infer<typeof Note>;

const File = z.record(z.string(), z.array(Note));

/** The notes on features, in the order in which they were added. */
export interface Notes {
  /** The notes on one feature. */
  of(id: string): readonly Note[];
  /** All notes, by feature id. */
  all(): Record<string, readonly Note[]>;
  isEmpty(): boolean;
  /** Adds a note and waits until it is stored. Tells the notes on that feature, and whether there were none at all. */
  add(id: string, text: string): Promise<Added>;
  /**
   * The same, but for a request that has added one already: that note, and nothing is stored; `undefined` where it was another
   * note. Request ids are kept as long as the notes.
   */
  addOnce(
    id: string,
    text: string,
    requestId: string,
  ): Promise<(Added & { note: Note; isRepeated: boolean }) | undefined>;
}

/** What adding a note has come to. */
export interface Added {
  /** The notes on that feature now. */
  notes: readonly Note[];
  /** Whether there were none at all. */
  first: boolean;
}

/**
 * The notes kept in `notes.json` in a folder, which is made where it is missing. Without a folder they are in memory
 * only. One process at a time may have a folder open.
 */
export async function openNotes(folder?: string): Promise<Notes> {
  const file = folder === undefined ? undefined : join(folder, "notes.json");
  if (folder !== undefined) await mkdir(folder, { recursive: true });
  let stored = file === undefined ? new Map<string, readonly Note[]>() : await load(file);
  let last: Promise<unknown> = Promise.resolve();
  const requests = new Map([...stored].flatMap(([id, notes]) => notes.flatMap((note) => byRequest(id, note))));

  async function store(id: string, text: string, requestId?: string) {
    const note: Note = {
      text,
      at: new Date().toISOString(),
      ...(requestId !== undefined && { request_id: requestId }),
    };
    const next = new Map(stored).set(id, [...(stored.get(id) ?? []), note]);
    if (file !== undefined) await save(file, next);
    const first = stored.size === 0;
    stored = next;
    return { notes: next.get(id) ?? [], first, note };
  }

  async function storeOnce(id: string, text: string, requestId: string) {
    const known = requests.get(requestId);
    if (known) {
      const isSame = known.id === id && known.note.text === text;
      return isSame ? { notes: stored.get(id) ?? [], first: false, note: known.note, isRepeated: true } : undefined;
    }
    const added = await store(id, text, requestId);
    requests.set(requestId, { id, note: added.note });
    return { ...added, isRepeated: false };
  }

  /** One after the other, so that no call writes over what another has just added. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  }

  return {
    of: (id) => stored.get(id) ?? [],
    all: () => Object.fromEntries(stored),
    isEmpty: () => stored.size === 0,
    add: (id, text) => inTurn(() => store(id, text)),
    addOnce: (id, text, requestId) => inTurn(() => storeOnce(id, text, requestId)),
  };
}

function byRequest(id: string, note: Note): [string, { id: string; note: Note }][] {
  return note.request_id === undefined ? [] : [[note.request_id, { id, note }]];
}

async function load(file: string): Promise<Map<string, readonly Note[]>> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "{}";
    throw error;
  });
  try {
    return new Map(Object.entries(File.parse(JSON.parse(text))));
  } catch (cause) {
    throw new Error(`${file} does not hold notes`, { cause });
  }
}

/** Writes the file whole or not at all: a temporary file in the same folder, then a rename. */
async function save(file: string, notes: ReadonlyMap<string, readonly Note[]>): Promise<void> {
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    const handle = await open(temporary, "wx");
    try {
      await handle.writeFile(JSON.stringify(Object.fromEntries(notes)));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
