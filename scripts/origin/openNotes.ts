import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";

/** A note on a feature, and when it was added (ISO 8601, UTC). */
export const Note = z.object({ text: z.string(), at: z.string() });
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
  add(id: string, text: string): Promise<{ notes: readonly Note[]; first: boolean }>;
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

  async function store(id: string, text: string) {
    const note = { text, at: new Date().toISOString() };
    const next = new Map(stored).set(id, [...(stored.get(id) ?? []), note]);
    if (file !== undefined) await save(file, next);
    const first = stored.size === 0;
    stored = next;
    return { notes: next.get(id) ?? [], first };
  }

  return {
    of: (id) => stored.get(id) ?? [],
    all: () => Object.fromEntries(stored),
    isEmpty: () => stored.size === 0,
    add(id, text) {
      // One after the other, so that no call writes over what another has just added.
      const added = last.then(() => store(id, text));
      last = added.catch(() => {});
      return added;
    },
  };
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
