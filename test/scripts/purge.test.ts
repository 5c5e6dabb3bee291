import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startOrigin } from "../../scripts/origin/startOrigin.ts";
import { serve, type Served } from "../../scripts/serve/serve.ts";
import { runScript, tempFolder } from "./runScript.ts";

const TOKEN = "s3cret";
let origin: Awaited<ReturnType<typeof startOrigin>>;
let served: Served;

beforeAll(async () => {
  origin = await startOrigin({});
  const config = path.join(tempFolder(), "config.mjs");
  const origins = { catalog: { url: origin.url } };
  writeFileSync(config, `export default ${JSON.stringify({ origins, access: { open: true } })};`);
  served = await serve({ config, vars: { ADMIN_TOKEN: TOKEN } });
});
afterAll(async () => {
  await served?.close();
  await origin?.close();
});

const purge = (args: string[], token = TOKEN) =>
  runScript("scripts/replica/main.ts", ["purge", ...args], { REPLICA_ADMIN_TOKEN: token });

test.each([
  [["--tool", "search"], "catalog: tool:search stale"],
  [["--tag", "a", "--tag", "b", "--hard"], "catalog: a, b gone"],
  [["--resource", "x://1"], "catalog: resource:x://1 stale"],
  [["--origin", "catalog"], "catalog: origin stale"],
])("purge %j says what was purged", async (args, words) => {
  const script = purge([...args, "--url", served.url]);
  expect(await script.ended, script.output()).toBe(0);
  expect(script.output()).toContain(words);
});

test("with --json it prints JSON, and nothing else", async () => {
  const script = purge(["--tool", "search", "--hard", "--json", "--url", served.url]);
  expect(await script.ended, script.output()).toBe(0);
  expect(JSON.parse(script.output())).toMatchObject({ origin: "catalog", tags: ["tool:search"], hard: true });
});

test("what the replica refuses is told in its words, and the token is not repeated", async () => {
  const script = purge(["--tool", "search", "--url", served.url], "another");
  expect(await script.ended).toBe(1);
  expect(script.output()).toContain("[admin_unauthorized]");
  expect(script.output()).not.toContain("another");
  const other = purge(["--origin", "elsewhere", "--url", served.url]);
  expect(await other.ended).toBe(1);
  expect(other.output()).toContain("Name one of these origins: catalog.");
});

test("that nothing is there is a clear error, and so is that something else is", async () => {
  const script = purge(["--tool", "search", "--url", "http://127.0.0.1:1"]);
  expect(await script.ended).toBe(1);
  expect(script.output()).toContain("Cannot reach a replica at http://127.0.0.1:1");
  const other = purge(["--tool", "search", "--url", origin.url]);
  expect(await other.ended).toBe(1);
  expect(other.output()).toContain("refused (HTTP ");
});

test.each([[[]], [["--hard"]], [["--tool"]], [["--tools", "x"]], [["--tool", "x", "--url", "nowhere"]]])(
  "%j is refused with the usage",
  async (args) => {
    const script = purge(args);
    expect(await script.ended).toBe(2);
    expect(script.output()).toContain("replica -- purge");
  },
);
