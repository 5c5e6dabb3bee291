import { createHash } from "node:crypto";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Caller, makeCallers } from "./support/callers.ts";
import { Hearing } from "./support/Hearing.ts";
import { memoryOfReplicas } from "./support/memory.ts";
import { type Replica, startReplica, stored } from "./support/replica.ts";
import { type Asked, event, JSON_TYPE, left, saying, type Script, Scripted, SSE_TYPE } from "./support/scripted.ts";
import { codeOf, said } from "./support/wire.ts";

const origins = { o: new Scripted(), s: new Scripted({ opensSessions: true }) };
let replica: Replica;
const callers = makeCallers(() => replica);
const [modern] = callers as [Caller];
/** Asks the same origin by a name under which nobody has much patience with it. */
const [hasty] = makeCallers(() => replica, "h") as [Caller];

beforeAll(async () => {
  const timeout = { firstByte: "1s", total: "2s" } as const;
  const tools = { kept: { cache: { ttl: "10m" } } } as const;
  const [o, s] = await Promise.all([origins.o.start(), origins.s.start()]);
  o.tools = s.tools = [{ name: "kept", inputSchema: { type: "object" } }];
  replica = await startReplica({
    origins: { o: { url: o.url, tools }, s: { url: s.url, tools }, h: { url: o.url, timeout, tools } },
  });
});
beforeEach(() => [origins.o, origins.s].forEach((origin) => origin.reset()));
afterAll(async () => {
  await replica?.close();
  await Promise.all([origins.o.stop(), origins.s.stop()]);
});

const PROGRESS = { meta: { progressToken: "p" } };
const MB = 1_048_576;
const PIECE = "x".repeat(65_536);
let nth = 0;
const params = (name: string) => ({ name, arguments: { nth: ++nth } });
const on = (script: Script) => [origins.o, origins.s].forEach((origin) => origin.on("tools/call", script));
const hash = (text: string) => createHash("sha1").update(text).digest("hex");

/** Writes a piece again and again, as fast as it is taken, until nobody takes it. */
async function writeOn(response: ServerResponse, piece: string, bytes = Number.POSITIVE_INFINITY): Promise<void> {
  const gone = left(response);
  for (let written = 0; written < bytes && !response.destroyed; written += piece.length) {
    if (!response.write(piece)) await Promise.race([once(response, "drain"), gone]);
  }
}

/** Runs the rounds, and holds the replica's growth to a bound. */
async function bounded(rounds: number, round: () => Promise<void>): Promise<void> {
  // The first one makes it as large as it is at work.
  await round();
  const before = memoryOfReplicas();
  for (let index = 0; index < rounds; index++) await round();
  const after = memoryOfReplicas();
  if (before !== undefined && after !== undefined) expect(after - before).toBeLessThan(200);
}

const well = async () => {
  on((asked, response) => response.writeHead(200, JSON_TYPE).end(saying(asked, "good")));
  for (const caller of callers) {
    expect([said(await caller.call("plain")), said(await caller.ask("tools/call", params("kept")))]).toEqual([
      "good",
      "good",
    ]);
  }
};

describe("a result of 50 MB", () => {
  const words = "Lorem ipsum, größer als gewöhnlich. ".repeat((50 * MB) / 37);

  test.each([
    ["JSON", JSON_TYPE],
    ["an event", SSE_TYPE],
  ] as const)(
    "as %s reaches everybody whole, is not kept, and leaves no room taken",
    { timeout: 60_000 },
    async (_, type) => {
      const written = new Map<boolean, { body: Buffer; sum: string }>();
      const answerFor = (asked: Asked) => {
        const text = type === SSE_TYPE ? event(saying(asked, words)) : saying(asked, words);
        return { body: Buffer.from(text), sum: hash(text) };
      };
      on((asked, response) => {
        const known = written.get(asked.isModern) ?? answerFor(asked);
        written.set(asked.isModern, known);
        response.writeHead(200, type).end(known.body);
      });
      const ways = callers.flatMap((caller) => ["plain", "kept"].map((name) => ({ caller, name })));
      let round = 0;
      const before = await stored(replica, "tools/call");
      await bounded(ways.length - 1, async () => {
        const { caller, name } = ways[round++ % ways.length]!;
        const hearing = await Hearing.open(
          await caller.request("tools/call", params(name), round % 2 ? PROGRESS : {}),
          {
            keeps: false,
          },
        );
        await hearing.rest();
        expect(hearing.sum()).toBe(written.get(caller.isModern)!.sum);
      });
      expect(await stored(replica, "tools/call")).toEqual(before);
      const what = params("kept");
      await modern.ask("tools/call", what);
      const kept = await modern.ask("tools/call", what, { headers: { "cache-control": "only-if-cached" } });
      expect(codeOf(kept)).toBe("not_cached");
      await well();
    },
  );
});

