import { mkdtemp, rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { workerdPids } from "../../scripts/bench/cpuTime.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { type Asked, event, left, saying, Scripted, SSE_TYPE } from "./support/scripted.ts";
import { beside, callIn, eventsIn, inside, type Opened, openAt, streamAt } from "./support/sessionsOf.ts";
import { call, codeOf, said } from "./support/wire.ts";

const origin = new Scripted({ opensSessions: true });
const stateless = new Scripted();
const running: Replica[] = [];
let state: string;

const TOOLS = { kept: { cache: { ttl: "10m", staleIfError: "1h" } } } as const;

async function start(options: Parameters<typeof startReplica>[1] = {}): Promise<Replica> {
  const one = { url: origin.url, tools: TOOLS };
  const replica = await startReplica(
    { origins: { o: { ...one, default: true }, p: one, m: { url: stateless.url, tools: TOOLS } } },
    options,
  );
  running.push(replica);
  return replica;
}

beforeAll(async () => {
  await Promise.all([origin.start(), stateless.start()]);
  origin.tools = stateless.tools = [{ name: "kept", inputSchema: { type: "object" } }];
  state = await mkdtemp(path.join(tmpdir(), "replica-state-"));
});
afterEach(async () => {
  origin.reset();
  stateless.reset();
  await Promise.all(running.splice(0).map((replica) => replica.close()));
});
afterAll(async () => {
  await Promise.all([origin.stop(), stateless.stop(), rm(state, { recursive: true })]);
});

const elsewhere = (session: Opened, url: string): Opened => ({ ...session, url });

test("a stream that broke off at one instance is taken up again at another", async () => {
  const replica = await start({ instances: 2 });
  const session = await openAt(replica.mcp);
  let asked!: Asked;
  origin.on("tools/call other", (one, response) => {
    asked = one;
    response.writeHead(200, SSE_TYPE).write(`id: e1\ndata: \n\n`, () => response.socket?.destroy());
  });
  const broken = await callIn(session, "other");
  expect(broken.text).toBe("id: e1\ndata: \n\n");
  origin.on("GET", ({ headers }, response) =>
    response
      .writeHead(200, SSE_TYPE)
      .end(headers["last-event-id"] === "e1" ? `id: e2\n${event(saying(asked, "to the end"))}` : ""),
  );
  const there = elsewhere(session, `${replica.urls[1]}/mcp`);
  const [message] = eventsIn((await beside("GET", there, { "last-event-id": "e1" })).text);
  expect([message.id, message.result.content[0].text]).toEqual([asked.id, "to the end"]);
  const streams = origin.asked.filter(({ http }) => http === "GET");
  expect(streams.map(({ headers }) => headers["mcp-session-id"])).toEqual([asked.headers["mcp-session-id"]]);
});

test("the GET stream ends at the origin when the caller leaves it", async () => {
  const replica = await start();
  const session = await openAt(replica.mcp);
  let wasLeft: Promise<void> | undefined;
  origin.on("GET", (_, response: ServerResponse) => {
    wasLeft = left(response);
    response.writeHead(200, SSE_TYPE).write(": hi\n\n");
  });
  const ear = await streamAt(session.url, session.headers);
  await ear.until(() => ear.text.includes("hi"));
  // The runtime does not take a half-closed connection for a caller who has left.
  ear.response.socket.resetAndDestroy();
  await wasLeft;
});

test("a session of one origin is none of another, though it has the same address, and goes on", async () => {
  const replica = await start();
  const session = await openAt(`${replica.mcp}/o`);
  for (const id of ["p", "m"]) {
    const there = elsewhere(session, `${replica.mcp}/${id}`);
    for (const got of [await callIn(there, "kept"), await beside("DELETE", there), await beside("GET", there)]) {
      expect([got.status, codeOf(got)]).toEqual([404, "session_not_found"]);
    }
  }
  expect(said(await callIn(session, "kept"))).toBe("kept 1");
  expect(origin.count("DELETE")).toBe(0);
});

test("sessions outlast a replica that is killed, those that have ended stay ended, and nothing is kept of half an answer", async () => {
  const before = workerdPids();
  const first = await start({ state });
  origin.on("DELETE", (_, response) => response.writeHead(200).end());
  const [going, over] = [await openAt(first.mcp), await openAt(first.mcp)];
  expect((await beside("DELETE", over)).status).toBeLessThan(300);
  await call(`${first.mcp}/m`, "kept", { stored: true });
  await expect.poll(async () => (await first.store.list({ prefix: "e1/m/tools/call/" })).keys).toHaveLength(1);
  // The end is noted behind the answer to it: who asks anew is told once it is.
  expect((await callIn(over, "kept")).status).toBe(404);
  for (const one of [origin, stateless]) {
    one.on("tools/call kept", (asked, response) => {
      const answer = event(saying(asked, "half"));
      response.writeHead(200, SSE_TYPE).write(answer.slice(0, answer.length / 2));
    });
  }
  const cut = [
    callIn(going, "kept", { cut: true }, { progressToken: 1 }),
    call(`${first.mcp}/m`, "kept", { cut: true }),
  ].map((one) => one.then(String, () => "broken"));
  await expect.poll(() => origin.count("tools/call") + stateless.count("tools/call")).toBe(3);
  for (const pid of workerdPids()) if (!before.includes(pid)) process.kill(pid, "SIGKILL");
  expect(await Promise.all(cut)).toEqual(["broken", "broken"]);
  await running.pop()!.close();
  origin.reset();
  stateless.reset();

  const second = await start({ state });
  const again = elsewhere(going, second.mcp);
  expect(said(await callIn(again, "kept", { cut: true }))).toBe("kept 1");
  expect((await inside(again, "tools/list")).status).toBe(200);
  const gone = await callIn(elsewhere(over, second.mcp), "kept");
  expect([gone.status, codeOf(gone)]).toEqual([404, "session_not_found"]);
  expect((await call(`${second.mcp}/m`, "kept", { stored: true })).cache?.status).toBe("hit");
  expect(said(await call(`${second.mcp}/m`, "kept", { cut: true }))).toBe("kept 1");
});
