import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";

const objectOf = (name: string) => env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName(name));
const DAY_MS = 86_400_000;

test("the key that seals is made once", async () => {
  const [first, ...others] = await Promise.all([1, 2, 3].map(() => objectOf("a").sealKey()));
  expect(Uint8Array.fromBase64(first!)).toHaveLength(32);
  expect(new Set(others)).toEqual(new Set([first]));
  expect(await objectOf("b").sealKey()).not.toBe(first);
});

test("a session that has ended is remembered as long as its id would be valid", async () => {
  const object = objectOf("c");
  await object.endSession("s", DAY_MS, 0);
  expect([await object.hasEnded("s"), await object.hasEnded("t")]).toEqual([true, false]);
  await object.endSession("t", 3 * DAY_MS, DAY_MS);
  expect(await object.hasEnded("s")).toBe(true);
  await object.endSession("u", 3 * DAY_MS, DAY_MS + 1);
  expect([await object.hasEnded("s"), await object.hasEnded("t")]).toEqual([false, true]);
});

test("however many have ended, the next end looks at few of them", async () => {
  await runInDurableObject(objectOf("d"), async (object, { storage }) => {
    for (let nth = 0; nth < 500; nth++) {
      storage.sql.exec("INSERT INTO ended_session (name, until) VALUES (?, ?)", `s${nth}`, DAY_MS);
    }
    const { sql } = storage;
    const exec = sql.exec.bind(sql);
    let read = 0;
    const counted = (query: string, ...bindings: SqlStorageValue[]) => {
      const cursor = exec(query, ...bindings);
      cursor.toArray();
      read += cursor.rowsRead;
      return cursor;
    };
    sql.exec = counted as typeof exec;
    await object.endSession("another", DAY_MS, 1);
    expect(read).toBeLessThan(10);
  });
});
