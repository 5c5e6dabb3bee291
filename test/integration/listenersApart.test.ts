import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OriginConfig } from "../../src/config/types.ts";
import { Fixture, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { ACKNOWLEDGED, type Ear, listen, Mouths, silence } from "./support/listening.ts";
import { type Replica, startReplica, stored } from "./support/replica.ts";
import { inside, makeDual, names, type Opened, openAt } from "./support/sessionsOf.ts";
import { modern, until } from "./support/wire.ts";

type Bearer = ReturnType<typeof bearer>;

const origin = new Fixture();
let replica: Replica;
let ann: Bearer;
let bob: Bearer;

beforeAll(async () => {
  await origin.start();
  // Each where something is kept that others should not find.
  const ids = ["reads", "outage", "beside", "apart", "many", "less"];
  const one: OriginConfig = { url: origin.url, lists: { defaultTtl: "5m" } };
  replica = await startReplica(
    { origins: Object.fromEntries(ids.map((id) => [id, one])), access: { open: true, keys: true } },
    { instances: 2, vars: { KEY_PEPPER: PEPPER } },
  );
  [ann, bob] = (await Promise.all([1, 2].map(() => makeKey(replica)))).map(({ key }) => bearer(key)) as [
    Bearer,
    Bearer,
  ];
});
const ears: Ear[] = [];
const left = () => {
  for (const ear of ears.splice(0)) ear.leave();
};
beforeEach(async () => {
  left();
  await silence();
  origin.reset();
  makeDual(origin);
  origin.on("tools/list", ({ headers, isModern }) => ({
    result: { tools: [tool(isModern ? "modern" : `for-${headers["mcp-session-id"]}`)] },
  }));
});
afterAll(async () => {
  left();
  await replica?.close();
  await origin.stop();
});

const at = (id: string, instance = 0) => `${replica.urls[instance]}/mcp/${id}`;
const hear = async (id: string, filter: unknown, who: Bearer) => {
  const ear = await listen(at(id), filter, who);
  ears.push(ear);
  return ear;
};

/** What is said instead of a stream. */
const refusal = async (id: string, filter: unknown, who: Bearer) => {
  const ear = await hear(id, filter, who);
  expect(ear.response.headers["content-type"]).toContain("application/json");
  await ear.over();
  return JSON.parse(ear.text);
};

describe("the resources that a listener names", () => {
  const HOUR = { ttlMs: 3_600_000, cacheScope: "private" };

  test.each([
    ["the one that others read too", 1],
    ["more than are suspected by name", 300],
  ])("are no others' doubt when its stream is opened again: %s", async (how, count) => {
    const uri = `x://${count}`;
    origin.on("resources/read", ({ name, nth }) => ({
      result: { contents: [{ uri: name, text: `${how} ${nth}` }], ...HOUR },
    }));
    const read = (who: Bearer) => modern(at("reads"), "resources/read", { uri }, who);
    const status = async (who: Bearer) => (await read(who)).cache?.status;
    for (const who of [ann, bob]) {
      await until(
        () => status(who),
        (word) => word === "hit",
      );
    }
    const mouths = new Mouths(origin);
    const uris = [uri, ...Array.from({ length: count - 1 }, (_, nth) => `z://${count}/${nth}`)];
    const ear = await hear("reads", { resourceSubscriptions: uris, taskIds: ["a"] }, bob);
    const mouth = await mouths.opened(1);
    await ear.heard(1);
    const before = origin.count("resources/read", uri);
    mouth.breakOff();
    const second = await mouths.opened(2);
    second.tell("notifications/tasks");
    await ear.heard(2);
    for (const who of [ann, bob]) expect(await status(who)).toBe("hit");
    expect(origin.count("resources/read", uri)).toBe(before);
  });

  test.each([[[""]], [["x://1", ""]]])("are not %j", async (uris) => {
    expect((await refusal("reads", { resourceSubscriptions: uris }, bob)).error.code).toBe(-32602);
    expect(origin.count("subscriptions/listen")).toBe(0);
  });
});

describe("a list that a session was shown", () => {
  const list = (session: Opened) => inside(session, "tools/list");

  test("is another one's only where that was opened in an outage, by the same principal", async () => {
    const open = (who: Bearer) => openAt(at("outage"), who);
    const [first, second, others] = [await open(ann), await open(ann), await open(bob)];
    const own = names(await list(first));
    expect(own).toEqual([expect.stringMatching(/^for-origin-session-\d+$/)]);
    await until(
      () => stored(replica, "tools/list", "outage"),
      (kept) => kept.length > 0,
    );
    for (const status of [429, 503]) {
      origin.on("tools/list", () => ({ status, text: "not now" }));
      for (const session of [second, others]) expect(names(await list(session))).toBeUndefined();
      for (const who of [ann, {}]) expect(names(await modern(at("outage"), "tools/list", {}, who))).toBeUndefined();
    }
    await origin.stop();
    try {
      for (const session of [second, others]) expect(names(await list(session))).toBeUndefined();
      for (const who of [ann, {}]) expect(names(await modern(at("outage"), "tools/list", {}, who))).toBeUndefined();
      const late = await open(ann);
      expect(late.got.status).toBe(200);
      for (const instance of [0, 1]) {
        const got = await list({ ...late, url: at("outage", instance) });
        expect([names(got), got.cache?.status]).toEqual([own, "stale"]);
      }
      expect(names(await list(await open(bob)))).toBeUndefined();
      expect(names(await list(first))).toEqual(own);
    } finally {
      await origin.start();
    }
  });

  test("does not replace what a modern caller was shown", async () => {
    origin.on("tools/list", ({ isModern, headers }) => ({
      result: {
        tools: [tool(isModern ? "modern" : `for-${headers["mcp-session-id"]}`)],
        ...(isModern && { ttlMs: 3_600_000, cacheScope: "private" }),
      },
    }));
    const ask = () => modern(at("beside"), "tools/list", {}, ann);
    await until(ask, ({ cache }) => cache?.status === "hit");
    const before = await stored(replica, "tools/list", "beside");
    await list(await openAt(at("beside"), ann));
    await until(
      () => stored(replica, "tools/list", "beside"),
      (kept) => kept.length > before.length,
    );
    const got = await ask();
    expect([names(got), got.cache?.status]).toEqual([["modern"], "hit"]);
    expect(origin.seen.filter(({ method, isModern }) => method === "tools/list" && isModern)).toHaveLength(1);
  });

  test("is no change of what another session was shown", async () => {
    const [one, other] = [await openAt(at("apart"), ann), await openAt(at("apart"), ann)];
    let nth = 0;
    origin.on("prompts/list", () => ({ result: { prompts: [{ name: `p${++nth}` }] } }));
    const again = { headers: { ...ann.headers, "cache-control": "no-cache" } };
    const ear = await hear("apart", { toolsListChanged: true, promptsListChanged: true }, ann);
    await ear.heard(1);
    for (const session of [one, other, one, other]) {
      const got = await inside(session, "tools/list", {}, { "cache-control": "no-cache" });
      expect(names(got)).toHaveLength(1);
    }
    await modern(at("apart"), "prompts/list", {}, again);
    await ear.until(() => ear.told().includes("notifications/prompts/list_changed"));
    expect(ear.told()).toEqual([ACKNOWLEDGED, "notifications/prompts/list_changed"]);
  });
});

describe("a listener", () => {
  test("is not told that the origin honours more than it asked for", async () => {
    const mouths = new Mouths(origin, { silent: true });
    const own = { toolsListChanged: true, resourceSubscriptions: ["x://a"], taskIds: ["a"] };
    const ear = await hear("many", own, ann);
    const mouth = await mouths.opened(1);
    const more = { promptsListChanged: true, resourceSubscriptions: ["x://a", "x://other"], anything: true };
    mouth.acknowledge({ toolsListChanged: true, taskIds: ["a"], ...more });
    await ear.heard(1);
    expect(ear.messages[0].params.notifications).toEqual(own);
    mouth.tell("notifications/prompts/list_changed");
    mouth.tell("notifications/resources/updated", { uri: "x://other" });
    mouth.tell("notifications/tasks");
    await ear.heard(2);
    expect(ear.told()).toEqual([ACKNOWLEDGED, "notifications/tasks"]);
  });

  test("is told what the origin honours of it where that is less", async () => {
    const mouths = new Mouths(origin, { silent: true });
    const ear = await hear("many", { toolsListChanged: true, taskIds: ["a"], "com.example/more": true }, ann);
    (await mouths.opened(1)).acknowledge({ taskIds: ["a"] });
    await ear.heard(1);
    expect(ear.messages[0].params.notifications).toEqual({ toolsListChanged: true, taskIds: ["a"] });
  });

  test("is told nothing of what the origin says that it does not have", async () => {
    origin.on("server/discover", () => ({
      result: { supportedVersions: ["2026-07-28"], capabilities: { prompts: {} }, ttlMs: 0, cacheScope: "private" },
    }));
    await modern(at("less"), "server/discover", {}, ann);
    const asked = { toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: ["x://a"] };
    const ear = await hear("less", asked, ann);
    await ear.heard(1);
    expect(ear.messages[0].params.notifications).toEqual({ promptsListChanged: true });
  });

  test("has at most 250 streams, and leaves room for others", async () => {
    const mouths = new Mouths(origin);
    const filter = { toolsListChanged: true, taskIds: ["a"] };
    const keen = bearer((await makeKey(replica)).key);
    const typeOf = async (who: Bearer) => (await hear("many", filter, who)).response.headers["content-type"];
    for (let nth = 0; nth < 250; nth += 50) {
      const types = await Promise.all(Array.from({ length: 50 }, () => typeOf(keen)));
      expect(new Set(types)).toEqual(new Set(["text/event-stream"]));
    }
    expect((await refusal("many", filter, keen)).error.data.code).toBe("too_many_streams");
    expect(await typeOf(bob)).toBe("text/event-stream");
    // A place that is given up may be taken again.
    (await mouths.opened(1)).end();
    await until(
      () => typeOf(keen),
      (type) => type === "text/event-stream",
    );
  });
});
