import { afterAll, beforeAll, expect, test } from "vitest";
import { Fixture } from "./support/fixture.ts";
import { type Replica, startReplica, stored } from "./support/replica.ts";
import { call, codeOf, modern, send } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;

beforeAll(async () => {
  await origin.start();
  replica = await startReplica({ origins: { o: { url: origin.url } } }, { instances: 3 });
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const ready = (url: string) => send(`${url}/readyz`, { method: "GET" });

test("/readyz tells of an origin that is reachable, of one that is stored, and of one that is both", async () => {
  const first = await ready(replica.urls[0]!);
  expect([first.status, first.body]).toEqual([
    200,
    { ready: true, origins: { o: { reachable: true, stored: false } } },
  ]);
  await modern(replica.mcp, "server/discover");
  await expect.poll(() => stored(replica, "server/discover")).toHaveLength(1);
  const then = await ready(replica.urls[1]!);
  expect(then.body.origins.o).toEqual({ reachable: true, stored: true });
  await origin.stop();
  const dead = await ready(replica.urls[2]!);
  expect([dead.status, dead.body]).toEqual([200, { ready: true, origins: { o: { reachable: false, stored: true } } }]);
  await origin.start();
});

test("/readyz asks the origin no more than once in a while, however often it is asked", async () => {
  const before = origin.count("server/discover");
  for (let nth = 0; nth < 5; nth++) await ready(replica.urls[0]!);
  expect(origin.count("server/discover") - before).toBeLessThanOrEqual(1);
});

test("/readyz answers 503 where one of the origins is neither reachable nor stored", async () => {
  const failing = await new Fixture().start();
  failing.on("server/discover", () => ({ status: 500, text: "" }));
  const refusing = await new Fixture().start();
  refusing.on("server/discover", () => ({ status: 401, text: "" }));
  const other = await startReplica({ origins: { failing: { url: failing.url }, refusing: { url: refusing.url } } });
  try {
    const got = await ready(other.url);
    expect([got.status, got.body]).toEqual([
      503,
      {
        ready: false,
        origins: { failing: { reachable: false, stored: false }, refusing: { reachable: true, stored: false } },
      },
    ]);
  } finally {
    await other.close();
    await Promise.all([failing.stop(), refusing.stop()]);
  }
});

test("/healthz says that the Worker runs, to anybody", async () => {
  const got = await send(`${replica.url}/healthz`, { method: "GET", headers: { host: "anything.example" } });
  expect([got.status, got.text]).toEqual([200, "ok\n"]);
});

test("/readyz is for those whom the replica serves", async () => {
  const got = await send(`${replica.url}/readyz`, { method: "GET", headers: { host: "anything.example" } });
  expect([got.status, codeOf(got)]).toEqual([403, "host_not_served"]);
});

test("a replica without ENTRY_SECRET says so, and keeps what is private in memory alone", async () => {
  const tools = { own: { cache: { ttl: "1h" } }, ours: { cache: { ttl: "1h", scope: "public" } } } as const;
  const config = { origins: { o: { url: origin.url, tools } } };
  const lacking = await startReplica(config, {
    vars: { ENTRY_SECRET: "too short", REPLICA_LOG: "json" },
    instances: 2,
  });
  try {
    const [here, there] = lacking.urls.map((url) => `${url}/mcp`) as [string, string];
    for (const name of ["own", "ours"]) await call(here, name);
    await expect.poll(() => stored(lacking, "tools/call")).toHaveLength(1);
    const statuses = async (url: string) =>
      Promise.all(["own", "ours"].map(async (name) => (await call(url, name)).cache?.status));
    expect(await statuses(here)).toEqual(["hit", "hit"]);
    // Elsewhere only what is public is known.
    expect((await statuses(there))[1]).toBe("hit");
    expect((await stored(lacking, "tools/call")).map((name) => name.split("/")[4])).toEqual(["public"]);
    const { status, body } = await ready(lacking.url);
    const warning = expect.stringMatching(/^The secret ENTRY_SECRET is shorter than 32 characters/);
    expect([status, body]).toMatchObject([200, { ready: true, warnings: [warning] }]);
    const told = lacking.lines.filter((line) => line.includes("ENTRY_SECRET"));
    expect(told.map((line) => JSON.parse(line))).toEqual(
      lacking.urls.map(() => ({ type: "setup-warning", message: body.warnings[0] })),
    );
  } finally {
    await lacking.close();
  }
});
