import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OriginConfig } from "../../src/config/types.ts";
import { makeCallers } from "./support/callers.ts";
import { Hearing } from "./support/Hearing.ts";
import { type Replica, seed, startReplica, stored } from "./support/replica.ts";
import { answerTo, type Asked, event, JSON_TYPE, left, saying, Scripted, SSE_TYPE } from "./support/scripted.ts";
import {
  call,
  codeOf,
  type Got,
  initialize,
  legacy,
  legacyCall,
  modern,
  modernBody,
  modernHeaders,
  said,
  send,
  until,
} from "./support/wire.ts";

const origins = { o: new Scripted(), s: new Scripted({ opensSessions: true }), d: new Scripted() };
const { o, d } = origins;
let replica: Replica;
const callers = makeCallers(() => replica);
const [caller] = callers as [(typeof callers)[0]];
const PROGRESS = { meta: { progressToken: "p" } };
const KEY = "edge-replica/budget";
const KB = 1_024;

beforeAll(async () => {
  const cache = { ttl: "10m" as const };
  const tools: OriginConfig["tools"] = {
    kept: { cache, budget: { bytes: "2KB" } },
    plain: { budget: { bytes: "2KB" } },
    "wide_*": { budget: { tokens: 512 } },
    slow: { budget: { time: "300ms" } },
    slow_kept: { cache, budget: { time: "300ms" } },
    written: { write: { invalidates: ["tool:kept"] }, budget: { bytes: "2KB", time: "300ms" } },
    vast: { budget: { time: "1m" } },
  };
  await Promise.all(Object.values(origins).map((origin) => origin.start()));
  const listed = ["kept", "plain", "wide_a", "slow", "slow_kept", "written", "free"];
  for (const origin of Object.values(origins))
    origin.tools = listed.map((name) => ({
      name,
      inputSchema: { type: "object" },
      execution: { taskSupport: "forbidden" },
    }));
  const of = ({ url }: Scripted) => ({ url, tools, lists: { defaultTtl: "10m" as const } });
  const dear = { expensive: true, cache: { ttl: "1m" as const, staleIfError: "1h" as const } };
  const troubled: OriginConfig = {
    url: d.url,
    concurrency: 1,
    timeout: { firstByte: "300ms" },
    tools: { dear, dear_relayed: { expensive: true }, cheap: { cache } },
  };
  replica = await startReplica({ origins: { o: { ...of(o), default: true }, s: of(origins.s), d: troubled } });
});
beforeEach(() => Object.values(origins).forEach((origin) => origin.reset()));
afterAll(async () => {
  await replica?.close();
  await Promise.all(Object.values(origins).map((origin) => origin.stop()));
});

let nth = 0;
const fresh = () => ({ nth: ++nth });
/** An answer of that many bytes, as the origin sends it. */
function sized(asked: Asked, bytes: number): string {
  return saying(asked, "x".repeat(bytes - saying(asked, "").length));
}
const note = (text: string) =>
  event({ method: "notifications/progress", params: { progressToken: "p", progress: 1, message: text } });

