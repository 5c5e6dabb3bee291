import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { jobLines, jobRows, tenantLines } from "../../scripts/replica/jobText.ts";
import { serve, type Served } from "../../scripts/serve/serve.ts";
import type { OperationShown } from "../../src/outbox/OutboxStatus.ts";
import { Fixture, text, tool } from "../integration/support/fixture.ts";
import { call, type Got } from "../integration/support/wire.ts";
import { runScript, tempFolder } from "./runScript.ts";

const TOKEN = "s3cret";
const origin = new Fixture();
let served: Served;
/** What the origin has done, in its order. */
let done: string[] = [];

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("put"), tool("add")];
  const config = path.join(tempFolder(), "config.mjs");
  const write = { queue: "when-down", orderBy: "item:{id}", unlessTask: "notify" };
  const tools = { put: { write }, add: { write: { ...write, idempotent: true } } };
  const origins = { shop: { url: origin.url, tools } };
  writeFileSync(config, `export default ${JSON.stringify({ origins, access: { open: true } })};`);
  served = await serve({ config, vars: { ADMIN_TOKEN: TOKEN } });
});
afterAll(async () => {
  await served?.close();
  await origin.stop();
});

function replica(...args: string[]) {
  return runScript("scripts/replica/main.ts", [...args, "--url", served.url], { REPLICA_ADMIN_TOKEN: TOKEN });
}
/** What a command prints that goes well. */
async function printed(...args: string[]) {
  const script = replica(...args);
  expect(await script.ended, script.output()).toBe(0);
  return script;
}

const put = (name: string, id: string) => call(`${served.url}/mcp`, name, { id, text: "\u001b[2Jhidden" });
const jobId = ({ body }: Got): string => body.result._meta["edge-replica/error"].operationId;

test("writes that were queued, and those that are stuck, are listed, shown, sent again, given up and drained", async () => {
  origin.on("tools/call", ({ params }) => {
    done.push(`${params.name} ${params.arguments.id}`);
    return text("there");
  });
  origin.on("tools/call put", () => "reset");
  const stuck = [await put("put", "1"), await put("put", "2")].map(jobId) as [string, string];
  origin.on("tools/call put", ({ params }) => {
    done.push(`put ${params.arguments.id}`);
    return text("there");
  });
  await origin.stop();
  // Behind the first, and with the origin down.
  const behind = jobId(await put("add", "1"));
  const free = jobId(await put("add", "3"));

  const listed = await printed("jobs");
  expect(listed.output()).toMatch(/shop: 2 to be sent; the oldest since \d+ s;.* 2 ambiguous, 0 dead; /);
  const rows = listed.stdout().trim().split("\n").slice(1);
  expect(rows.map((row) => row.split(/\s+/).slice(0, 3))).toEqual([
    [free, "add", "accepted"],
    [behind, "add", "accepted"],
    [stuck[1], "put", "ambiguous"],
    [stuck[0], "put", "ambiguous"],
  ]);
  expect(listed.output()).not.toContain("hidden");
  const two = await printed("jobs", "--state", "ambiguous", "--state", "dead", "--tool", "put", "--limit", "1");
  expect(two.stdout()).toMatch(new RegExp(`^job .*\n${stuck[1]} +put +ambiguous +1 +\\d+ s +no-answer\n$`));
  expect(two.output()).toContain("There are more: --before ");

  const one = await printed("job", stuck[0]);
  for (const line of [/^ {2}state +ambiguous: no-answer$/m, /^ {2}order +key:item:1 \(park where stuck\)$/m])
    expect(one.stdout()).toMatch(line);
  expect(one.stdout()).toContain('arguments    {"id":"1","text":"\\u001b[2Jhidden"}');
  const shown = JSON.parse((await printed("jobs", stuck[0], "--json")).stdout());
  expect(shown.job).toMatchObject({ id: stuck[0], args: '{"id":"1","text":"\\u001b[2Jhidden"}' });

  const status = await printed("status");
  expect(status.stdout()).toMatch(/^ {2}outbox +2 to be sent; .* 2 ambiguous, 0 dead; 1 KiB$/m);
  const headers = { authorization: `Bearer ${TOKEN}` };
  const metrics = await (await fetch(`${served.url}/metrics`, { headers })).text();
  expect(metrics).toContain('replica_outbox_operations{origin="shop",state="ambiguous"} 2\n');

  await origin.start();
  const decided = replica("redrive", stuck[0], free);
  expect(await decided.ended, decided.output()).toBe(1);
  expect(decided.stdout()).toBe(`${stuck[0]}  put  accepted\n`);
  expect(decided.output()).toContain(`${free}: only what is ambiguous, dead or discarded can be sent again`);
  const discarded = await printed("discard", stuck[1], "--why", "it is there");
  expect(discarded.stdout()).toBe(`${stuck[1]}  put  discarded\n`);

  const drained = await printed("drain");
  expect(drained.stdout()).toMatch(/^shop: \d writes? sent or given up; 0 to be sent; 0 ambiguous, 0 dead; 0 KiB\n$/);
  // The first of the key went first.
  expect(done.filter((one) => one.endsWith(" 1"))).toEqual(["put 1", "add 1"]);
  expect(done.toSorted()).toEqual(["add 1", "add 3", "put 1"]);
  const answered = (await printed("jobs", behind)).stdout();
  expect(answered).toMatch(/^ {2}state +done$/m);
  expect(answered).toMatch(/^ {2}result +\{.*there.*\}$/m);
  expect((await printed("jobs", stuck[1])).stdout()).toMatch(/^ {2}state +discarded: discarded: it is there$/m);
});

