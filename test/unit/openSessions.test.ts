import { expect, test } from "vitest";
import { S3Fifo } from "../../src/cache/S3Fifo.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { endSession, openSession, sealSession } from "../../src/lanes/sessions.ts";

const SECRET = new Uint8Array(32).fill(7).toBase64();
const DAY_MS = 86_400_000;

/** Isolates that share what an origin's object knows, with a clock that the test moves. */
function setUp() {
  const clock = { now: 1_000_000 };
  const ended = new Set<string>();
  const origin = {
    sealKey: async () => SECRET,
    endSession: async (name: string) => void ended.add(name),
    hasEnded: async (name: string) => ended.has(name),
  };
  const isolate = (id = "o", identity = "here") => {
    const work: Promise<unknown>[] = [];
    const x = {
      isolate: { sessions: new S3Fifo(100), sealKeys: new Map() },
      origin: { settings: { id, identity } },
      env: { ORIGIN_SYNC: { idFromName: () => "it", get: () => origin } },
      waitUntil: (one: Promise<unknown>) => void work.push(one),
      report: () => {},
      principal: "ann",
      now: () => clock.now,
    } as unknown as Exchange;
    return { x, settle: () => Promise.all(work.splice(0)) };
  };
  return { clock, ended, origin, isolate };
}

const PLAIN = { originId: "origin-1", version: "2025-11-25", capabilities: {} };

test("a session that has ended elsewhere is over here within half a minute", async () => {
  const { clock, isolate } = setUp();
  const [here, elsewhere] = [isolate(), isolate()];
  const id = await sealSession(here.x, PLAIN);
  const session = await openSession(elsewhere.x, id);
  expect(session).toMatchObject({ originId: "origin-1" });
  endSession({ ...here.x, session, sessionId: id } as Exchange);
  await here.settle();
  expect(await openSession(here.x, id)).toBeUndefined();
  expect(await openSession(elsewhere.x, id)).toBeDefined();
  clock.now += 30_001;
  // Who looks then may be the last to be let in.
  await openSession(elsewhere.x, id);
  await elsewhere.settle();
  expect(await openSession(elsewhere.x, id)).toBeUndefined();
});

test("a session lasts for seven days", async () => {
  const { clock, isolate } = setUp();
  const [here, elsewhere] = [isolate(), isolate()];
  const id = await sealSession(here.x, PLAIN);
  clock.now += 7 * DAY_MS - 1;
  for (const { x } of [here, elsewhere]) expect(await openSession(x, id)).toBeDefined();
  clock.now += 1;
  for (const { x } of [here, elsewhere, isolate()]) expect(await openSession(x, id)).toBeUndefined();
});

test("a session is of no use with another origin, nor with another server in its place", async () => {
  const { isolate } = setUp();
  const { x } = isolate();
  const id = await sealSession(x, PLAIN);
  // Where it was opened, it need not be unsealed.
  expect(await openSession({ ...x, origin: isolate("p").x.origin } as Exchange, id)).toBeUndefined();
  for (const [name, identity] of [["o", "there"] as const, ["p", "here"] as const]) {
    expect(await openSession(isolate(name, identity).x, id)).toBeUndefined();
  }
});

test("a session that ends while another request still looks it up stays ended", async () => {
  const { origin, isolate } = setUp();
  const id = await sealSession(isolate().x, PLAIN);
  const { x } = isolate();
  const answers: ((has: boolean) => void)[] = [];
  origin.hasEnded = () => new Promise((resolve) => answers.push(resolve));
  const [first, second] = [openSession(x, id), openSession(x, id)];
  await expect.poll(() => answers.length).toBe(2);
  answers[0]!(false);
  const session = await first;
  endSession({ ...x, session, sessionId: id } as Exchange);
  answers[1]!(false);
  expect(await second).toBeUndefined();
  expect(await openSession(x, id)).toBeUndefined();
});
