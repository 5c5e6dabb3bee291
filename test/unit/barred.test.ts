import { expect, test } from "vitest";
import { asCaller } from "../../src/config/originAuth.ts";
import { resolve } from "../../src/config/resolve.ts";
import { barred } from "../../src/lanes/barred.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { FeedView } from "../../src/sync/FeedView.ts";

/** Requests of one isolate to an origin that has failed five times, and answers probes as it is told. */
function setUp({ enabled = true, secret }: { enabled?: boolean; secret?: string } = {}) {
  const auth = secret === undefined ? {} : { auth: { bearer: { secret } } };
  const origin = resolve({ origins: { o: { service: "ORIGIN", ...auth } } }, { [secret ?? ""]: "s" }).origins.get("o")!;
  const feed = new FeedView(() => "i");
  const clock = { now: 1_000_000_000 };
  const events: unknown[] = [];
  const probes: ((status: number) => void)[] = [];
  const answered = () =>
    new Promise<Response>((resolve) => probes.push((status) => resolve(Response.json({}, { status }))));
  const background: Promise<unknown>[] = [];
  const x = {
    replica: { enabled },
    origin,
    feed,
    isolate: { eras: new Map() },
    env: { ORIGIN: { fetch: answered } },
    waitUntil: (work: Promise<unknown>) => void background.push(work),
    report: (event: unknown) => void events.push(event),
    now: () => clock.now,
    random: () => 0.5,
  } as unknown as Exchange;
  const fail = () => {
    for (let time = 0; time < 5; time++) feed.health.record({ ok: false, reason: "timeout" }, clock.now, clock.now);
  };
  /** Answers the probe that is under way. */
  const answer = async (status: number) => {
    probes.at(-1)!(status);
    await Promise.all(background);
  };
  return { x, clock, events, probes, fail, answer };
}

test("who comes while all is well goes on at once, without a promise", () => {
  const { x, probes } = setUp();
  expect(barred(x, true)).toBeUndefined();
  expect(probes).toEqual([]);
});

test("many make one probe: who has an old answer does not wait for it, and who has none goes on when it succeeds", async () => {
  const { x, probes, events, fail, answer } = setUp();
  fail();
  const patient = Array.from({ length: 20 }, () => barred(x, true));
  expect(barred(x, false)).toEqual({ kind: "down", retryAfterMs: expect.any(Number) });
  expect(probes).toHaveLength(1);
  await answer(404);
  expect(await Promise.all(patient)).toEqual(Array(20).fill(undefined));
  expect(barred(x, true)).toBeUndefined();
  // It has not been down.
  expect(events).toEqual([]);
});

test("when the probe fails nobody goes on, nor waits, until the next is due; that is reported, and its end", async () => {
  const { x, clock, probes, events, fail, answer } = setUp();
  fail();
  const patient = barred(x, true);
  await answer(503);
  expect(await patient).toEqual({ kind: "down", retryAfterMs: 1_000 });
  const down = { type: "origin-health", origin: "o", state: "down", reason: "HTTP 503" };
  expect(events).toEqual([down]);
  clock.now += 999;
  expect(barred(x, true)).toEqual({ kind: "down", retryAfterMs: 1_000 });
  expect(probes).toHaveLength(1);
  clock.now += 1;
  const again = barred(x, true);
  await answer(200);
  expect(await again).toBeUndefined();
  expect(events).toEqual([down, { ...down, state: "up" }]);
});

test("a probe that does not come back is waited for a second, by all together", async () => {
  const { x, clock, fail } = setUp();
  fail();
  let got: unknown = "nothing";
  const patient = Promise.resolve(barred(x, true)).then((reason) => (got = reason));
  clock.now += 999;
  // Long enough for it to look again.
  await scheduler.wait(50);
  expect(got).toBe("nothing");
  clock.now += 1;
  await patient;
  expect(got).toMatchObject({ kind: "down" });
  // Those who come later do not begin to wait.
  expect(barred(x, true)).toMatchObject({ kind: "down" });
});

test("where the replica itself is not set up, callers are told so: the origin is not down", async () => {
  const { x, fail } = setUp({ secret: "TOKEN" });
  fail();
  expect(await barred(x, true)).toBeUndefined();
});

test("where each caller has a credential of its own, the probe shows none: how that caller fares is nothing to the others", async () => {
  const { x, probes, fail, answer } = setUp();
  const client = { tokenEndpoint: "https://as.example/token", clientId: "c", secret: "NOT_SET" };
  const issuer = { issuer: "https://as.example", jwks: "https://as.example/jwks" };
  const config = {
    origins: { o: { service: "ORIGIN", auth: { exchange: { ...client, audience: "o" } } } },
    access: { jwt: issuer },
  };
  x.origin = asCaller(resolve(config).origins.get("o")!, { principal: "a", token: "t" })!;
  fail();
  const patient = barred(x, true);
  expect(probes).toHaveLength(1);
  await answer(503);
  expect(await patient).toMatchObject({ kind: "down" });
});

test("where every call is relayed, it is", () => {
  const { x, fail, probes } = setUp({ enabled: false });
  fail();
  expect([barred(x, true), probes.length]).toEqual([undefined, 0]);
});
