import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { Fixture, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { beside, callIn, openAt } from "./support/sessionsOf.ts";
import { makeStateful } from "./support/stateful.ts";
import { call, codeOf, type Got, legacyCall, said } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica | undefined;

beforeAll(() => origin.start());
beforeEach(() => {
  origin.reset();
  origin.tools = [tool("kept"), tool("other")];
});
afterEach(async () => {
  await replica?.close();
  replica = undefined;
});
afterAll(() => origin.stop());

const tools = { kept: { cache: { ttl: "10m" } } } as const;
const statusOf = ({ cache }: Got) => cache?.status;

test("ignoreMeta: keys that the operator says only observe neither prevent a hit nor go into a fill", async () => {
  replica = await startReplica({ origins: { o: { url: origin.url, tools } }, ignoreMeta: ["acme/*", "trace-id"] });
  for (const ask of [call, legacyCall]) {
    const args = { by: ask.name };
    const meta = { "acme/tenant": "a", "trace-id": 1 };
    expect(statusOf(await ask(replica.mcp, "kept", args, { meta }))).toBe("miss");
    expect(Object.keys(origin.last("tools/call").params._meta ?? {}).filter((key) => key in meta)).toEqual([]);
    expect(statusOf(await ask(replica.mcp, "kept", args, { meta: { "acme/tenant": "b" } }))).toBe("hit");
    // A key that nobody names goes on as before, with all that stands beside it.
    const got = await ask(replica.mcp, "kept", args, { meta: { ...meta, "other/key": 1 } });
    expect([statusOf(got), origin.last("tools/call").params._meta]).toMatchObject([
      undefined,
      { "other/key": 1, ...meta },
    ]);
  }
});

test("region: an origin whose objects are to live somewhere is served as any other", async () => {
  const one = { url: origin.url, tools, region: "weur" } as const;
  replica = await startReplica({ origins: { o: one } });
  expect(statusOf(await call(replica.mcp, "kept"))).toBe("miss");
  makeStateful(origin);
  const session = await openAt(replica.mcp);
  expect(said(await callIn(session, "other"))).toBe("other 1");
});

test("enabled: false leaves sessions what they are, under ids of the replica's own", async () => {
  const { live } = makeStateful(origin);
  replica = await startReplica({ origins: { o: { url: origin.url, tools } }, enabled: false });
  const [one, two] = [await openAt(replica.mcp), await openAt(replica.mcp)];
  expect(`${one.id} ${two.id}`).not.toContain("origin-session");
  for (const nth of [1, 2]) expect(said(await callIn(one, "kept"))).toBe(`kept ${nth}`);
  expect((await beside("DELETE", one)).status).toBe(200);
  expect((await callIn(one, "kept")).status).toBe(404);
  expect(said(await callIn(two, "kept"))).toBe("kept 3");
  live.clear();
  expect((await callIn(two, "kept")).status).toBe(404);
  const gone = await callIn({ ...two, headers: { ...two.headers, "mcp-session-id": "made-up" } }, "kept");
  expect([gone.status, codeOf(gone)]).toEqual([404, "session_not_found"]);
});