describe("an answer of more bytes than its tool may give", () => {
  const ways: Record<string, (asked: Asked, response: ServerResponse, bytes: number) => void> = {
    "in one piece": (asked, response, bytes) => {
      const text = sized(asked, bytes);
      response.writeHead(200, { ...JSON_TYPE, "content-length": String(Buffer.byteLength(text)) }).end(text);
    },
    "in chunks": (asked, response, bytes) => {
      const text = sized(asked, bytes);
      response.writeHead(200, JSON_TYPE).write(text.slice(0, 100));
      response.end(text.slice(100));
    },
    "as an event": (asked, response, bytes) =>
      response.writeHead(200, SSE_TYPE).end(event(sized(asked, bytes - event("").length))),
  };
  describe.each(["kept", "plain"])("%s", (name) => {
    test.each(Object.entries(ways))("is refused, and kept for nobody: %s", async (_, way) => {
      o.on(`tools/call ${name}`, (asked, response) => way(asked, response, 2 * KB + 1));
      const args = fresh();
      const kept = (await stored(replica, "tools/call")).length;
      const got = await call(replica.mcp, name, args);
      expect([got.status, got.body.result.isError, codeOf(got)]).toEqual([200, true, "over_budget"]);
      expect(said(got)).toMatch(/larger than the 2048 bytes allowed .* Ask for less/);
      expect(got.body.result.resultType).toBe("complete");
      expect(codeOf(await legacyCall(replica.mcp, name, args))).toBe("over_budget");
      expect((await stored(replica, "tools/call")).length).toBe(kept);
      o.on(`tools/call ${name}`, (asked, response) => way(asked, response, 2 * KB));
      // What was too much is not asked for again at once; a caller who asks for something else is not kept waiting.
      expect(said(await call(replica.mcp, name, fresh()))).toMatch(/^x+$/);
    });
  });

  test("is refused to those who watch it come as well: what has passed stays, and the call ends with the error", async () => {
    const gone: Promise<void>[] = [];
    for (const name of ["kept", "plain"]) {
      o.on(`tools/call ${name}`, (_, response) => {
        gone.push(left(response));
        response.writeHead(200, SSE_TYPE).write(note("begun"));
        response.write(note("y".repeat(1_500)));
        response.write(note("z".repeat(1_500)));
      });
      const hearing = await Hearing.open(await caller.request("tools/call", { name, arguments: fresh() }, PROGRESS));
      await hearing.rest();
      const last = hearing.messages.at(-1);
      expect(hearing.messages.map(({ method }) => method)).toEqual([
        "notifications/progress",
        "notifications/progress",
        undefined,
      ]);
      expect([last.id, codeOf({ body: last } as never)]).toEqual([1, "over_budget"]);
    }
    // Nothing more is taken of it.
    await Promise.all(gone);
  });

  test("ends with the error where nobody could read what has passed, or could have taken it up again", async () => {
    o.on("tools/call plain", (_, response) => {
      response.writeHead(200, SSE_TYPE).write(`id: 1\ndata: \n\n`);
      response.write(note("z".repeat(3 * KB)));
    });
    const hearing = await Hearing.open(await caller.request("tools/call", { name: "plain", arguments: {} }, PROGRESS));
    await hearing.rest();
    expect(codeOf({ body: hearing.messages.at(-1) } as never)).toBe("over_budget");
    // An event without an end, longer than what is looked at.
    o.on("tools/call vast", async (_, response) => {
      response.writeHead(200, SSE_TYPE);
      const gone = left(response).then(() => true);
      for (;;) {
        const wrote = response.write("data: ".padEnd(256 * KB, "x"));
        if (await Promise.race([gone, wrote ? new Promise((go) => setImmediate(go, false)) : once(response)])) return;
      }
    });
    const endless = await Hearing.open(await caller.request("tools/call", { name: "vast", arguments: {} }), {
      keeps: true,
    });
    await endless.rest();
    const [, message] = /\n\nevent: message\ndata: (.*)\n\n$/.exec(endless.text)!;
    expect(codeOf({ body: JSON.parse(message!) } as never)).toBe("over_budget");
    expect(JSON.parse(message!).result.content[0].text).toContain("16777216 bytes");
  });

  test("has passed nothing of it where it is JSON, however large: what is within the budget comes whole", async () => {
    o.on("tools/call vast", (asked, response) => {
      response.writeHead(200, JSON_TYPE).end(sized(asked, asked.params.arguments.size));
    });
    const large = await call(replica.mcp, "vast", { size: 1_024 * KB });
    expect([said(large).length > 1_000 * KB, codeOf(large)]).toEqual([true, undefined]);
    const tooLarge = await call(replica.mcp, "vast", { size: 16_385 * KB });
    expect([tooLarge.status, codeOf(tooLarge)]).toEqual([200, "over_budget"]);
  });

  test("is measured in tokens of four bytes where the operator says so", async () => {
    o.on("tools/call wide_a", (asked, response) =>
      response.writeHead(200, JSON_TYPE).end(sized(asked, 4 * asked.params.arguments.size)),
    );
    expect(codeOf(await call(replica.mcp, "wide_a", { size: 512 }))).toBeUndefined();
    const got = await call(replica.mcp, "wide_a", { size: 513 });
    expect(said(got)).toContain("larger than the 512 tokens");
  });
});

function once(response: ServerResponse): Promise<boolean> {
  return new Promise((resolve) => response.once("drain", () => resolve(false)));
}

