import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OriginConfig } from "../../src/config/types.ts";
import { Fixture, type Reply, text, tool } from "./support/fixture.ts";
import { type Ear, listen, Mouths } from "./support/listening.ts";
import { type Replica, startReplica, stored, textIn as storedText } from "./support/replica.ts";
import { type Ask, call, type Got, modern, said } from "./support/wire.ts";

const TOOLS = "notifications/tools/list_changed";
const UPDATED = "notifications/resources/updated";

const origin = new Fixture();
let replica: Replica;
/** Each test has an origin of its own: what is listened to at one goes on. */
let id: string;
let used = 0;
const open: Ear[] = [];

beforeAll(async () => {
  await origin.start();
  const named = Array.from({ length: 20 }, (_, nth): [string, OriginConfig] => [
    `o${nth}`,
    {
      url: `${origin.url}?of=o${nth};`,
      sync: { listen: "auto", pulse: "250ms" },
      resources: { "x://*": { cache: { ttl: "10m" } } },
      tools: { kept: { cache: { ttl: "10m" } } },
      timeout: { firstByte: "2s", total: "2s" },
    },
  ]);
  replica = await startReplica({ origins: Object.fromEntries(named) });
});
beforeEach(async () => {
  id = `o${used++}`;
  for (const ear of open.splice(0)) ear.leave();
  origin.reset();
  origin.tools = [tool("kept")];
});
afterAll(async () => {
  for (const ear of open.splice(0)) ear.leave();
  await replica?.close();
  await origin.stop();
});

const at = () => `${replica.url}/mcp/${id}`;
const statusOf = ({ cache }: Got) => cache?.status;
const REFRESH: Ask = { headers: { "cache-control": "no-cache" } };
const HINTS = { ttlMs: 600_000, cacheScope: "private" };
const read = (uri: string) => modern(at(), "resources/read", { uri });
const textIn = ({ body }: Got) => body.result.contents[0].text;
const list = (ask: Ask = {}) => modern(at(), "tools/list", {}, ask);
const namesIn = ({ body }: Got) => body.result.tools.map(({ name }: { name: string }) => name);

/** Comes after everything else that the origin tells. */
const LAST = "z://last";

/** A listener that has been acknowledged, and the origin's stream, which is asked to tell of all of it. */
async function pair(notifications: Record<string, unknown>) {
  const mouths = new Mouths(origin, { path: `of=${id};` });
  const uris = [...((notifications["resourceSubscriptions"] as string[] | undefined) ?? []), LAST];
  const ear = await listen(at(), { ...notifications, resourceSubscriptions: uris });
  open.push(ear);
  await ear.heard(1);
  const live = () => mouths.all.findLast(({ isClosed }) => !isClosed);
  await expect.poll(() => live()?.filter.resourceSubscriptions).toEqual(uris);
  /** Has the origin tell something, and waits until the replica has heard it. */
  const tell = async (method?: string, params = {}) => {
    const before = ear.told().filter((what) => what === LAST).length;
    if (method) live()!.tell(method, params);
    live()!.tell(UPDATED, { uri: LAST });
    await ear.until(() => ear.told().filter((what) => what === LAST).length > before);
  };
  return { ear, mouth: live()!, mouths, tell };
}

/** A gate that handlers wait at. */
function gate(): { open: () => void; passed: Promise<void> } {
  let open: () => void = () => {};
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
}

test("5: an old list that was on its way when the origin told of a change is not kept", async () => {
  const held = gate();
  let edition = "old";
  origin.on("tools/list", async () => {
    const mine = edition;
    if (mine === "old") await held.passed;
    return { result: { tools: [tool(mine)], ...HINTS } };
  });
  const { tell } = await pair({ toolsListChanged: true });
  const slow = list(REFRESH);
  // The listener's own is on its way as well.
  await expect.poll(() => origin.count("tools/list")).toBe(2);
  edition = "new";
  await tell(TOOLS);
  held.open();
  expect(namesIn(await slow)).toEqual(["old"]);
  const next = await list();
  expect([statusOf(next), namesIn(next)]).toEqual(["miss", ["new"]]);
  expect(statusOf(await list())).toBe("hit");
  const [name] = await stored(replica, "tools/list", id);
  await expect.poll(() => storedText(replica, name!)).toContain('"new"');
});

