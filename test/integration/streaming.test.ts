import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeCallers } from "./support/callers.ts";
import { Hearing } from "./support/Hearing.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { answerTo, type Asked, event, JSON_TYPE, saying, type Script, Scripted, SSE_TYPE } from "./support/scripted.ts";
import { codeOf, type Got, said, send } from "./support/wire.ts";

const origins = { o: new Scripted(), s: new Scripted({ opensSessions: true }) };
let replica: Replica;
const callers = makeCallers(() => replica);

beforeAll(async () => {
  const tools = { kept: { cache: { ttl: "10m", staleIfError: "1h" } } } as const;
  const [o, s] = await Promise.all([origins.o.start(), origins.s.start()]);
  o.tools = s.tools = [{ name: "kept", inputSchema: { type: "object" } }];
  replica = await startReplica({ origins: { o: { url: o.url, tools }, s: { url: s.url, tools } } });
});
beforeEach(() => [origins.o, origins.s].forEach((origin) => origin.reset()));
afterAll(async () => {
  await replica?.close();
  await Promise.all([origins.o.stop(), origins.s.stop()]);
});

const PROGRESS = { meta: { progressToken: "p" } };
const progress = (nth: number) => ({
  method: "notifications/progress",
  params: { progressToken: "p", progress: nth, message: `step ${nth}` },
});
const log = { method: "notifications/message", params: { level: "info", data: "a log line" } };
const statusOf = ({ cache }: Got) => cache?.status;

/** A gate that a script waits at. */
function gate(): { open: () => void; passed: Promise<void> } {
  let open: () => void = () => {};
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
}

let nth = 0;
/** Parameters of a call that nobody has made. */
const params = (name = "plain") => ({ name, arguments: { nth: ++nth } });

