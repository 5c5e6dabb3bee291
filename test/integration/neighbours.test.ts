import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeCallers } from "./support/callers.ts";
import { Hearing } from "./support/Hearing.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { answerTo, type Asked, event, JSON_TYPE, saying, type Script, Scripted, SSE_TYPE } from "./support/scripted.ts";
import type { Ask, Got, Params } from "./support/wire.ts";
import { call, codeOf, legacyCall, said } from "./support/wire.ts";

const origins = { o: new Scripted(), s: new Scripted({ opensSessions: true }) };
let replica: Replica;
const [modern, legacy, inSession] = makeCallers(() => replica) as ReturnType<typeof makeCallers> & { length: 3 };

beforeAll(async () => {
  const timeout = { firstByte: "1s", total: "2s" } as const;
  const tools = { kept: { cache: { ttl: "10m", staleIfError: "1h" } } } as const;
  const more = { timeout, tools, lists: { defaultTtl: "10m" } } as const;
  const [o, s] = await Promise.all([origins.o.start(), origins.s.start()]);
  o.tools = s.tools = [{ name: "kept", inputSchema: { type: "object" } }];
  const changing = { ...more, tools: { ...tools, put: { write: { invalidates: ["x"] } } } };
  replica = await startReplica({
    // What is the first's is here asked for with nothing that has gone before.
    origins: { o: { url: o.url, ...more }, s: { url: s.url, ...more }, again: { url: o.url, ...changing } },
  });
});
beforeEach(() => [origins.o, origins.s].forEach((origin) => origin.reset()));
afterAll(async () => {
  await replica?.close();
  await Promise.all([origins.o.stop(), origins.s.stop()]);
});

type Make = (what: number) => [method: string, params: Params];
const tool =
  (name: string): Make =>
  (what) => ["tools/call", { name, arguments: { what } }];
const page: Make = (what) => ["prompts/list", { cursor: `page ${what}` }];
const PROGRESS = { meta: { progressToken: "p" } };

/** The ways on which an answer can come from the origin. `keeps`: it may be kept. */
const LANES = [
  { lane: "fill", caller: modern!, make: tool("kept"), keeps: true },
  { lane: "legacy fill", caller: legacy!, make: tool("kept"), keeps: true },
  { lane: "list", caller: modern!, make: page, keeps: true },
  { lane: "relay", caller: modern!, make: tool("plain") },
  { lane: "legacy relay", caller: legacy!, make: tool("plain") },
  { lane: "watched", caller: modern!, make: tool("kept"), more: PROGRESS, keeps: true },
  { lane: "session", caller: inSession!, make: tool("kept"), keeps: true },
  { lane: "session relay", caller: inSession!, make: tool("plain") },
] as const;

let nth = 0;
const NO_CACHE = { "cache-control": "no-cache" };

/** Answers everything that the lanes ask by the script. */
function misbehave(script: Script): void {
  for (const origin of [origins.o, origins.s])
    ["tools/call", "prompts/list"].forEach((what) => origin.on(what, script));
}

function behave(): void {
  misbehave((asked, response) => response.writeHead(200, JSON_TYPE).end(goodAnswer(asked)));
}

function goodAnswer(asked: Asked): string {
  return asked.method === "prompts/list" ? answerTo(asked, { prompts: [{ name: "good" }] }) : saying(asked, "good");
}

const wordOf = (got: Got): string => said(got) ?? got.body?.result?.prompts?.[0]?.name;

/** What every lane makes of an origin's behaviour: the code and the id, and then whether the next call is well. */
async function meet(script: Script, id: string | number = "mine"): Promise<Record<string, unknown>> {
  misbehave(script);
  const told = await Promise.all(
    LANES.map(async ({ lane, caller, make, ...rest }) => {
      const more = "more" in rest ? rest.more : {};
      const got = await caller.ask(...make(++nth), { ...more, id });
      const isError = got.body?.error !== undefined || got.body?.result?.isError === true;
      return [lane, isError && got.body.id === id ? `${got.status} ${codeOf(got)}` : got.text.slice(0, 200)] as const;
    }),
  );
  behave();
  const next = await Promise.all(LANES.map(({ caller, make }) => caller.ask(...make(++nth))));
  expect(next.map(wordOf)).toEqual(LANES.map(() => "good"));
  return Object.fromEntries(told);
}