test("an event whose name is 50 MB long passes, and so does the answer after it", async () => {
  const name = "x".repeat(50 * MB);
  await bounded(1, async () => {
    let sum = "";
    on((asked, response) => {
      const text = `event: ${name}\n${event(saying(asked, "after it"))}`;
      sum = hash(text);
      response.writeHead(200, SSE_TYPE).end(text);
    });
    const hearing = await Hearing.open(await modern.request("tools/call", params("kept"), PROGRESS), { keeps: false });
    await hearing.rest();
    expect(hearing.sum()).toBe(sum);
  });
  await well();
});

test("a little that unpacks to very much takes no room", async () => {
  const bomb = gzipSync(`{"jsonrpc":"2.0","id":1,"result":{"content":[],"x":"${" ".repeat(64 * MB)}"}}`);
  on((_, response) => response.writeHead(200, { ...JSON_TYPE, "content-encoding": "gzip" }).end(bomb));
  await bounded(1, async () => {
    for (const name of ["plain", "kept"]) {
      const hearing = await Hearing.open(await modern.request("tools/call", params(name)), { keeps: false });
      await hearing.rest();
      expect(hearing.bytes).toBeGreaterThan(64 * MB);
    }
  });
  await well();
});

describe("an answer without an end", () => {
  const note = event({ method: "notifications/message", params: { level: "info", data: "x".repeat(1_000) } });
  const ENDLESS: [what: string, piece: string][] = [
    ["comments", `: ${"still there ".repeat(100)}\n\n`],
    ["notifications", note.repeat(50)],
    ["one line", PIECE],
    ["empty lines of data", "data:\n".repeat(10_000)],
  ];

  test.each(ENDLESS)("of %s goes on for a caller who takes it, and ends when that one leaves", async (_, piece) => {
    let wasLeft: Promise<void> | undefined;
    on((__, response) => {
      wasLeft = left(response);
      void writeOn(response.writeHead(200, SSE_TYPE), piece);
    });
    await bounded(1, async () => {
      const hearing = await Hearing.open(await modern.request("tools/call", params("kept"), PROGRESS), {
        keeps: false,
      });
      await expect.poll(() => hearing.bytes, { timeout: 20_000 }).toBeGreaterThan(16 * MB);
      hearing.leave();
      await wasLeft;
    });
    await well();
  });

  test.each(ENDLESS.slice(0, 2))("of %s is not waited for by a fill for ever", async (_, piece) => {
    let wasLeft: Promise<void> | undefined;
    on((__, response) => {
      wasLeft = left(response);
      void writeOn(response.writeHead(200, SSE_TYPE), piece);
    });
    const got = await hasty.ask("tools/call", params("kept"), { id: "mine" });
    expect([got.body.id, codeOf(got)]).toEqual(["mine", "origin_timeout"]);
    await wasLeft;
    await well();
  });

  test("of JSON is passed on to who takes it, and ends when that one leaves", async () => {
    const gone: Promise<void>[] = [];
    on((_, response) => {
      gone.push(left(response));
      void writeOn(response.writeHead(200, JSON_TYPE), PIECE);
    });
    for (const name of ["plain", "kept"]) {
      const hearing = await Hearing.open(await modern.request("tools/call", params(name)), { keeps: false });
      await expect.poll(() => hearing.bytes, { timeout: 20_000 }).toBeGreaterThan(16 * MB);
      hearing.leave();
    }
    await Promise.all(gone);
    await well();
  });
});
