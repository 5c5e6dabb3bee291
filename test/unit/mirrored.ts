import { env } from "cloudflare:workers";
import { resolve } from "../../src/config/resolve.ts";
import type { OriginConfig } from "../../src/config/types.ts";
import { mirrorName } from "../../src/mirror/mirrorName.ts";
import type { Mirrored, MirrorReply } from "../../src/mirror/MirrorReply.ts";
import { readMirror } from "../../src/mirror/readMirror.ts";
import { rowOf } from "../../src/mirror/rowOf.ts";
import { makingOf, STILL, tablesOf } from "../../src/mirror/tables.ts";

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
    prepare: (name: string) => prepare(id, collections.get(name)!),
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

async function prepare(origin: string, { mirrorName: name, collection }: Mirrored) {
  await db.batch(makingOf(name, collection).map((sql) => db.prepare(sql)));
  const insert = db.prepare("INSERT OR IGNORE INTO mirror (name, origin, collection) VALUES (?, ?, ?)");
  await insert.bind(name, origin, collection.name).run();
}

async function publish(origin: string, mirrored: Mirrored, values: readonly unknown[]) {
  const { mirrorName: name, collection } = mirrored;
  const { rows, text } = tablesOf(name, collection);
  await prepare(origin, mirrored);
  const record = await db.prepare("SELECT version FROM mirror WHERE name = ?").bind(name).first<{ version: number }>();
  const version = record!.version + 1;
  const there = await db
    .prepare(`SELECT key, hash FROM ${rows} WHERE until = ?`)
    .bind(STILL)
    .all<{ key: string; hash: string }>();
  const before = new Map(there.results.map(({ key, hash }) => [key, hash]));
  const work: D1PreparedStatement[] = [];
  for (const value of values) {
    const row = await rowOf(collection, value);
    if ("problem" in row) throw new Error(row.problem);
    if (before.get(row.key) === row.hash && before.delete(row.key)) continue;
    const columns = row.columns.map((_, nth) => `, c${nth}`).join("");
    const marks = row.columns.map(() => ", ?").join("");
    const isPlain = collection.search?.match === "contains";
    if (before.delete(row.key)) work.push(endOf(rows, row.key, version));
    work.push(
      db
        .prepare(
          `INSERT INTO ${rows} (key, since, until, hash, body, uri, plain${columns}) VALUES (?, ?, ?, ?, ?, ?, ?${marks})`,
        )
        .bind(
          row.key,
          version,
          STILL,
          row.hash,
          row.body,
          row.uri,
          isPlain ? row.text.join("\n") : null,
          ...row.columns,
        ),
    );
    if (text) {
      const names = row.text.map((_, nth) => `, t${nth}`).join("");
      const places = row.text.map(() => ", ?").join("");
      work.push(
        db
          .prepare(`INSERT INTO ${text} (rowid${names}) SELECT id${places} FROM ${rows} WHERE key = ? AND since = ?`)
          .bind(...row.text, row.key, version),
      );
    }
  }
  for (const key of before.keys()) work.push(endOf(rows, key, version));
  work.push(
    db
      .prepare(
        "UPDATE mirror SET version = ?2, as_of = ?3, feed_id = 'f', seq = ?2, size = ?4, oldest = max(oldest, 1) WHERE name = ?1",
      )
      .bind(name, version, AS_OF + version, values.length),
  );
  await db.batch(work);
}

function endOf(rows: string, key: string, version: number): D1PreparedStatement {
  return db.prepare(`UPDATE ${rows} SET until = ?3 WHERE key = ?1 AND until = ?2`).bind(key, STILL, version);
}

/** What an answer says, or what there is instead of one. */
export function said(reply: MirrorReply): unknown {
  if (reply.kind === "none") return reply.why;
  if (reply.kind === "bad-cursor") return reply.kind;
  const result = JSON.parse(`{${reply.result.body}}`) as { content: { text: string }[]; structuredContent?: unknown };
  return reply.kind === "refusal" ? `refused: ${result.content[0]!.text}` : result.structuredContent;
}
