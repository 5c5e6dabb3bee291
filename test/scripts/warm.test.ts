import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startProgress } from "../../scripts/replica/progress.ts";
import { serve, type Served } from "../../scripts/serve/serve.ts";
import { Fixture, text, tool } from "../integration/support/fixture.ts";
import { runScript, tempFolder } from "./runScript.ts";

const TOKEN = "s3cret";
const origin = new Fixture();
let served: Served;

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("search")];
  const config = path.join(tempFolder(), "config.mjs");
  const cache = { ttl: "10m", scope: "public" };
  const origins = { catalog: { url: origin.url, lists: { defaultTtl: "10m" }, tools: { search: { cache } } } };
  writeFileSync(config, `export default ${JSON.stringify({ origins, access: { open: true } })};`);
  served = await serve({ config, vars: { ADMIN_TOKEN: TOKEN } });
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await served?.close();
  await origin.stop();
});

/** A file of these lines. */
function linesIn(...lines: (object | string)[]): string {
  const file = path.join(tempFolder(), "arguments.jsonl");
  writeFileSync(file, lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"));
  return file;
}

function warm(args: string[]) {
  const script = runScript("scripts/replica/main.ts", ["warm", ...args], { REPLICA_ADMIN_TOKEN: TOKEN });
  let printed = "";
  script.child.stdout!.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  return { ...script, printed: () => printed };
}

const to = () => ["--tool", "search", "--url", served.url];
let ids = 0;
const fresh = () => ({ q: `${++ids}` });

test("each line of the file is a call, whose answer is kept; a second time all are there already", async () => {
  const file = linesIn(...Array.from({ length: 45 }, fresh), "", "  ");
  const first = warm([...to(), "--arguments", file]);
  expect(await first.ended, first.output()).toBe(0);
  expect(first.printed()).toBe("catalog search: 45 filled, 0 already there, 0 failed\n");
  // How far it is, is said elsewhere than what came of it.
  expect(first.output()).toMatch(/20 of 45, [\d.]+\/s, \d+ s left\n/);
  expect(origin.count("tools/call", "search")).toBe(45);
  const second = warm([...to(), "--arguments", file, "--origin", "catalog", "--json"]);
  expect(await second.ended, second.output()).toBe(0);
  const none = { filled: 0, failed: 0, reasons: [] };
  expect(JSON.parse(second.printed())).toEqual({ origin: "catalog", tool: "search", there: 45, ...none });
  expect(origin.count("tools/call", "search")).toBe(45);
});

test("what an origin says of a call that failed does nothing to the terminal, and makes no line", async () => {
  origin.on("tools/call search", () => text("boom\u001b]0;title\u0007\n45 filled", { isError: true }));
  const script = warm([...to(), "--arguments", linesIn(fresh())]);
  expect(await script.ended).toBe(1);
  expect(script.printed()).toContain("the tool failed: boom?]0;title??45 filled. [not_kept]\n");
});

test("what failed is summed up, with the first reasons and their lines, and the end is not a good one", async () => {
  origin.on("tools/call search", ({ params }) =>
    text("no such thing", { isError: params.arguments.q.startsWith("bad") }),
  );
  const bad = Array.from({ length: 7 }, (_, nth) => ({ q: `bad ${nth}` }));
  const script = warm([...to(), "--arguments", linesIn(fresh(), "", ...bad)]);
  expect(await script.ended).toBe(1);
  expect(script.printed()).toContain("catalog search: 1 filled, 0 already there, 7 failed\n  line 3: ");
  expect(script.printed()).toContain("the tool failed: no such thing. [not_kept]");
  expect(script.printed()).toContain("\n  and 2 more\n");
});

test("a bad line is told with its number and what is wrong with it, before anything is sent", async () => {
  const script = warm([...to(), "--arguments", linesIn(fresh(), "{", "[1]", '{"a":1,"a":2}', "null")]);
  expect(await script.ended).toBe(1);
  expect(script.output()).toMatch(
    /Nothing was sent.*\nline 2: .+\nline 3: not an object.*\nline 4: two keys.*\nline 5: not an/,
  );
  expect(origin.seen).toEqual([]);
});

test.each([
  ["that is empty", () => linesIn(""), "is empty"],
  ["that is not there", () => "/nowhere/arguments.jsonl", "ENOENT"],
])("a file %s is a clear error", async (_, file, words) => {
  const script = warm([...to(), "--arguments", file()]);
  expect(await script.ended).toBe(1);
  expect(script.output()).toContain(words);
});

test("what the replica refuses is told in its words", async () => {
  const script = warm(["--tool", "other", "--url", served.url, "--arguments", linesIn(fresh())]);
  expect(await script.ended).toBe(1);
  expect(script.output()).toContain("[warm_not_cached]");
});

test.each([[[]], [["--tool", "x"]], [["--arguments", "x"]], [["--tool", "x", "--args", "x"]]])(
  "%j is refused with the usage",
  async (args) => {
    const script = warm(args);
    expect(await script.ended).toBe(2);
    expect(script.output()).toContain("replica -- warm");
  },
);

describe("progress", () => {
  /** What is shown of steps of 100 of 1,000, each of which takes so long. */
  function shown(isTTY: boolean, stepMs: number, steps: number): string[] {
    const written: string[] = [];
    let now = 1_000_000;
    const progress = startProgress(1_000, { isTTY, write: (text) => written.push(text) }, () => now);
    for (let step = 0; step < steps; step++) {
      now += stepMs;
      progress.add(100);
    }
    progress.end();
    return written;
  }

  test("is a line of its own at first and then every two seconds, where it is written to a file", () => {
    expect(shown(false, 500, 10)).toEqual([
      "100 of 1000, 200/s, 5 s left\n",
      "500 of 1000, 200/s, 3 s left\n",
      "900 of 1000, 200/s, 1 s left\n",
    ]);
  });

  test("is one line, written over, on a terminal", () => {
    expect(shown(true, 60_000, 2)).toEqual([
      "\r100 of 1000, 1.7/s, 9 min left\u001B[K",
      "\r200 of 1000, 1.7/s, 8 min left\u001B[K",
      "\n",
    ]);
  });
});
