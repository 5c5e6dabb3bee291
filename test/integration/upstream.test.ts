import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OriginConfig } from "../../src/config/types.ts";
import { Fixture, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { ACKNOWLEDGED, type Ear, listen, type Mouth, Mouths } from "./support/listening.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { type Ask, call, modern } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;
let ann: Ask;
let bob: Ask;
/** Each test has an origin of its own: what is listened to at one goes on. */
let id: string;
let used = 0;
/** Its streams. */
let mouths: Mouths;

beforeAll(async () => {
  await origin.start();
  const one: Omit<OriginConfig, "url"> = {
    sync: { pulse: "250ms", listen: "auto" },
    lists: { defaultTtl: "10m" },
    tools: { "read_*": { cache: { ttl: "10m" } } },
    resources: { "x://*": { cache: { ttl: "10m", staleIfError: "1h", scope: "public" } } },
  };
  const named = Array.from(
    { length: 40 },
    (_, nth) => [`u${nth}`, { ...one, url: `${origin.url}?of=u${nth};` }] as const,
  );
  replica = await startReplica(
    { origins: Object.fromEntries(named), access: { open: true, keys: true } },
    { instances: 2, vars: { KEY_PEPPER: PEPPER } },
  );
  [ann, bob] = (await Promise.all([1, 2].map(() => makeKey(replica)))).map(({ key }) => bearer(key)) as [Ask, Ask];
});
const ears: Ear[] = [];
const left = () => {
  for (const ear of ears.splice(0)) ear.leave();
};
beforeEach(async () => {
  left();
  origin.reset();
  origin.tools = [tool("t")];
  id = `u${used++}`;
  mouths = new Mouths(origin, { path: `of=${id};` });
});
afterAll(async () => {
  left();
  await replica?.close();
  await origin.stop();
});

const TOOLS = "notifications/tools/list_changed";
const PROMPTS = "notifications/prompts/list_changed";
const RESOURCES = "notifications/resources/list_changed";
const UPDATED = "notifications/resources/updated";
const BOTH = [0, 1];
const AGAIN = { headers: { "cache-control": "no-cache" } };

const at = (instance: number) => `${replica.urls[instance]}/mcp/${id}`;
const hear = async (instance: number, filter: unknown, ask: Ask = {}) => {
  const ear = await listen(at(instance), filter, ask);
  ears.push(ear);
  await ear.heard(1);
  return ear;
};
const ask = (instance: number, method: string, params = {}, how: Ask = {}) => modern(at(instance), method, params, how);
const statusOf = async (instance: number, method: string, params = {}) =>
  (await ask(instance, method, params)).cache?.status;

/** Sees to it that both instances keep an answer. */
async function kept(method: string, params = {}, how: Ask = {}): Promise<void> {
  for (const instance of BOTH) {
    await ask(instance, method, params, how);
    await expect.poll(async () => (await ask(instance, method, params, how)).cache?.status).toBe("hit");
  }
}

/** How often a method, of one name perhaps, is asked for from now on. */
function counting(method: string, name?: string): () => number {
  const before = origin.count(method, name);
  return () => origin.count(method, name) - before;
}

/** Has the origin answer a list so, from now on. */
const list = (method: string, name: string, scope = "public") =>
  origin.on(method, () => {
    const member = method === "resources/templates/list" ? "resourceTemplates" : method.split("/")[0]!;
    const template = { uriTemplate: `x://${name}/{id}` };
    const one = { name, uri: `x://${name}`, inputSchema: { type: "object" }, ...template };
    return { result: { [member]: [one], ttlMs: 600_000, cacheScope: scope } };
  });
const resource = (uri: string, text: string, scope = "public") =>
  origin.on(`resources/read ${uri}`, () => ({
    result: { contents: [{ uri, text }], ttlMs: 600_000, cacheScope: scope },
  }));

/** Listeners on both instances, and the origin's one stream. */
async function listening(filter: Record<string, unknown>, how: Ask = {}) {
  const heard = await Promise.all(BOTH.map((instance) => hear(instance, filter, how)));
  const uris: string[] = (filter["resourceSubscriptions"] as string[] | undefined) ?? [];
  return { heard, mouth: await live(uris) };
}

/** The stream that the origin has open, once it is the only one and for these resources. */
async function live(uris: readonly string[]): Promise<Mouth> {
  const open = () => mouths.all.filter(({ isClosed }) => !isClosed);
  const asked = () => open().map(({ filter }) => (filter.resourceSubscriptions ?? []).toSorted());
  await expect.poll(asked, { timeout: 10_000 }).toEqual([uris.toSorted()]);
  return open()[0]!;
}

/** Tells of something else, and waits until all have heard of it: what they have not heard by then they will not. */
async function settled(heard: Ear[], tell: () => void, what: string): Promise<void> {
  tell();
  await Promise.all(heard.map((ear) => ear.until(() => ear.told().includes(what))));
}

const told = (heard: Ear[]) => heard.map((ear) => ear.told().slice(1));

describe("the origin's one stream", () => {
  test("is asked for all lists and the resources in use, whoever listens, and however many", async () => {
    await hear(0, { toolsListChanged: true });
    await hear(0, { resourceSubscriptions: ["x://1"] });
    await hear(1, { promptsListChanged: true, resourceSubscriptions: ["x://1", "x://2"] });
    await expect.poll(() => mouths.all.at(-1)?.filter.resourceSubscriptions?.toSorted()).toEqual(["x://1", "x://2"]);
    const { filter, seen } = mouths.all.at(-1)!;
    expect(filter).toMatchObject({ toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true });
    expect(seen.headers["mcp-method"]).toBe("subscriptions/listen");
    // Each took the place of the one before, which was heard until then.
    await expect.poll(() => mouths.all.filter(({ isClosed }) => !isClosed)).toHaveLength(1);
  });

  test("is asked for while there is traffic, though nobody listens", async () => {
    await expect
      .poll(async () => {
        await ask(0, "tools/list");
        return mouths.all.length;
      })
      .toBe(1);
    expect(mouths.all[0]!.filter.resourceSubscriptions).toBeUndefined();
  });

  test("tells of a resource only while somebody listens to it", async () => {
    await hear(0, { toolsListChanged: true });
    const passing = await hear(0, { resourceSubscriptions: ["x://1"] });
    const uris = () => mouths.all.at(-1)?.filter.resourceSubscriptions ?? [];
    await expect.poll(uris).toEqual(["x://1"]);
    passing.leave();
    await expect.poll(uris, { timeout: 10_000 }).toEqual([]);
  });
});

describe("what the origin tells", () => {
  test.each([
    [TOOLS, { toolsListChanged: true }, ["tools/list"]],
    [PROMPTS, { promptsListChanged: true }, ["prompts/list"]],
    [RESOURCES, { resourcesListChanged: true }, ["resources/list", "resources/templates/list"]],
  ])("%s: no instance answers the old one, and every listener is told once", async (method, filter, methods) => {
    for (const one of methods) list(one, "old");
    resource("x://other", "old");
    for (const one of methods) await kept(one);
    const { heard, mouth } = await listening({ ...filter, resourceSubscriptions: ["x://other"] });
    for (const one of methods) list(one, "new");
    const asked = methods.map((one) => counting(one));
    mouth.tell(method);
    await Promise.all(heard.map((ear) => ear.heard(2)));
    await settled(heard, () => mouth.tell(UPDATED, { uri: "x://other" }), "x://other");
    expect(told(heard)).toEqual(BOTH.map(() => [method, "x://other"]));
    for (const instance of BOTH) {
      for (const one of methods) expect((await ask(instance, one)).text).toContain("new");
    }
    // The instances have it from few calls; each may ask once more for what the telling itself made old.
    for (const count of asked) expect(count()).toBeLessThanOrEqual(2);
  });

  test("without a change, is told to nobody, and what is kept is asked for again", async () => {
    list("tools/list", "same");
    resource("x://other", "old");
    await kept("tools/list");
    const { heard, mouth } = await listening({ toolsListChanged: true, resourceSubscriptions: ["x://other"] });
    const asked = counting("tools/list");
    mouth.tell(TOOLS);
    await expect.poll(asked).toBeGreaterThan(0);
    for (const instance of BOTH) await expect.poll(() => statusOf(instance, "tools/list")).toBe("hit");
    await settled(heard, () => mouth.tell(UPDATED, { uri: "x://other" }), "x://other");
    expect(told(heard)).toEqual(BOTH.map(() => ["x://other"]));
  });

  test("of a resource is told at once, once, and it is read anew, with what lies below it", async () => {
    const uris = ["x://a", "x://a/b", "x://a?c", "x://ab"];
    for (const uri of uris) resource(uri, "old");
    for (const uri of uris) await kept("resources/read", { uri });
    const { heard, mouth } = await listening({ resourceSubscriptions: ["x://a", "x://last"] });
    for (const uri of uris) resource(uri, "new");
    mouth.tell(UPDATED, { uri: "x://a" });
    await Promise.all(heard.map((ear) => ear.heard(2)));
    for (const instance of BOTH) {
      const texts = await Promise.all(uris.map((uri) => ask(instance, "resources/read", { uri })));
      expect(texts.map(({ body }) => body.result.contents[0].text)).toEqual(["new", "new", "new", "old"]);
    }
    // Who reads it anew sees what was told, and no other change.
    await settled(heard, () => mouth.tell(UPDATED, { uri: "x://last" }), "x://last");
    expect(told(heard)).toEqual(BOTH.map(() => ["x://a", "x://last"]));
  });

  test("of what lies below a resource is told to who named that", async () => {
    const { heard, mouth } = await listening({ resourceSubscriptions: ["x://a", "x://last"] });
    mouth.tell(UPDATED, { uri: "x://ab" });
    mouth.tell(UPDATED, { uri: "x://a/b" });
    await settled(heard, () => mouth.tell(UPDATED, { uri: "x://last" }), "x://last");
    expect(told(heard).map((one) => one.toSorted())).toEqual(BOTH.map(() => ["x://a/b", "x://last"]));
  });

  test("in a burst loses nothing", async () => {
    const uris = Array.from({ length: 20 }, (_, nth) => `x://${nth}`);
    const { heard, mouth } = await listening({ resourceSubscriptions: uris });
    for (const uri of uris) for (let time = 0; time < 3; time++) mouth.tell(UPDATED, { uri });
    await Promise.all(heard.map((ear) => ear.until(() => new Set(ear.told()).size === 21)));
  });

  test("makes the catalogue of tools be read anew", async () => {
    origin.tools = [tool("read_it", { annotations: { readOnlyHint: true } })];
    await ask(0, "tools/list");
    await call(at(0), "read_it", {});
    await expect.poll(async () => (await call(at(0), "read_it", {})).cache?.status).toBe("hit");
    const { mouth } = await listening({ toolsListChanged: true });
    origin.tools = [tool("read_it")];
    mouth.tell(TOOLS);
    await expect.poll(async () => (await call(at(0), "read_it", {})).cache).toBeUndefined();
  });

  test("is told to everybody who listens to the list, also where it is private", async () => {
    list("tools/list", "old", "private");
    await kept("tools/list", {}, ann);
    const { heard, mouth } = await listening({ toolsListChanged: true, resourceSubscriptions: ["x://last"] }, ann);
    const other = await hear(1, { toolsListChanged: true, resourceSubscriptions: ["x://last"] }, bob);
    list("tools/list", "new", "private");
    mouth.tell(TOOLS);
    await Promise.all(heard.map((ear) => ear.heard(2)));
    await settled([...heard, other], () => mouth.tell(UPDATED, { uri: "x://last" }), "x://last");
    expect(told([...heard, other])).toEqual([1, 2, 3].map(() => [TOOLS, "x://last"]));
    for (const instance of BOTH) expect((await ask(instance, "tools/list", {}, ann)).text).toContain("new");
  });
});

describe("when the stream breaks", () => {
  test("what it covered is asked for again, and told where it has changed", async () => {
    list("tools/list", "same");
    list("prompts/list", "old");
    for (const uri of ["x://same", "x://changed"]) resource(uri, "old");
    await kept("tools/list");
    await kept("prompts/list");
    for (const uri of ["x://same", "x://changed"]) await kept("resources/read", { uri });
    const filter = { toolsListChanged: true, promptsListChanged: true };
    const { heard, mouth } = await listening({
      ...filter,
      resourceSubscriptions: ["x://same", "x://changed", "x://last"],
    });
    const asked = [counting("tools/list"), counting("resources/read", "x://same")];
    list("prompts/list", "new");
    resource("x://changed", "new");
    const before = mouths.all.length;
    mouth.breakOff();
    const next = await mouths.opened(before + 1);
    await Promise.all(heard.map((ear) => ear.heard(3)));
    for (const count of asked) await expect.poll(count).toBeGreaterThan(0);
    await settled(heard, () => next.tell(UPDATED, { uri: "x://last" }), "x://last");
    const all = told(heard).map((one) => one.slice(0, 2).toSorted().concat(one.slice(2)));
    expect(all).toEqual(BOTH.map(() => [PROMPTS, "x://changed", "x://last"]));
  });

  test("callers' own streams stay open, and so they do when the origin ends it", async () => {
    resource("x://1", "old");
    const { heard, mouth } = await listening({ toolsListChanged: true, resourceSubscriptions: ["x://1"] });
    const before = mouths.all.length;
    mouth.end();
    const next = await mouths.opened(before + 1);
    next.tell(UPDATED, { uri: "x://1" });
    await Promise.all(heard.map((ear) => ear.heard(2)));
    expect(heard.map(({ ended }) => ended)).toEqual(["open", "open"]);
  });
});

describe("what an isolate sees change", () => {
  const NONE = { error: { code: -32601, message: "Method not found" }, status: 404 };
  beforeEach(() => origin.on("subscriptions/listen", () => NONE));

  test("is told in all of them, once, and no instance answers the old one", async () => {
    list("tools/list", "old");
    list("prompts/list", "old");
    resource("x://1", "old");
    await kept("tools/list");
    await kept("prompts/list");
    await kept("resources/read", { uri: "x://1" });
    const filter = { toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: ["x://1"] };
    const heard = await Promise.all(BOTH.map((instance) => hear(instance, filter)));
    list("tools/list", "new");
    resource("x://1", "new");
    // Both see it.
    await Promise.all(BOTH.map((instance) => ask(instance, "tools/list", {}, AGAIN)));
    await ask(1, "resources/read", { uri: "x://1" }, AGAIN);
    await Promise.all(heard.map((ear) => ear.heard(3)));
    for (const instance of BOTH) {
      expect((await ask(instance, "tools/list")).text).toContain("new");
      expect((await ask(instance, "resources/read", { uri: "x://1" })).text).toContain("new");
      // And each answer is kept again.
      expect(await statusOf(instance, "tools/list")).toBe("hit");
      expect(await statusOf(instance, "resources/read", { uri: "x://1" })).toBe("hit");
    }
    list("prompts/list", "new");
    await settled(heard, () => void ask(0, "prompts/list", {}, AGAIN), PROMPTS);
    expect(told(heard).map((one) => one.toSorted())).toEqual(BOTH.map(() => [PROMPTS, TOOLS, "x://1"]));
  });

  test("each time, though it says what it said before", async () => {
    list("tools/list", "one");
    await kept("tools/list");
    const heard = await Promise.all(BOTH.map((instance) => hear(instance, { toolsListChanged: true })));
    for (const [nth, name] of ["two", "one", "two"].entries()) {
      list("tools/list", name);
      await ask(nth % 2, "tools/list", {}, AGAIN);
      await Promise.all(heard.map((ear) => ear.heard(nth + 2)));
    }
    expect(told(heard)).toEqual(BOTH.map(() => [TOOLS, TOOLS, TOOLS]));
  });

  test.each(["public", "private"])("is not made old by being told, where it was seen: %s", async (scope) => {
    let nth = 0;
    origin.on("resources/read x://clock", () => ({
      result: { contents: [{ uri: "x://clock", text: `${++nth}` }], ttlMs: 600_000, cacheScope: scope },
    }));
    const read = (how: Ask = {}) => ask(0, "resources/read", { uri: "x://clock" }, how);
    await read();
    const ear = await hear(0, { resourceSubscriptions: ["x://clock"] });
    for (let time = 1; time <= 3; time++) {
      await read(AGAIN);
      await ear.heard(time + 1);
      expect((await read()).cache?.status).toBe("hit");
    }
    expect(ear.told().slice(1)).toEqual(["x://clock", "x://clock", "x://clock"]);
  });

  test("of what is private is told to its principal alone, in all of them", async () => {
    list("tools/list", "old", "private");
    await kept("tools/list", {}, ann);
    const filter = { toolsListChanged: true, promptsListChanged: true };
    const heard = await Promise.all([hear(0, filter, ann), hear(1, filter, ann), hear(1, filter, bob)]);
    list("tools/list", "new", "private");
    await ask(0, "tools/list", {}, { headers: { ...ann.headers, ...AGAIN.headers } });
    await Promise.all(heard.slice(0, 2).map((ear) => ear.heard(2)));
    expect((await ask(1, "tools/list", {}, ann)).text).toContain("new");
    list("prompts/list", "old");
    await ask(0, "prompts/list");
    list("prompts/list", "new");
    await settled(heard, () => void ask(0, "prompts/list", {}, AGAIN), PROMPTS);
    expect(told(heard)).toEqual([[TOOLS, PROMPTS], [TOOLS, PROMPTS], [PROMPTS]]);
  });
});

test("what the operator purges is looked at, and told where it has changed", async () => {
  list("tools/list", "old");
  resource("x://1", "same");
  await kept("tools/list");
  await kept("resources/read", { uri: "x://1" });
  const { heard } = await listening({ toolsListChanged: true, resourceSubscriptions: ["x://1"] });
  list("tools/list", "new");
  const asked = counting("resources/read", "x://1");
  const purged = await fetch(`${replica.url}/admin/purge`, { method: "POST", body: JSON.stringify({ origin: id }) });
  expect(purged.status).toBe(200);
  await Promise.all(heard.map((ear) => ear.heard(2)));
  await expect.poll(asked).toBeGreaterThan(0);
  for (const instance of BOTH) {
    await expect.poll(() => statusOf(instance, "resources/read", { uri: "x://1" })).toBe("hit");
  }
  expect(heard.map((ear) => ear.told())).toEqual(BOTH.map(() => [ACKNOWLEDGED, TOOLS]));
});

test("a thousand listeners have one stream at the origin, and one pulse between them; each is told", async () => {
  const one: OriginConfig = { url: `${origin.url}?of=${id};`, sync: { pulse: "250ms", listen: "auto" } };
  const full = await startReplica({ origins: { o: one } });
  const uris = Array.from({ length: 100 }, (_, nth) => `x://${nth}`);
  const all: Ear[] = [];
  const pulses = async () => {
    const got = await fetch(`${full.url}/admin/status`);
    return ((await got.json()) as any).origins.o.counted.pulses as number;
  };
  try {
    while (all.length < 1_000) {
      const next = Array.from({ length: 50 }, (_, nth) => uris[(all.length + nth) % 100]!);
      const more = await Promise.all(next.map((uri) => listen(full.mcp, { resourceSubscriptions: ["x://all", uri] })));
      await Promise.all(more.map((ear) => ear.heard(1)));
      all.push(...more);
    }
    const mouth = await live([...uris, "x://all"]);
    const [before, begun] = [await pulses(), Date.now()];
    mouth.tell(UPDATED, { uri: "x://7" });
    mouth.tell(UPDATED, { uri: "x://all" });
    await Promise.all(all.map((ear) => ear.until(() => ear.told().includes("x://all"))));
    const [after, ended] = [await pulses(), Date.now()];
    expect(all.filter((ear) => ear.told().includes("x://7"))).toHaveLength(10);
    expect(all.every((ear) => ear.told().filter((what) => what === "x://all").length === 1)).toBe(true);
    // An interval may be a tenth shorter, and another pulse under way at either end.
    expect(after - before).toBeLessThanOrEqual((ended - begun) / 225 + 2);
    expect(mouths.all.filter(({ isClosed }) => !isClosed)).toHaveLength(1);
  } finally {
    for (const ear of all) ear.leave();
    await full.close();
  }
});