/** What the lanes give where an answer is kept that has to be asked for again. */
async function meetAgain(script: Script): Promise<string[]> {
  const lanes = LANES.filter((lane) => "keeps" in lane).map(({ caller, make }) => ({ caller, asked: make(++nth) }));
  behave();
  const ask = (more: Ask) => Promise.all(lanes.map(({ caller, asked }) => caller.ask(...asked, more)));
  await ask({});
  misbehave(script);
  const told = await ask({ id: "mine", headers: NO_CACHE });
  return told.map((got) => `${got.body?.id} ${got.cache?.status ?? codeOf(got)}`);
}

const everyLane = (value: unknown) => Object.fromEntries(LANES.map(({ lane }) => [lane, value]));
const stale = LANES.filter((lane) => "keeps" in lane).map(() => "mine stale");

describe("an origin that hangs", () => {
  const HANGS: [where: string, script: Script][] = [
    ["before the head", () => {}],
    ["after the head", (_, response) => response.writeHead(200, JSON_TYPE).flushHeaders()],
    [
      "in the middle of JSON",
      (asked, response) => response.writeHead(200, JSON_TYPE).write(goodAnswer(asked).slice(0, 40)),
    ],
    [
      "in the middle of JSON of stated length",
      (asked, response) => {
        const text = goodAnswer(asked);
        response.writeHead(200, { ...JSON_TYPE, "content-length": text.length }).write(text.slice(0, 40));
      },
    ],
    ["in the middle of an error", (_, response) => response.writeHead(503, JSON_TYPE).write("{")],
  ];

  test.each(HANGS)("%s keeps nobody longer than the timeout", async (where, script) => {
    const code = where.endsWith("error") ? "origin_unavailable" : "origin_timeout";
    expect(await meet(script)).toEqual(everyLane(`200 ${code}`));
    expect(await meetAgain(script)).toEqual(stale);
  });
});

describe("an origin that ends the connection", () => {
  const RESETS: [where: string, script: Script][] = [
    ["before the head", (_, response) => response.socket!.resetAndDestroy()],
    ["with a head that is none", (_, response) => response.socket!.end("HTTP/1.1 OK maybe\r\n\r\n")],
    [
      "with a head that is too large",
      (_, response) => response.socket!.end(`HTTP/1.1 200 OK\r\nx: ${"x".repeat(2_000_000)}\r\n\r\n`),
    ],
    [
      "after the head",
      (_, response) => response.writeHead(200, JSON_TYPE).write("{", () => response.socket!.resetAndDestroy()),
    ],
    [
      "in the middle of JSON",
      (asked, response) =>
        response.writeHead(200, JSON_TYPE).write(goodAnswer(asked).slice(0, 40), () => response.destroy()),
    ],
    [
      "before the stated length",
      (asked, response) => {
        const text = goodAnswer(asked);
        response.writeHead(200, { ...JSON_TYPE, "content-length": text.length + 1 });
        response.write(text, () => response.destroy());
      },
    ],
    [
      "in the middle of a stream",
      (_, response) => response.writeHead(200, SSE_TYPE).write(": soon\n\n", () => response.socket!.resetAndDestroy()),
    ],
    ["at the end of a stream without an answer", (_, response) => response.writeHead(200, SSE_TYPE).end(": soon\n\n")],
  ];

  test.each(RESETS)("%s gives an error to act on, or an old answer", async (_, script) => {
    expect(await meet(script)).toEqual(everyLane("200 origin_unavailable"));
    expect(await meetAgain(script)).toEqual(stale);
  });

  test("is asked once more for what is only read, and for nothing else", async () => {
    const at = `${replica.urls[0]}/mcp/again`;
    const ask = {
      kept: (what: number) => call(at, "kept", { what }),
      "kept, in the earlier revision": (what: number) => legacyCall(at, "kept", { what }),
      "kept, and watched": (what: number) => call(at, "kept", { what }, { meta: { progressToken: "p" } }),
      plain: (what: number) => call(at, "plain", { what }),
      put: (what: number) => call(at, "put", { what }),
    };
    const got: Record<string, unknown> = {};
    for (const [name, one] of Object.entries(ask)) {
      let asked = 0;
      misbehave((request, response) => {
        asked++;
        if (asked === 1) response.socket!.resetAndDestroy();
        else response.writeHead(200, JSON_TYPE).end(goodAnswer(request));
      });
      const answer = await one(++nth);
      got[name] = [codeOf(answer) ?? wordOf(answer), asked];
    }
    const [again, once] = [
      ["good", 2],
      ["origin_unavailable", 1],
    ];
    expect(got).toEqual({
      kept: again,
      "kept, in the earlier revision": again,
      "kept, and watched": once,
      plain: once,
      put: once,
    });
  });

  test("in the middle of a large relayed answer breaks it off, and does not end it", async () => {
    let cut = () => {};
    misbehave((_, response) => {
      cut = () => response.destroy();
      response.writeHead(200, JSON_TYPE).write(" ".repeat(2_000_000));
    });
    for (const caller of [modern!, legacy!, inSession!]) {
      const hearing = await Hearing.open(await caller.request(...tool("plain")(++nth)));
      await hearing.until("  ");
      cut();
      await expect(hearing.rest()).rejects.toThrow("broke off");
    }
    behave();
    expect(wordOf(await modern!.call("plain"))).toBe("good");
  });
});

