import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, expect, test } from "vitest";
import { startOrigin } from "../../scripts/origin/startOrigin.ts";
import { runScript, tempFolder, type Running } from "./runScript.ts";

const running: Running[] = [];

function start(...args: string[]): Running {
  const script = runScript("scripts/start.ts", ["--port", "0", ...args]);
  running.push(script);
  return script;
}

async function stop(script: Running): Promise<number | null> {
  script.child.kill("SIGINT");
  return script.ended;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map(stop));
});

async function ask(url: string, method: string, params: object = {}) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  await response.text();
  return { status: response.headers.get("cache-status") ?? "" };
}

function filesIn(folder: string): string[] {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true });
  return found.filter((one) => one.isFile()).map(({ parentPath, name }) => path.join(parentPath, name));
}

const support = { name: "check_support", arguments: { id: "css.properties.gap", browser: "firefox" } };
const feature = { name: "get_feature", arguments: { id: "css.properties.gap" } };

test(
  "npm start serves the origin to try it with, prints a line for each request, and ends cleanly",
  { timeout: 60_000 },
  async () => {
    const script = start("--state", tempFolder());
    const [, url = ""] = await script.line(/^ready (http:\/\/127\.0\.0\.1:\d+\/mcp)$/m);
    const [, origin = ""] = await script.line(/^origin (http:\/\/127\.0\.0\.1:\d+\/mcp)$/m);
    await ask(url, "tools/call", support);
    await ask(url, "tools/call", support);
    await script.line(/^tools\/call check_support miss age=\d+ms [\d.]+ms [0-9a-f]{8}$/m);
    await script.line(/^tools\/call check_support hit age=\d+ms [\d.]+ms [0-9a-f]{8}$/m);
    expect(await stop(script)).toBe(0);
    await expect(fetch(url)).rejects.toThrow();
    await expect(fetch(origin)).rejects.toThrow();
  },
);

test("state persists over a restart, what is mirrored too, and --fresh drops it", { timeout: 120_000 }, async () => {
  const origin = await startOrigin({ only: "css.properties.gap" });
  const state = tempFolder();
  const config = path.join(state, "config.mjs");
  const pages = { tool: "list_features", arguments: { detail: "full" }, rows: "/features" };
  const features = { from: pages, key: "id", scope: "public" };
  const browsers = { from: { resources: "bcd://browser/*" }, key: "id", scope: "public" };
  const tools = {
    get_feature: { answer: { from: "features", key: "{id}" } },
    check_support: { cache: { ttl: "5m", scope: "public" } },
  };
  const origins = { bcd: { url: origin.url, collections: { features, browsers }, tools } };
  writeFileSync(config, `export default ${JSON.stringify({ origins, access: { open: true } })};`);
  const asked = (url: string) => Promise.all([ask(url, "tools/call", support), ask(url, "tools/call", feature)]);
  try {
    const first = start("--state", state, "--config", config);
    const [, url = ""] = await first.line(/^ready (\S+)$/m);
    await first.line(/^(features|browsers): (begun|not begun yet|[\d,]+ of [\d,]+ rows, )/m);
    await first.line(/^mirrored [\d,]+ features, 17 browsers in \d+ s$/m);
    const [miss, mirrored] = await asked(url);
    expect(miss!.status).toContain("fwd=uri-miss");
    expect(mirrored!.status).toMatch(/; hit; ttl=\d+; detail=mirror$/);
    // Answers are written after they have left, under names that say the method.
    const isWritten = () => filesIn(state).some((file) => readFileSync(file).includes("/tools/call/"));
    await expect.poll(isWritten, { timeout: 15_000, interval: 250 }).toBe(true);
    await stop(first);

    const second = start("--state", state, "--config", config, "--quiet");
    const [, again = ""] = await second.line(/^ready (\S+)$/m);
    for (const { status } of await asked(again)) expect(status).toContain("hit");
    await stop(second);
    expect(second.output()).not.toMatch(/tools\/call|mirrored|begun/);

    const third = start("--state", state, "--config", config, "--fresh");
    const [, fresh = ""] = await third.line(/^ready (\S+)$/m);
    expect((await ask(fresh, "tools/call", support)).status).toContain("fwd=uri-miss");
  } finally {
    await origin.close();
  }
});

test("--origin puts the replica in front of any server, and caches what the protocol allows", async () => {
  const origin = await startOrigin({});
  try {
    const script = start("--state", tempFolder(), "--origin", origin.url);
    const [, url = ""] = await script.line(/^ready (\S+)$/m);
    expect(script.output()).not.toMatch(/^origin /m);
    await ask(url, "tools/call", support);
    expect((await ask(url, "tools/call", support)).status).toContain("fwd=bypass");
  } finally {
    await origin.close();
  }
});

test("--config with a mistake says where, what was found and what was expected", async () => {
  const file = path.join(tempFolder(), "config.mjs");
  writeFileSync(
    file,
    `export default { origins: { a: { url: "https://a.test/mcp", tools: { t: { cache: { ttl: "5 minutes" } } } } } };`,
  );
  const script = start("--state", tempFolder(), "--config", file);
  expect(await script.ended).toBe(1);
  expect(script.output()).toContain('origins.a.tools.t.cache.ttl: found "5 minutes", expected a duration such as');
});

test.each([
  [["--port", "many"], "--port many"],
  [["--origin", "https://a.test/mcp", "--config", "x.ts"], "exclude each other"],
  [["--nonsense"], "--nonsense"],
])("wrong options %j end with the usage and exit code 2", async (args, words) => {
  const script = runScript("scripts/start.ts", args);
  expect(await script.ended).toBe(2);
  expect(script.output()).toContain(words);
  expect(script.output()).toContain("npm start -- [options]");
});

test("a port that is taken is said so", async () => {
  const origin = await startOrigin({});
  try {
    const script = runScript("scripts/start.ts", ["--state", tempFolder(), "--port", String(origin.port)]);
    expect(await script.ended).toBe(1);
    expect(script.output()).toContain(`Port ${origin.port} of 127.0.0.1 is taken`);
  } finally {
    await origin.close();
  }
});

test("--origin that may not be used is refused before anything starts", async () => {
  const script = start("--state", tempFolder(), "--origin", "http://user:secret@10.0.0.1/mcp");
  expect(await script.ended).toBe(1);
  expect(script.output()).toContain("an https URL, or an http one on loopback");
  expect(script.output()).not.toContain("secret");
});
