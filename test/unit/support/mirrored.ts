import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { resolve } from "../../../src/config/resolve.ts";
import type { OriginConfig } from "../../../src/config/types.ts";
import { MirrorStore } from "../../../src/mirror/MirrorStore.ts";
import { mirrorName } from "../../../src/mirror/mirrorName.ts";
import type { Mirrored, MirrorReply } from "../../../src/mirror/MirrorReply.ts";
import { Pull } from "../../../src/mirror/Pull.ts";
import type { PullState } from "../../../src/mirror/PullState.ts";
import { readMirror } from "../../../src/mirror/readMirror.ts";
import { Seen } from "../../../src/mirror/Seen.ts";
import { listed } from "./pulling.ts";

const { DB: db } = env;

/** When the versions were pulled: `AS_OF` and their number. */
export const AS_OF = 1_800_000_000_000;

/** Texts that mean something to SQL, to full-text search, to JSON Pointers, to templates or to JavaScript. */
export const HOSTILE: readonly string[] = [
  "' OR '1'='1",
  '"; DROP TABLE mirror; --',
  "a' UNION SELECT stopped FROM mirror --",
  "?1",
  ":a",
  "%",
  "_",
  "*",
  "\\",
  "NEAR(a b)",
  "t0: a",
  "^a",
  'a" OR "a',
  "{row}",
  "{args.id|json}",
  "__proto__",
  "/a~1b",
  "😀",
  "\u{10FFFF}",
  "\uFFFF",
  "x".repeat(100_000),
];

/** The database as it is when deployed: it refuses texts of over 2 MB, which Miniflare does not. */
export const strict = {
  withSession: (constraint: string) => {
    const session = db.withSession(constraint);
    const prepare = (sql: string) => ({
      bind: (...values: unknown[]) => {
        const isLong = values.some((value) => typeof value === "string" && value.length > 2_000_000);
        if (isLong) throw new Error("D1_ERROR: string or blob too big: SQLITE_TOOBIG");
        return session.prepare(sql).bind(...values);
      },
    });
    return { prepare, batch: (statements: D1PreparedStatement[]) => session.batch(statements) };
  },
} as unknown as D1Database;

export type World = Awaited<ReturnType<typeof mirrored>>;

/** What an operator has mirrored, with rows as a test writes them. `id` is one of its own. */
export async function mirrored(id: string, config: Partial<OriginConfig>) {
  const { origins } = resolve({ origins: { [id]: { url: `https://${id}.example.com/mcp`, ...config } } });
  const origin = origins.get(id)!;
  const collections = new Map<string, Mirrored>();
  for (const [name, collection] of origin.collections) {
    collections.set(name, { mirrorName: await mirrorName(origin.settings, collection), collection });
  }
  return {
    db,
    collections,
    nameOf: (name: string) => collections.get(name)!.mirrorName,
    ruleOf: (tool: string) => origin.tools.find(tool)!.value.answer!,
    /** Makes the tables of a collection, as before its first pull. */
    prepare: (name: string) => {
      const { mirrorName, collection } = collections.get(name)!;
      return new MirrorStore(db, mirrorName, collection).prepare(id, name);
    },
    /** Versions before that are not kept any more. */
    keepFrom: (name: string, version: number) =>
      db
        .prepare("UPDATE mirror SET oldest = ?2 WHERE name = ?1")
        .bind(collections.get(name)!.mirrorName, version)
        .run(),
    /** Makes what a collection has from now on another version of it. */
    publish: (name: string, rows: readonly unknown[]) => publish(id, collections.get(name)!, rows),
    /** The answer to a call. */
    call: (tool: string, args: Record<string, unknown> = {}, from = db): Promise<MirrorReply> =>
      readMirror(from, collections, origin.tools.find(tool)!.value.answer!, args, { tool }),
  };
}

async function publish(origin: string, { mirrorName: name, collection }: Mirrored, values: readonly unknown[]) {
  const store = new MirrorStore(db, name, collection);
  await store.prepare(origin, collection.name);
  const { version } = (await store.state())!;
  const position = { feedId: "f", seq: version + 1 };
  const source = listed(
    () => values,
    () => 1_000,
  );
  const object = env.MIRROR_SYNC.get(env.MIRROR_SYNC.idFromName(`test ${name}`));
  await runInDurableObject(object, async (_, { storage }) => {
    const seen = new Seen(storage.sql);
    const pull = new Pull({ store, source, collection, seen, position, now: () => AS_OF + version + 1 });
    let state: PullState | undefined;
    for (;;) {
      const came = await pull.step(state);
      if (came.kind === "done") return;
      if (came.kind === "failed") throw new Error(came.problem.message);
      ({ state } = came);
    }
  });
}

/** What an answer says, or what there is instead of one. */
export function said(reply: MirrorReply): unknown {
  if (reply.kind === "none") return reply.why;
  if (reply.kind === "bad-cursor") return reply.kind;
  const result = JSON.parse(`{${reply.result.body}}`) as { content: { text: string }[]; structuredContent?: unknown };
  return reply.kind === "refusal" ? `refused: ${result.content[0]!.text}` : result.structuredContent;
}
