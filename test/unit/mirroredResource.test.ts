import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { RESOURCES } from "../../src/config/mirror.ts";
import { resolve } from "../../src/config/resolve.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { aimOf, mirror } from "../../src/lanes/mirror.ts";
import { Mirrors } from "../../src/lanes/Mirrors.ts";
import { cacheableMethod } from "../../src/mcp/methods.ts";
import type { Call } from "../../src/mcp/recognise.ts";
import { mirrorName } from "../../src/mirror/mirrorName.ts";
import { makingOf, STILL, tablesOf } from "../../src/mirror/tables.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import { emptyIsolate } from "./emptyIsolate.ts";

const { DB: db } = env;
const NOW = 1_800_000_000_000;

/** An isolate, and the mirror of these resources: two pages of the list. */
async function mirroring(pattern: string) {
  const url = "https://pages.example.com/mcp";
  const { origins } = resolve({
    origins: { "listed-pages": { url, resources: { [pattern]: { mirror: { scope: "public" } } } } },
    access: { open: true },
  });
  const origin = origins.get("listed-pages")!;
  const collection = origin.collections.get(RESOURCES)!;
  const name = await mirrorName(origin.settings, collection);
  const row = `INSERT INTO ${tablesOf(name, collection).rows} (key, since, until, hash, body) VALUES (?1, 1, ${STILL}, '', ?2)`;
  const page = (nth: number) => db.prepare(row).bind(`list:${nth}`, `"resources":[{"uri":"${pattern}${nth}"}]`);
  const record = "INSERT INTO mirror (name, origin, collection, version, oldest, as_of) VALUES (?1, '', '', 1, 1, ?2)";
  const making = makingOf(name, collection).map((text) => db.prepare(text));
  await db.batch([...making, page(0), page(1), db.prepare(record).bind(name, NOW)]);
  const x = {
    replica: { enabled: true, access: {} },
    origin,
    feed: new FeedView(() => "i"),
    isolate: { ...emptyIsolate(), mirrors: new Mirrors() },
    env: { DB: db, MIRROR_SYNC: { idFromName: String, get: () => ({ wake: async () => {} }) } },
    now: () => NOW,
    waitUntil: () => {},
    report: () => {},
  };
  return async (cursor?: string) => {
    const params = cursor === undefined ? {} : { cursor };
    const method = "resources/list";
    const call = {
      era: "legacy",
      method,
      shape: cacheableMethod(method)!,
      target: null,
      variant: cursor,
      capabilities: {},
    };
    const exchange = { ...x, body: { method, params } } as unknown as Exchange;
    const asked = { again: false, onlyCached: false };
    const found = await mirror(exchange, call as unknown as Call, aimOf(exchange, call as unknown as Call)!, asked);
    if (found?.kind !== "entry") return found?.kind === "failure" ? { failure: found.failure.kind } : {};
    return JSON.parse(`{${found.entry.body}}`) as {
      resources?: { uri: string }[];
      nextCursor?: string;
      failure?: string;
    };
  };
}

test("a page of a list goes on in the mirror that it is of, and in no other definition's", async () => {
  const [one, other] = [await mirroring("x://a/*"), await mirroring("x://b/*")];
  const { nextCursor } = await one();
  expect(nextCursor).toMatch(/^er1\./);
  expect(await one(nextCursor)).toEqual({ resources: [{ uri: "x://a/*1" }] });
  expect(await other(nextCursor)).toEqual({ failure: "cursor-gone" });
});