describe("6: a resource that the origin says has changed", () => {
  test("is asked for anew, and so is what lies below it", async () => {
    const uris = ["x://a", "x://a/b", "x://c"];
    for (const uri of uris) await read(uri);
    const { tell } = await pair({ resourceSubscriptions: ["x://a"] });
    await tell(UPDATED, { uri: "x://a" });
    const after = [];
    for (const uri of uris) after.push(statusOf(await read(uri)));
    expect(after).toEqual(["miss", "miss", "hit"]);
  });

  test.each(["x://late", "x://late/below"])("while %s is being read, is not kept as it was", async (uri) => {
    const held = gate();
    origin.on(`resources/read ${uri}`, async ({ nth }) => {
      if (nth === 1) await held.passed;
      return { result: { contents: [{ uri, text: `${nth}` }], ...HINTS } };
    });
    const { tell } = await pair({ resourceSubscriptions: ["x://late"] });
    const slow = read(uri);
    await expect.poll(() => origin.count("resources/read", uri)).toBe(1);
    await tell(UPDATED, { uri: "x://late" });
    held.open();
    expect(textIn(await slow)).toBe("1");
    const next = await read(uri);
    expect([statusOf(next), textIn(next)]).toEqual(["miss", "2"]);
  });
});

test("7: after a break, what was listened to is asked for again, and told once, if it is another", async () => {
  const edition = { tools: "same", prompts: "same" };
  origin.on("tools/list", () => ({ result: { tools: [tool(edition.tools)], ...HINTS } }));
  origin.on("prompts/list", () => ({ result: { prompts: [{ name: edition.prompts }], ...HINTS } }));
  await list(REFRESH);
  await modern(at(), "prompts/list", {}, REFRESH);
  const { ear, mouth, mouths, tell } = await pair({ toolsListChanged: true, promptsListChanged: true });
  const counts = () => [origin.count("tools/list"), origin.count("prompts/list")];
  const before = counts();
  const opened = mouths.all.length;
  edition.tools = "another";
  mouth.breakOff();
  await mouths.opened(opened + 1);
  await expect.poll(() => counts().every((count, nth) => count > before[nth]!)).toBe(true);
  await ear.until(() => ear.told().includes(TOOLS));
  // What comes after it shows that nothing else was told.
  await tell();
  expect(ear.told().slice(1)).toEqual([TOOLS, LAST]);
  expect(namesIn(await list())).toEqual(["another"]);
});

describe("10: no answer is kept", () => {
  const answer = text("half");
  const BAD: [what: string, reply: Reply | "reset"][] = [
    ["that the tool calls an error", text("no", { isError: true })],
    ["that is an error of JSON-RPC", { error: { code: -32603, message: "no" } }],
    ["whose stream ends before it", { sse: true, text: ": nothing\n\n" }],
    ["whose stream is cut in the middle of it", { ...answer, sse: true, breakOff: true }],
    ["whose JSON is cut in the middle of it", { ...answer, breakOff: true }],
  ];

  test.each(BAD.flatMap(([what, reply]) => [false, true].map((streams) => [what, streams, reply] as const)))(
    "%s (asked to tell the progress: %s)",
    async (what, streams, reply) => {
      const args = { what, streams };
      const ask: Ask = streams ? { meta: { progressToken: 1 } } : {};
      origin.on("tools/call kept", () => reply);
      const got = await call(at(), "kept", args, ask).catch(() => undefined);
      expect(got?.cache).toBeUndefined();
      const cached = await call(at(), "kept", args, { headers: { "cache-control": "only-if-cached" } });
      expect(cached.body.result.isError).toBe(true);
      origin.on("tools/call kept", () => text("good"));
      await expect.poll(async () => said(await call(at(), "kept", args))).toBe("good");
    },
  );
});