test("what cannot be drained is told, and is no good end", async () => {
  origin.on("tools/call put", () => "reset");
  const stuck = jobId(await put("put", "9"));
  await origin.stop();
  await put("put", "9");
  await origin.start();
  const script = replica("drain", "--within", "1");
  expect(await script.ended).toBe(1);
  expect(script.stdout()).toMatch(/^shop: 0 writes sent or given up; 1 to be sent; .*1 ambiguous, 0 dead; 1 KiB\n$/);
  expect(script.output()).toContain("Nothing moves: they wait for the origin, or behind what is ambiguous or dead.");
  expect((await printed("discard", stuck, "--why", "x")).stdout()).toContain("discarded");
});

test("what the replica refuses is told in its words", async () => {
  const nobodys = `er-op-${"0".repeat(32)}`;
  for (const [args, words] of [
    [["jobs", "--state", "stuck"], "[bad_jobs]"],
    [["jobs", nobodys], "[unknown_job]"],
    [["jobs", "--origin", "elsewhere"], "Name one of these origins: shop."],
    [["redrive", "1"], "[bad_jobs]"],
    [["redrive", nobodys], "there is none of that id"],
  ] as const) {
    const script = replica(...args);
    expect(await script.ended, args.join(" ")).toBe(1);
    expect(script.output()).toContain(words);
  }
});

test.each([
  [["jobs", "a", "b"], "Name one job"],
  [["jobs", "a", "--state", "dead"], "nothing else chooses it"],
  [["redrive"], "Name a job"],
  [["discard", "a"], "--why TEXT"],
  [["discard", "a", "--why", ""], "--why TEXT"],
  [["drain", "--within", "soon"], "--within soon"],
])("%j is refused with the usage", async (args, words) => {
  const script = replica(...args);
  expect(await script.ended).toBe(2);
  expect(script.output()).toContain(words);
  expect(script.output()).toContain("npm run replica -- jobs");
});

test("what callers and origins have given does nothing to the terminal", () => {
  const evil = "x\u001b[2J\u202e\ny";
  const job: OperationShown = {
    id: "er-op-1",
    seq: 1,
    principal: evil,
    tool: evil,
    orderKey: evil,
    ifStuck: "park",
    idempotency: { kind: "argument", name: evil, key: evil },
    tags: [evil],
    isQueued: true,
    isAwaited: false,
    state: "retry",
    reason: "timeout",
    attempts: 2,
    acceptedAt: 1_000,
    updatedAt: 2_000,
    dueAt: 9_000,
    givesUpAt: 10_000,
    why: evil,
    outcome: { kind: "error", text: evil, era: "modern" },
    args: evil,
  };
  const { tenants, ...counts } = {
    tenants: [{ origin: evil, counts: { accepted: 1, leased: 0, retry: 0, ambiguous: 0, dead: 0 } as never }],
    missed: 2,
    areAll: false,
  };
  const lines = [
    ...jobLines(job, 5_000),
    ...jobRows([job], 5_000).flat(),
    ...tenantLines({ ...counts, tenants } as never, 5_000),
  ];
  for (const character of ["\u001b", "\u202e", "\n"]) expect(lines.join("")).not.toContain(character);
  expect(lines.filter((line) => line.includes("x?[2J??y")).length).toBeGreaterThan(8);
});