test("an endless answer of an origin costs no more than its budget, in JSON, in events and behind a call that is kept", async () => {
  let written = 0;
  const endless = (type: Record<string, string>, start: string) => (_: Asked, response: ServerResponse) => {
    response.writeHead(200, type).write(start);
    const more = () => {
      if (response.destroyed) return;
      written += 1_024;
      response.write("x".repeat(1_024));
      setImmediate(more);
    };
    more();
  };
  const json = '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"';
  for (const [type, start] of [
    [JSON_TYPE, json],
    [SSE_TYPE, `data: ${json}`],
    [SSE_TYPE, ": "],
  ] as const) {
    for (const name of ["kept", "plain"]) {
      let gone!: Promise<void>;
      o.on(`tools/call ${name}`, (asked, response) => {
        gone = left(response);
        endless(type, start)(asked, response);
      });
      expect(codeOf(await call(replica.mcp, name, fresh()))).toBe("over_budget");
      await gone;
    }
  }
  expect(written).toBeGreaterThan(6 * 2 * KB);
});

describe("an answer that takes longer than its tool may", () => {
  const silent = { plain: "slow", kept: "slow_kept" };
  test.each(Object.entries(silent))("is not waited for, where nothing comes: %s", async (_, name) => {
    const gone = new Promise<void>((resolve) => {
      o.on(`tools/call ${name}`, (_asked, response) => void left(response).then(resolve));
    });
    const got = await call(replica.mcp, name, fresh());
    expect([got.status, codeOf(got)]).toEqual([200, "over_budget"]);
    expect(said(got)).toMatch(/takes longer than the 300 ms .* whether it has is not known/);
    await gone;
  });

  test.each(Object.entries(silent))("is not waited for, where it never ends: %s", async (_, name) => {
    for (const [type, start] of [
      [JSON_TYPE, '{"jsonrpc":"2.0",'],
      [SSE_TYPE, note("begun")],
    ] as const) {
      const gone = new Promise<void>((resolve) => {
        o.on(`tools/call ${name}`, (_asked, response) => {
          void left(response).then(resolve);
          response.writeHead(200, type).write(start);
        });
      });
      expect(codeOf(await call(replica.mcp, name, fresh()))).toBe("over_budget");
      await gone;
    }
  });

  test("says nothing of the origin's health", async () => {
    o.on("tools/call", () => {});
    for (const name of ["slow", "slow_kept"]) {
      const calls = Array.from({ length: 8 }, () => call(replica.mcp, name, fresh()));
      expect((await Promise.all(calls)).map(codeOf)).toEqual(Array(8).fill("over_budget"));
    }
    o.reset();
    expect(said(await call(replica.mcp, "free"))).toBe("free 1");
    expect(o.count("server/discover")).toBe(0);
  });

  test("is told to an origin in the session in which it was asked, where to leave says nothing", async () => {
    const { s } = origins;
    const url = `${replica.mcp}/s`;
    const { headers } = await initialize(url);
    const inSession = { headers: { "mcp-session-id": headers["mcp-session-id"]! }, id: 77 };
    s.on("tools/call slow", () => {});
    expect(codeOf(await legacyCall(url, "slow", {}, inSession))).toBe("over_budget");
    await until(
      () => s.asked.find(({ method }) => method === "notifications/cancelled"),
      (told) => told?.params.requestId === 77,
    );
  });
});

test("of a write that was ended it is not said that it has not happened, and what it may have changed is asked for anew", async () => {
  const args = fresh();
  expect(said(await call(replica.mcp, "kept", args))).toBe("kept 1");
  o.on("tools/call written", (asked, response) => response.writeHead(200, JSON_TYPE).end(sized(asked, 3 * KB)));
  const got = await call(replica.mcp, "written");
  expect([codeOf(got), said(got)]).toEqual([
    "over_budget",
    expect.stringContaining("whether it has is not known: look before"),
  ]);
  // Until it is known to be over, nobody is answered from what is kept.
  expect(said(await call(replica.mcp, "kept", args))).toBe("kept 2");
  expect(said(await call(replica.mcp, "kept", args))).toBe("kept 3");
});