describe("an origin that answers with garbage:", () => {
  const json =
    (text: string): Script =>
    (_, response) =>
      response.writeHead(200, JSON_TYPE).end(text);
  const GARBAGE: [what: string, script: Script][] = [
    ["a web page", (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<p>Log in</p>")],
    ["broken JSON", json('{"jsonrpc":"2.0","id":"mine","result":{')],
    ["JSON that is no JSON-RPC", json('{"ok":true}')],
    ["null", json("null")],
    ["an empty body", json("")],
    ["no type and no body", (_, response) => response.writeHead(200).end()],
    ["text that is no JSON", (_, response) => response.writeHead(200, { "content-type": "text/plain" }).end("hello")],
    ["the answer to another", (asked, response) => json(goodAnswer({ ...asked, id: 999 }))(asked, response)],
    ["two answers, one after the other", (asked, response) => json(goodAnswer(asked).repeat(2))(asked, response)],
    ["a batch", (asked, response) => json(`[${goodAnswer(asked)}]`)(asked, response)],
    [
      "a body that only says it is compressed",
      (asked, response) => response.writeHead(200, { ...JSON_TYPE, "content-encoding": "gzip" }).end(goodAnswer(asked)),
    ],
  ];

  test.each(GARBAGE)("%s gives an error to act on", async (_, script) => {
    const told = await meet(script);
    for (const one of Object.values(told)) expect(one).toMatch(/^200 origin_(invalid|unavailable)$/);
  });

  test("an id of another type is another id, in JSON and in a stream", async () => {
    const other = (asked: Asked) => goodAnswer({ ...asked, id: typeof asked.id === "string" ? 7 : String(asked.id) });
    expect(await meet((asked, response) => response.writeHead(200, JSON_TYPE).end(other(asked)), 7)).toEqual(
      everyLane("200 origin_invalid"),
    );
    expect(await meet((asked, response) => response.writeHead(200, SSE_TYPE).end(event(other(asked))), 7)).toEqual(
      everyLane("200 origin_unavailable"),
    );
  });

  test("two answers in a stream are one to the fills, and pass as they are where they are streamed", async () => {
    misbehave((asked, response) => {
      const second = goodAnswer(asked).replace("good", "second");
      response.writeHead(200, SSE_TYPE).end(event(goodAnswer(asked)) + event(second));
    });
    for (const { caller, make, lane, ...rest } of LANES) {
      const what = ++nth;
      const got = await caller.ask(...make(what), "more" in rest ? rest.more : {});
      if (got.headers["content-type"] === "application/json") expect(wordOf(got)).toBe("good");
      else expect(got.text.match(/^data: /gm)).toHaveLength(2);
      if (!("keeps" in rest) || lane.startsWith("list")) continue;
      const kept = () => caller.ask(...make(what), { headers: { "cache-control": "only-if-cached" } });
      await expect.poll(async () => wordOf(await kept())).toBe("good");
    }
  });
});

describe("an origin whose status says", () => {
  const bare =
    (status: number, headers: Record<string, string> = {}): Script =>
    (_, response) =>
      response.writeHead(status, { "content-type": "text/html", ...headers }).end("<h1>Sorry</h1>");

  test.each([500, 502, 503, 504, 529])(
    "%i, and says no more, gives an error to act on, or an old answer",
    async (status) => {
      expect(await meet(bare(status))).toEqual(everyLane("200 origin_unavailable"));
      expect(await meetAgain(bare(status))).toEqual(stale);
    },
  );

  test.each([500, 503, 429])(
    "%i in JSON-RPC is passed on as it said it, unless there is an old answer",
    async (status) => {
      const error = { code: -32603, message: "in its own words", data: { why: "tired" } };
      const script: Script = ({ id }, response) =>
        response.writeHead(status, JSON_TYPE).end(JSON.stringify({ jsonrpc: "2.0", id, error }));
      misbehave(script);
      for (const { caller, make } of LANES) {
        const got = await caller.ask(...make(++nth), { id: "mine" });
        expect([got.status, got.body]).toEqual([status, { jsonrpc: "2.0", id: "mine", error }]);
      }
      expect(await meetAgain(script)).toEqual(stale);
    },
  );

  test.each([
    ["in seconds", () => "7"],
    ["as a date", () => new Date(Date.now() + 7_500).toUTCString()],
  ])("429 tells when to try again, %s", async (_, retryAfter) => {
    misbehave((asked, response) => bare(429, { "retry-after": retryAfter() })(asked, response));
    for (const { caller, make } of LANES) {
      const got = await caller.ask(...make(++nth));
      expect(codeOf(got)).toBe("origin_rate_limited");
      const told = got.body.error?.data ?? got.body.result._meta["edge-replica/error"];
      expect(told.retryAfterMs).toBeGreaterThan(4_000);
      expect(told.retryAfterMs).toBeLessThanOrEqual(9_000);
    }
    expect(await meetAgain(bare(429, { "retry-after": "1" }))).toEqual(stale);
  });

  test.each([201, 202, 204, 205, 300, 301, 302, 303, 304, 307, 308])(
    "%i, which answers no request, gives an error to act on",
    async (status) => {
      const told = await meet((_, response) =>
        response.writeHead(status, { location: "http://127.0.0.1:9/mcp" }).end(),
      );
      expect(told).toEqual(everyLane("200 origin_invalid"));
    },
  );

  test.each([
    ["100 Continue", "writeContinue"],
    ["102 Processing", "writeProcessing"],
    ["103 Early Hints", "writeEarlyHints"],
  ] as const)("%s first and then answers, is answered from, or called unavailable", async (_, hint) => {
    misbehave((asked, response) => {
      if (hint === "writeEarlyHints") response.writeEarlyHints({ link: "</style.css>; rel=preload" });
      else response[hint]();
      response.writeHead(200, JSON_TYPE).end(goodAnswer(asked));
    });
    for (const { caller, make } of LANES) {
      const got = await caller.ask(...make(++nth), { id: "mine" });
      expect(got.body.id).toBe("mine");
      expect(wordOf(got) === "good" || /^origin_(unavailable|invalid)$/.test(codeOf(got)!)).toBe(true);
    }
    behave();
    expect(wordOf(await modern!.call("plain"))).toBe("good");
  });
});

test("a compressed answer is read like any other", async () => {
  misbehave((asked, response) =>
    response.writeHead(200, { ...JSON_TYPE, "content-encoding": "gzip" }).end(gzipSync(goodAnswer(asked))),
  );
  for (const { caller, make } of LANES) {
    const got = await caller.ask(...make(++nth));
    expect([got.headers["content-encoding"], wordOf(got)]).toEqual([undefined, "good"]);
  }
});
