interface Env {
  DB: D1Database;
}

/** Rows go in so many at a time. */
const BATCH = 20_000;

// What an answer from D1 cannot do without: parse the message, select one row by its key, and say it with the message's id.
export default {
  async fetch(request: Request, { DB }: Env): Promise<Response> {
    const text = await request.text();
    if (new URL(request.url).pathname === "/fill") {
      await fill(DB, JSON.parse(text) as { size: number; body: string });
      return new Response("ok");
    }
    const { id, params } = JSON.parse(text) as { id: number; params: { arguments: { id: string } } };
    const key = params.arguments.id;
    const row = await DB.prepare("SELECT body FROM items WHERE key = ?1").bind(key).first<{ body: string }>();
    return new Response(
      `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":[],"structuredContent":${row!.body},"resultType":"complete"}}`,
      { headers: { "content-type": "application/json" } },
    );
  },
};

/** As many rows as are mirrored, as long as those. */
async function fill(db: D1Database, { size, body }: { size: number; body: string }): Promise<void> {
  await db.prepare("CREATE TABLE items (id INTEGER PRIMARY KEY, key TEXT UNIQUE, body TEXT) STRICT").run();
  for (let begin = 0; begin < size; begin += BATCH) {
    await db
      .prepare(
        "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2) INSERT INTO items (key, body) SELECT printf('item-%07d', i), ?3 FROM n",
      )
      .bind(begin, Math.min(size, begin + BATCH), body)
      .run();
  }
}
