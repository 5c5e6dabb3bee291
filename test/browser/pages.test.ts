import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bearer, makeKey, PEPPER } from "../integration/support/keys.ts";
import { mark } from "../integration/support/mark.ts";
import { type Replica, startReplica } from "../integration/support/replica.ts";
import type { Page, Visit } from "./page/main.ts";
import { startBrowser } from "./support/startBrowser.ts";
import { type SdkOrigin, startSdkOrigin } from "./support/startSdkOrigin.ts";
import { type Site, startSite } from "./support/startSite.ts";

const OURS = "app.example";
const EVIL = "evil.example";

let origin: SdkOrigin;
let site: Site;
let open: Replica;
let keyed: Replica;
let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  // First, for without it there is no need to start the rest.
  browser = await startBrowser([OURS, EVIL]);
  [origin, site] = [await startSdkOrigin(), await startSite()];
  const cache = { ttl: "10m" } as const;
  const config = {
    origins: { o: { url: origin.url, tools: { greet: { cache }, weather: { cache } } } },
    hosts: [OURS],
  };
  const vars = { REPLICA_LOG: "line", KEY_PEPPER: PEPPER };
  open = await startReplica(config, { vars });
  keyed = await startReplica({ ...config, access: { keys: true } }, { vars });
});
beforeEach(async () => {
  // Nothing remembered: no preflight, no connection.
  context = await browser.newContext();
  origin.calls.length = 0;
});
afterEach(() => context?.close());
afterAll(async () => {
  await Promise.all([browser?.close(), open?.close(), keyed?.close(), site?.close(), origin?.close()]);
});

/** Opens the page under that name, and has it do something. */
async function at<Name extends keyof Page>(
  host: string,
  name: Name,
  ...given: Parameters<Page[Name]>
): Promise<Awaited<ReturnType<Page[Name]>>> {
  const tab = await context.newPage();
  await tab.goto(`http://${host}:${site.port}/`);
  await tab.waitForFunction(() => "page" in globalThis);
  // What crosses over is JSON, of which playwright's types know nothing.
  const act = ([name, given]: [string, any[]]) => (globalThis as any).page[name](...given);
  return tab.evaluate(act as (given: unknown) => Promise<any>, [name, given]);
}

const visit = (host: string, given: Visit) => at(host, "visit", given);
const fetchFrom = (host: string, url: string, init?: RequestInit) => at(host, "fetch", url, init);

/** All that the replica has done since is to refuse, so often at least. */
async function expectRefused(before: number, times = 1): Promise<void> {
  const lines = open.lines.slice(before, (await mark(open)) - 1);
  expect(lines.length).toBeGreaterThanOrEqual(times);
  for (const line of lines) expect(line).toContain("error origin_not_allowed");
}

const PING = {
  method: "POST",
  headers: { accept: "application/json, text/event-stream", "content-type": "application/json" },
  body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
};

describe.each([
  ["legacy, as the client is by default", false],
  ["modern", true],
])("the official client in a page (%s)", (era, isModern) => {
  test.each(["127.0.0.1", "localhost", OURS])(
    "at %s connects, lists the tools, and is answered from the cache",
    async (host) => {
      const before = await mark(open);
      const args = { name: `${era} ${host}` };
      const { tools, calls, errors } = await visit(host, { url: open.mcp, isModern, tool: "greet", args });
      expect(tools).toEqual(["greet", "weather"]);
      expect(calls.map(({ text }) => text)).toEqual([`Hello ${args.name}`, `Hello ${args.name}`]);
      expect(calls.map(({ status }) => status)).toEqual(["miss", "hit"]);
      expect(calls.map(({ cacheStatus }) => cacheStatus)).toEqual([
        expect.stringContaining("fwd="),
        expect.stringContaining("hit"),
      ]);
      expect(errors).toEqual([]);
      // The browser did ask: this was a call to another site.
      expect(open.lines.slice(before, await mark(open)).join("\n")).toMatch(/^OPTIONS - local /m);
    },
  );

  test("is let in with a key", async () => {
    const { headers } = bearer((await makeKey(keyed)).key);
    const args = { name: era };
    const { calls } = await visit("127.0.0.1", { url: keyed.mcp, isModern, headers, tool: "greet", args });
    expect(calls.map(({ status }) => status)).toEqual(["miss", "hit"]);
  });

  test("is told that it needs a key", async () => {
    const visited = visit("127.0.0.1", { url: keyed.mcp, isModern, tool: "greet", args: {} });
    await expect(visited).rejects.toThrow(/401|unauthorized/i);
  });

  test("is kept out by the browser where the replica does not know the page's name", async () => {
    const before = await mark(open);
    const visited = visit(EVIL, { url: open.mcp, isModern, tool: "greet", args: {} });
    await expect(visited).rejects.toThrow(isModern ? "did not offer pinned" : "Failed to fetch");
    await expectRefused(before);
  });
});

test("a page may send the header in which a tool wants an argument mirrored", async () => {
  const args = { region: "Brittany" };
  // In a page the client leaves that to the page, for it cannot know what a server lets pages send.
  const callHeaders = { "Mcp-Param-Region": args.region };
  const given = { url: open.mcp, isModern: true, tool: "weather", args };
  const { calls, errors } = await visit("127.0.0.1", { ...given, callHeaders });
  expect(calls.map(({ text, status }) => [text, status])).toEqual([
    ["Rain in Brittany", "miss"],
    ["Rain in Brittany", "hit"],
  ]);
  expect(errors).toEqual([]);
  expect(origin.calls).toEqual([{ tool: "weather", region: "Brittany" }]);
  await expect(visit("127.0.0.1", given)).rejects.toThrow("Mcp-Param-Region header is absent");
});

test("a page reads a 401, what it says, and which credential is wanted", async () => {
  const got = await fetchFrom("127.0.0.1", keyed.mcp, PING);
  expect(got).toMatchObject({ status: 401, headers: { "www-authenticate": "Bearer" } });
  expect(JSON.parse((got as { text: string }).text).error.data.code).toBe("unauthorized");
});

describe("a page of a name that the replica does not know", () => {
  test("is told nothing, not even why", async () => {
    for (const replica of [open, keyed]) {
      for (const init of [PING, { method: "GET" }, { method: "DELETE" }, { method: "OPTIONS" }]) {
        expect(await fetchFrom(EVIL, replica.mcp, init)).toEqual({ refused: "TypeError: Failed to fetch" });
      }
    }
  });

  test("does nothing with a call for which browsers do not ask first", async () => {
    const before = await mark(open);
    const simple = { method: "POST", headers: { "content-type": "text/plain" }, body: PING.body };
    expect(await fetchFrom(EVIL, open.mcp, simple)).toEqual({ refused: "TypeError: Failed to fetch" });
    expect(await fetchFrom(EVIL, open.mcp, { ...simple, mode: "no-cors" })).toMatchObject({ status: 0, text: "" });
    await expectRefused(before, 2);
  });
});

test("a page may not send a header that MCP does not know", async () => {
  const known = await fetchFrom("127.0.0.1", open.mcp, PING);
  expect(known).toMatchObject({ status: 200 });
  const headers = { ...PING.headers, "x-other": "1" };
  expect(await fetchFrom("127.0.0.1", open.mcp, { ...PING, headers })).toEqual({
    refused: "TypeError: Failed to fetch",
  });
});
