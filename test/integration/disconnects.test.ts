import type { ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeCallers } from "./support/callers.ts";
import { Hearing } from "./support/Hearing.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { event, JSON_TYPE, left, saying, Scripted, SSE_TYPE } from "./support/scripted.ts";
import { said } from "./support/wire.ts";

const origins = { o: new Scripted(), s: new Scripted({ opensSessions: true }) };
let replica: Replica;
const callers = makeCallers(() => replica);
const [modern] = callers as [(typeof callers)[0]];

beforeAll(async () => {
  const tools = { kept: { cache: { ttl: "10m" } } } as const;
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
const note = (data: string) => event({ method: "notifications/message", params: { level: "info", data } });
const MB = 1_048_576;

let nth = 0;
const params = (name = "plain") => ({ name, arguments: { nth: ++nth } });

/** What a call has come to at the origin. */
interface Call {
  response: ServerResponse;
  answer: string;
  wasLeft: Promise<void>;
}

/** Lets the origin begin its answers, and gives each to the test. */
function begin(origin: Scripted, tool: string, type: Record<string, string>, start: string): () => Promise<Call> {
  const calls: Call[] = [];
  origin.on(`tools/call ${tool}`, (asked, response) => {
    if (start) response.writeHead(200, type).write(start);
    calls.push({ response, answer: saying(asked, "to the end"), wasLeft: left(response) });
  });
  return async () => {
    await expect.poll(() => calls.length).toBeGreaterThan(0);
    return calls.shift()!;
  };
}

/** Resolves when the replica has noticed of a caller that it has left, and so of those who left before. */
async function leavingIsNoticed(): Promise<void> {
  const next = begin(origins.o, "sentinel", SSE_TYPE, note("begun"));
  const hearing = await Hearing.open(await modern.request("tools/call", { name: "sentinel", arguments: {} }));
  await hearing.until("begun");
  const { response, wasLeft } = await next();
  hearing.leave();
  await Promise.race([wasLeft, talk(response)]);
}

/** Says that the call goes on, until nobody listens. */
async function talk(response: ServerResponse): Promise<void> {
  while (!response.destroyed) {
    response.write(": still at it\n\n");
    await pause(20);
  }
}

describe("a caller who leaves in the middle of a stream", () => {
  describe.each(["plain", "kept"])("ends the call of %s in the modern era,", (name) => {
    test.each(["says nothing more", "goes on talking"])("where the origin %s", async (what) => {
      const next = begin(origins.o, name, SSE_TYPE, note("begun"));
      const hearing = await Hearing.open(await modern.request("tools/call", params(name), PROGRESS));
      await hearing.until("begun");
      const { response, wasLeft } = await next();
      hearing.leave();
      if (what === "goes on talking") void talk(response);
      await wasLeft;
    });
  });

  test("ends a large JSON answer in the modern era", async () => {
    const next = begin(origins.o, "plain", JSON_TYPE, " ".repeat(MB));
    const hearing = await Hearing.open(await modern.request("tools/call", params()));
    await hearing.until(" ");
    const { wasLeft } = await next();
    hearing.leave();
    await wasLeft;
  });

  test.each(callers.slice(1))("lets it run to its end: $who", async (caller) => {
    const origin = origins[caller.at as "o" | "s"];
    const next = begin(origin, "kept", SSE_TYPE, note("begun"));
    const what = params("kept");
    const hearing = await Hearing.open(await caller.request("tools/call", what, PROGRESS));
    await hearing.until("begun");
    const { response, answer } = await next();
    hearing.leave();
    await leavingIsNoticed();
    expect(response.destroyed).toBe(false);
    response.write(note("still at it"));
    response.end(event(answer));
    await expect
      .poll(
        async () => (await caller.ask("tools/call", what, { headers: { "cache-control": "only-if-cached" } })).cache,
      )
      .toMatchObject({ status: "hit" });
    expect(said(await caller.ask("tools/call", what))).toBe("to the end");
    expect(origin.count("tools/call", "kept")).toBe(1);
  });
});

describe("a caller who leaves before anything has come", () => {
  test("ends the call in the modern era", async () => {
    const next = begin(origins.o, "plain", JSON_TYPE, "");
    const opening = Hearing.open(await modern.request("tools/call", params()), { signal: AbortSignal.timeout(200) });
    const { wasLeft } = await next();
    await expect(opening).rejects.toThrow();
    await wasLeft;
  });

  test.each(
    callers.slice(1).flatMap((caller) => [
      { ...caller, name: "plain" },
      { ...caller, name: "kept" },
    ]),
  )("lets the call of $name run to its end: $who", async (caller) => {
    const origin = origins[caller.at as "o" | "s"];
    const next = begin(origin, caller.name, JSON_TYPE, "");
    const leaves = new AbortController();
    const opening = Hearing.open(await caller.request("tools/call", params(caller.name)), leaves);
    const { response, answer } = await next();
    leaves.abort();
    await expect(opening).rejects.toThrow();
    await leavingIsNoticed();
    expect(response.destroyed).toBe(false);
    const finished = new Promise((resolve) => response.once("finish", resolve));
    response.writeHead(200, JSON_TYPE).end(answer);
    await finished;
  });
});

describe("a caller who does not read", () => {
  const KINDS = [
    ["an event stream", SSE_TYPE, note("x".repeat(65_536 - note("").length))],
    ["JSON", JSON_TYPE, " ".repeat(65_536)],
    ["an event without an end", SSE_TYPE, "x".repeat(65_536)],
  ] as const;

  test.each(
    callers.flatMap((caller) =>
      KINDS.slice(0, caller.isModern ? KINDS.length : 1).map(([what, type, piece]) => ({
        ...caller,
        what,
        type,
        piece,
      })),
    ),
  )("does not make the replica read $what ahead: $who", async ({ type, piece, ...caller }) => {
    const origin = origins[caller.at as "o" | "s"];
    let written = 0;
    let finished = () => {};
    const whole = new Promise<void>((resolve) => (finished = resolve));
    let end = "";
    origin.on("tools/call", async (asked, response) => {
      response.writeHead(200, type);
      while (written < 96 * MB) {
        written += piece.length;
        if (!response.write(piece)) await new Promise((resolve) => response.once("drain", resolve));
      }
      end = type === SSE_TYPE ? `\n\n${event(saying(asked, "done"))}` : saying(asked, "done");
      response.end(end, finished);
    });
    const request = await caller.request("tools/call", params("kept"), PROGRESS);
    const hearing = await Hearing.open(request, { reads: false, keeps: false });
    // Nothing says that a writer waits, but that it goes no further.
    for (let before = -1; before !== written; await pause(250)) before = written;
    // What the system's own buffers take on two connections is some 10 MB, and not for the replica to say.
    expect(written).toBeLessThan(32 * MB);
    await hearing.rest();
    await whole;
    expect(hearing.bytes).toBe(written + end.length);
  });
});