describe.each(callers)("$who", (caller) => {
  const origin = origins[caller.at as "o" | "s"];
  const on = (script: Script) => origin.on("tools/call", script);

  test.each(["plain", "kept"])("hears of what %s does as it happens, and in order", async (name) => {
    const gates = [gate(), gate(), gate()] as const;
    on(async (asked, response) => {
      response.writeHead(200, SSE_TYPE).write(event(progress(1)));
      await gates[0].passed;
      response.write(event(log));
      await gates[1].passed;
      response.write(event(progress(2)));
      await gates[2].passed;
      response.end(event(saying(asked, "done")));
    });
    const what = params(name);
    const hearing = await Hearing.open(await caller.request("tools/call", what, { ...PROGRESS, id: "mine" }));
    expect(hearing.headers["content-type"]).toBe("text/event-stream");
    for (const [at, heard] of ["step 1", "a log line", "step 2"].entries()) {
      await hearing.until(heard);
      expect(hearing.messages).toHaveLength(at + 1);
      gates[at]!.open();
    }
    await hearing.rest();
    expect(hearing.messages.map(({ method, id }) => method ?? id)).toEqual([
      "notifications/progress",
      "notifications/message",
      "notifications/progress",
      "mine",
    ]);
    expect(hearing.messages.at(-1).result.content[0].text).toBe("done");
  });

  test("who asked for progress leaves an answer for the next", async () => {
    on((asked, response) =>
      response
        .writeHead(200, SSE_TYPE)
        .end(event(progress(1)) + event(saying(asked, `done ${origin.count("tools/call")}`))),
    );
    const what = params("kept");
    expect(said(await caller.ask("tools/call", what, PROGRESS))).toBe("done 1");
    // It is kept behind the last byte.
    await expect.poll(async () => statusOf(await caller.ask("tools/call", what, PROGRESS))).toBe("hit");
    expect(said(await caller.ask("tools/call", what))).toBe(`done ${origin.count("tools/call")}`);
  });

  test("gets comments, retry times and odd fields as they come", async () => {
    const { open, passed } = gate();
    const alive = ": keep-alive\r\n\r\nretry: 5000\n\nodd: field\n\n";
    let answer = "";
    on(async (asked, response) => {
      response.writeHead(200, SSE_TYPE).write(alive);
      await passed;
      response.end((answer = event(saying(asked, "done"))));
    });
    const hearing = await Hearing.open(await caller.request("tools/call", params()));
    await hearing.until("odd: field");
    open();
    expect(await hearing.rest()).toBe(alive + answer);
  });

  test("gets the beginning of a large JSON answer before its end is there", async () => {
    const { open, passed } = gate();
    let whole = "";
    on(async (asked, response) => {
      whole = saying(asked, "x".repeat(1_000_000));
      response.writeHead(200, JSON_TYPE).write(whole.slice(0, 600_000));
      await passed;
      response.end(whole.slice(600_000));
    });
    const hearing = await Hearing.open(await caller.request("tools/call", params()));
    await hearing.until("xxx");
    open();
    expect((await hearing.rest()) === whole).toBe(true);
  });

  test.each([
    ["LF", "\n"],
    ["CR", "\r"],
    ["CRLF", "\r\n"],
  ])("gets lines that end in %s, in pieces of one byte, and the next finds the answer", async (_, end) => {
    const words = "Grüße, 東京, 👩‍🚀";
    let written = "";
    on(async (asked, response) => {
      written = event(progress(1), end) + event(saying(asked, words), end);
      response.writeHead(200, SSE_TYPE);
      response.socket!.setNoDelay(true);
      for (const byte of Buffer.from(written)) {
        response.write(Buffer.of(byte));
        await new Promise(setImmediate);
      }
      response.end();
    });
    const what = params("kept");
    const hearing = await Hearing.open(await caller.request("tools/call", what, PROGRESS));
    expect(await hearing.rest()).toBe(written);
    await expect.poll(async () => statusOf(await caller.ask("tools/call", what))).toBe("hit");
    expect(said(await caller.ask("tools/call", what))).toBe(words);
  });

  test("gets an answer whose data stands in several lines, which is kept as one", async () => {
    let written = "";
    on((asked, response) => {
      const text = saying(asked, "in lines").replace(",", ",\ndata: ");
      written = `event: message\ndata: ${text}\n\n`;
      response.writeHead(200, SSE_TYPE).end(written);
    });
    const what = params("kept");
    const hearing = await Hearing.open(await caller.request("tools/call", what, PROGRESS));
    expect(await hearing.rest()).toBe(written);
    await expect.poll(async () => said(await caller.ask("tools/call", what))).toBe("in lines");
  });

  test("gets a notification that comes after the answer", async () => {
    let written = "";
    on((asked, response) => {
      written = event(saying(asked, "done")) + event(log);
      response.writeHead(200, SSE_TYPE).end(written);
    });
    const hearing = await Hearing.open(await caller.request("tools/call", params(), PROGRESS));
    expect(await hearing.rest()).toBe(written);
  });

  test("has many streams at once, each with its own messages", async () => {
    const everybody = gate();
    const heads = Array.from({ length: 20 }, (_, index) => `${caller.at}-${index}`);
    let begun = 0;
    on(async (asked, response) => {
      const { mark } = asked.params.arguments;
      response.writeHead(200, SSE_TYPE);
      for (let step = 0; step < 5; step++) {
        response.write(event({ ...log, params: { data: `${mark} says ${step}` } }));
        if (step === 0 && ++begun === heads.length) everybody.open();
        await everybody.passed;
      }
      response.end(event(saying(asked, `${mark} is done`)));
    });
    const texts = await Promise.all(
      heads.map(async (mark, id) => {
        const what = { name: "plain", arguments: { mark } };
        return (await Hearing.open(await caller.request("tools/call", what, { id }))).rest();
      }),
    );
    for (const [index, text] of texts.entries()) {
      const marks = [...text.matchAll(/([os]-\d+) (says \d|is done)/g)].map(([all]) => all);
      expect(marks).toEqual(
        [0, 1, 2, 3, 4, 5].map((step) => `${heads[index]} ${step < 5 ? `says ${step}` : "is done"}`),
      );
    }
  });

  describe("where a stream breaks off", () => {
    const ENDS: [how: string, script: Script][] = [
      ["ends before the answer", (_, response) => response.writeHead(200, SSE_TYPE).end(event(progress(1)))],
      [
        "is cut before the answer",
        (_, response) => response.writeHead(200, SSE_TYPE).write(event(progress(1)), () => response.socket?.destroy()),
      ],
      [
        "is cut in the middle of the answer",
        (asked, response) => {
          const answer = event(saying(asked, "never whole"));
          const text = event(progress(1)) + answer.slice(0, answer.length / 2);
          response.writeHead(200, SSE_TYPE).write(text, () => response.socket?.destroy());
        },
      ],
    ];

    test.each(ENDS)("and %s, has an error of its own as the last event", async (_, script) => {
      for (const id of ["mine", 7]) {
        on(script);
        const called = await caller.ask("tools/call", params(), { ...PROGRESS, id });
        expect(called.text).toContain("step 1");
        expect([called.status, called.body.id, called.body.result?.isError, codeOf(called)]).toEqual([
          200,
          id,
          true,
          "origin_unavailable",
        ]);
        expect(called.body.result.resultType).toBe(caller.isModern ? "complete" : undefined);
        origin.on("prompts/get", script);
        const got = await caller.ask("prompts/get", { name: "p" }, { ...PROGRESS, id });
        expect([got.body.id, got.body.result, got.body.error?.data.code]).toEqual([
          id,
          undefined,
          "origin_unavailable",
        ]);
      }
    });

    test.each(ENDS)("and %s, has an old answer where one may stand in", async (_, script) => {
      const what = params("kept");
      await caller.ask("tools/call", what);
      on(script);
      const ask = { ...PROGRESS, id: "mine", headers: { "cache-control": "no-cache" } };
      const got = await caller.ask("tools/call", what, ask);
      expect(got.text).toContain("step 1");
      expect([got.body.id, statusOf(got), said(got)]).toEqual(["mine", "stale", "kept 1"]);
      expect(got.body.result.resultType).toBe(caller.isModern ? "complete" : undefined);
    });

    test("but its events have ids, so that it may be taken up again, has nothing added", async () => {
      const text = `id: e1\n${event(progress(1))}`;
      on((_, response) => response.writeHead(200, SSE_TYPE).end(text));
      expect((await caller.ask("tools/call", params(), PROGRESS)).text).toBe(text);
    });

    test("with an error for another request, still has one of its own", async () => {
      on((_, response) =>
        response.writeHead(200, SSE_TYPE).end(event({ id: 999, error: { code: -32603, message: "not yours" } })),
      );
      const got = await caller.ask("tools/call", params(), { ...PROGRESS, id: "mine" });
      expect([got.body.id, codeOf(got)]).toEqual(["mine", "origin_unavailable"]);
    });

    test("after the answer, has nothing added", async () => {
      on((asked, response) =>
        response.writeHead(200, SSE_TYPE).write(event(saying(asked, "done")), () => response.socket?.destroy()),
      );
      const got = await caller.ask("tools/call", params(), PROGRESS);
      expect(said(got)).toBe("done");
      expect(got.text.match(/^data:/gm)).toHaveLength(1);
    });
  });

  test("who calls for something that is cached and hears of a failing tool does not keep it", async () => {
    on((asked: Asked, response) =>
      response.writeHead(200, SSE_TYPE).end(event(answerTo(asked, { content: [], isError: true }))),
    );
    const what = params("kept");
    await caller.ask("tools/call", what, PROGRESS);
    const kept = await caller.ask("tools/call", what, { headers: { "cache-control": "only-if-cached" } });
    expect(codeOf(kept)).toBe("not_cached");
  });
});

test("an answer that nobody asked in a session is not what another era was told", async () => {
  const [modern, legacy] = callers as [(typeof callers)[0], (typeof callers)[0]];
  origins.o.on("tools/call", (asked, response) =>
    response.writeHead(200, SSE_TYPE).end(event(progress(1)) + event(saying(asked, "for both"))),
  );
  const what = params("kept");
  await modern.ask("tools/call", what, PROGRESS);
  await expect.poll(async () => statusOf(await legacy.ask("tools/call", what))).toBe("hit");
  const request = await legacy.request("tools/call", what, { id: "theirs" });
  const got = await send(request.url, request);
  expect([got.body.id, said(got), got.body.result.resultType]).toEqual(["theirs", "for both", undefined]);
});
