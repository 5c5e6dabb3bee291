import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Replica, startReplica } from "./support/replica.ts";
import { JSON_TYPE, saying, Scripted } from "./support/scripted.ts";
import { call, type Got, said } from "./support/wire.ts";

/** How long the origin takes. */
const SLOW_MS = 300;

const origin = new Scripted();
let replica: Replica;

beforeAll(async () => {
  await origin.start();
  origin.tools = [{ name: "slow", inputSchema: { type: "object" } }];
  const tools = { slow: { cache: { ttl: "2s", scope: "public" } } } as const;
  replica = await startReplica(
    { origins: { o: { url: origin.url, lists: { defaultTtl: "10m" }, tools } } },
    { instances: 2 },
  );
});
beforeEach(() => {
  origin.reset();
  origin.on("tools/call slow", (asked, response) => {
    const words = `slow ${origin.count("tools/call", "slow")}`;
    setTimeout(() => response.writeHead(200, JSON_TYPE).end(saying(asked, words)), SLOW_MS);
  });
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

/** Many ask, without a pause, until the last is answered with another text than `words`. All answers. */
async function askUntilOther(words: string, args: Record<string, unknown>, ask = {}): Promise<Got[]> {
  const all: Got[] = [];
  while (all.length === 0 || said(all.at(-1)!) === words) {
    const many = replica.urls.flatMap((url) => Array.from({ length: 8 }, () => call(`${url}/mcp`, "slow", args, ask)));
    all.push(...(await Promise.all(many)));
  }
  return all;
}

test("what is asked for often is refreshed before it lapses, by one call, and nobody waits for it", async () => {
  const args = { case: "often" };
  expect(said(await call(replica.mcp, "slow", args))).toBe("slow 1");
  const all = await askUntilOther("slow 1", args);
  expect(said(all.at(-1)!)).toBe("slow 2");
  expect(new Set(all.map(({ cache }) => cache!.status))).toEqual(new Set(["hit"]));
  expect(origin.count("tools/call", "slow")).toBe(2);
});

test("who goes by what is stored alone has nothing refreshed", async () => {
  const args = { case: "stored" };
  const cached = { headers: { "cache-control": "only-if-cached" } };
  await call(replica.mcp, "slow", args);
  const all = await askUntilOther("slow 1", args, cached);
  expect(all.at(-1)!.body.result._meta["edge-replica/error"].code).toBe("not_cached");
  expect(origin.count("tools/call", "slow")).toBe(1);
});