describe("the list of tools", () => {
  test("shows what answers may cost, in both eras, kept or relayed, and to a session", async () => {
    const budgets = {
      kept: { bytes: 2_048 },
      plain: { bytes: 2_048 },
      wide_a: { tokens: 512 },
      slow: { timeMs: 300 },
      slow_kept: { timeMs: 300 },
      written: { bytes: 2_048, timeMs: 300 },
      free: undefined,
    };
    const url = `${replica.mcp}/s`;
    const session = (await initialize(url)).headers["mcp-session-id"]!;
    const streamed = { headers: { ...modernHeaders("tools/list") }, body: modernBody("tools/list", {}, PROGRESS) };
    for (const got of [
      await modern(replica.mcp, "tools/list"),
      await modern(replica.mcp, "tools/list"),
      await legacy(replica.mcp, "tools/list"),
      await send(replica.mcp, streamed),
      await legacy(url, "tools/list", {}, { headers: { "mcp-session-id": session } }),
    ]) {
      const tools = got.body.result.tools as { name: string; _meta?: Record<string, unknown>; inputSchema: unknown }[];
      expect(Object.fromEntries(tools.map(({ name, _meta }) => [name, _meta?.[KEY]]))).toEqual(budgets);
      expect(tools.every(({ inputSchema }) => inputSchema !== undefined)).toBe(true);
    }
    expect(o.count("tools/list")).toBeLessThanOrEqual(1);
  });

  test("shows them in an event of a stream that is passed on", async () => {
    o.on("tools/list", (asked, response) => {
      response.writeHead(200, SSE_TYPE).end(event(answerTo(asked, { tools: [{ name: "plain", inputSchema: {} }] })));
    });
    const got = await legacy(replica.mcp, "tools/list", { cursor: "" }, { meta: { "acme/unknown": 1 } });
    expect(got.body.result.tools).toEqual([{ name: "plain", inputSchema: {}, _meta: { [KEY]: { bytes: 2_048 } } }]);
  });
});

test("what was kept before there was a budget is not given under it", async () => {
  const args = fresh();
  const { url } = o;
  const unbounded = { ...replica, config: { origins: { o: { url } } } };
  await seed(unbounded, { target: "slow_kept", variant: args, ageMs: 1_000 });
  const got = await call(replica.mcp, "slow_kept", args);
  expect([said(got), got.cache?.status]).toEqual(["slow_kept 1", "miss"]);
  // It is found where the budgets are those that it was kept under.
  await seed(replica, { target: "slow_kept", variant: fresh(), ageMs: 1_000 });
  expect((await call(replica.mcp, "slow_kept", { nth })).cache?.status).toBe("hit");
});

describe("a tool that is expensive", () => {
  const at = () => `${replica.mcp}/d`;
  const facts = (got: Got) => got.body.result._meta["edge-replica/error"];

  test("is refused first: at once, where there is no room, and while others have found none; what is kept is given", async () => {
    let end!: () => void;
    const begun = new Promise<void>((resolve) => {
      d.on("tools/call cheap", (asked, response) => {
        response.writeHead(200, JSON_TYPE).write(" ");
        end = () => response.end(saying(asked, "in the end"));
        resolve();
      });
    });
    expect(said(await call(at(), "dear", { q: "kept" }))).toBe("dear 1");
    await seed(replica, {
      origin: "d",
      target: "dear",
      variant: { q: "old" },
      ageMs: 120_000,
      entry: { ttlMs: 60_000, staleIfErrorMs: 3_600_000 },
    });
    const first = call(at(), "cheap", { q: 1 });
    await begun;
    // The one place at the origin is taken; but nobody has been refused yet, so what is relayed goes on.
    expect(facts(await call(at(), "dear", { q: "new" }))).toMatchObject({ code: "shed", retryAfterMs: 300 });
    expect(said(await call(at(), "dear_relayed"))).toBe("dear_relayed 1");
    expect(codeOf(await call(at(), "cheap", { q: 2 }))).toBe("origin_busy");
    const relayed = facts(await call(at(), "dear_relayed"));
    expect([relayed.code, relayed.retryAfterMs > 0, relayed.retryAfterMs <= 10_000]).toEqual(["shed", true, true]);
    expect((await call(at(), "dear", { q: "kept" })).cache?.status).toBe("hit");
    const old = await call(at(), "dear", { q: "old" });
    expect([said(old), old.cache?.status]).toEqual(["old", "stale"]);
    expect(said(await call(at(), "other"))).toBe("other 1");
    end();
    expect(said(await first)).toBe("in the end");
    expect([d.count("tools/call", "dear"), d.count("tools/call", "dear_relayed")]).toEqual([1, 1]);
  });

  test("is refused as such while the origin is down", async () => {
    for (const method of ["tools/call", "server/discover", "initialize", "ping"])
      d.on(method, (_, response) => response.destroy());
    await until(
      () => call(at(), "other"),
      (got) => said(got).includes("has failed too often"),
    );
    const got = await call(at(), "dear_relayed");
    expect([got.status, facts(got).code]).toEqual([200, "shed"]);
  });
});
