import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../scripts/serve/freePort.ts";
import { SECRETS, tempFolder } from "../scripts/runScript.ts";
import { randomFrom } from "../support/randomFrom.ts";
import { runs, timeLimitMs } from "../support/runs.ts";
import { type Cutting, type Passing, startCutting } from "./support/cutting.ts";
import { type Killable, killable } from "./support/killable.ts";
import { call, codeOf, type Got, modern, said, until } from "./support/wire.ts";

/** The keys of the order: what a note is made on. */
const FEATURES = ["css.properties.gap", "css.properties.grid"];
/** On each of them in each round. */
const WRITES = runs(2, 4);
/** What may happen in a round. */
const TROUBLES = ["origin killed", "replica killed after", "replica killed before", "origin down", "cuts"] as const;
/** How many of them a schedule has. */
const ROUNDS = runs(2, TROUBLES.length);
/** The first schedule kills where something is sent that must not be sent twice, and the replica where another is promised behind it. */
const FIRST = 7;
const TASKS = { extensions: { "io.modelcontextprotocol/tasks": {} } };

const state = tempFolder();
const notesFile = path.join(state, "origin", "notes.json");
let cutting: Cutting;
let origin: Killable;
let replica: Killable;
let url: string;

beforeAll(async () => {
  const [originPort, port] = [await freePort(), await freePort()];
  cutting = await startCutting(originPort);
  const only = ["--only", "css.properties.g", "--state", path.dirname(notesFile)];
  origin = killable(["scripts/origin/main.ts", "--port", String(originPort), ...only], () =>
    fetch(`http://127.0.0.1:${originPort}/count`).then(({ ok }) => ok),
  );
  const write = { queue: "always", orderBy: "{id}", unlessTask: "notify" };
  const tools = {
    add_note: { write },
    add_note_once: { write: { ...write, idempotent: { argument: "request_id" } } },
  };
  const file = path.join(state, "replica.config.mjs");
  const bcd = { url: cutting.url, tools, sync: { listen: "off" } };
  await writeFile(file, `export default ${JSON.stringify({ origins: { bcd }, access: { open: true } })};`);
  url = `http://127.0.0.1:${port}`;
  const args = ["--config", file, "--port", String(port), "--state", path.join(state, "replica"), "--quiet"];
  replica = killable(
    ["scripts/start.ts", ...args],
    () => fetch(`${url}/healthz`).then(({ ok }) => ok),
    // With its secrets at hand it makes none, and it has no need to ask where it stands.
    { ...SECRETS, CLOUDFLARE_CF_FETCH_ENABLED: "false" },
  );
  await Promise.all([origin.start(), replica.start()]);
});
afterAll(async () => {
  await Promise.all([origin?.kill(), replica?.kill(), cutting?.close()]);
});

/** A write as a test knows it. */
interface Write {
  text: string;
  feature: string;
  isIdempotent: boolean;
  /** Whether its caller declares that it knows tasks. */
  knowsTasks: boolean;
}

/** What operators ask. They may not ask often, and wait for their turn. */
async function admin(at: string, body?: object): Promise<any> {
  const response = await until(
    () => fetch(`${url}/admin/jobs${at}`, body && { method: "POST", body: JSON.stringify(body) }),
    ({ status }) => status !== 429,
  );
  if (!response.ok) throw new Error(`${at}: HTTP ${response.status}, ${await response.text()}`);
  return response.json();
}

/** The notes that the origin has on disk: the judge. */
async function notesOn(feature: string): Promise<string[]> {
  const text = await readFile(notesFile, "utf8").catch(() => "{}");
  const notes = (JSON.parse(text) as Record<string, { text: string }[]>)[feature] ?? [];
  return notes.map((note) => note.text);
}

/**
 * Comes again with the same key until there is an answer, as a caller does whose connection broke. The id of the operation where
 * that is not the origin's answer.
 */
async function submit({ text, feature, isIdempotent, knowsTasks }: Write, during: string): Promise<string | undefined> {
  const args = { id: feature, text, ...(isIdempotent && { request_id: text }) };
  const key = text.replaceAll(" ", "-");
  const ask = { meta: { "edge-replica/idempotency-key": key }, capabilities: knowsTasks ? TASKS : {} };
  const got = (await until(
    () => call(`${url}/mcp`, isIdempotent ? "add_note_once" : "add_note", args, ask).catch(() => undefined),
    (answer) => answer !== undefined && codeOf(answer) !== "outbox_unavailable",
    30_000,
  )) as Got;
  expect(got.body.result, `${during}: ${got.text}`).toBeDefined();
  const { resultType, taskId, isError, _meta } = got.body.result;
  if (resultType === "task") return taskId;
  if (!isError) {
    expect(said(got), during).toContain(text);
    return undefined;
  }
  expect(codeOf(got), `${during}: ${got.text}`).toMatch(/^write_(queued|ambiguous)$/);
  return _meta["edge-replica/error"].operationId;
}

test(
  "kills and cuts lose no promised write, double none, and leave them in order",
  { timeout: timeLimitMs(120_000) },
  async () => {
    for (let seed = FIRST; seed < FIRST + runs(1, 40); seed++) await schedule(seed);
  },
);

async function schedule(seed: number): Promise<void> {
  const random = randomFrom(seed);
  const written: Write[] = [];
  const promised = new Map<string, Write>();
  const redriven: string[] = [];
  const passedBefore = cutting.passed.length;
  // The first schedule has them as they stand.
  const troubles = seed === FIRST ? TROUBLES : TROUBLES.toSorted(() => random() - 0.5);
  for (const [round, which] of troubles.slice(0, ROUNDS).entries()) {
    const during = `seed ${seed}, round ${round}: ${which}`;
    const writes = FEATURES.map((feature, key) =>
      Array.from({ length: WRITES }, (_, nth) => ({
        feature,
        isIdempotent: random() < 0.5,
        knowsTasks: random() < 0.5,
        text: `s${seed} r${round} k${key} w${nth}`,
      })),
    );
    const all = writes.flat();
    const at = Math.floor(random() * all.length);
    const [write, behind] = [all[at]!, all[at + 1]];
    // Whose caller has its task at once, the one behind it may be promised before it is over.
    const isPromised = write.knowsTasks && behind?.feature === write.feature && behind.knowsTasks;
    const others = () =>
      until(
        () => [...promised.values()],
        (so) => !isPromised || so.includes(behind),
      );
    const mended = await trouble(which, random, write, others);
    // On one key one after the other, so that the order in which they are accepted is known.
    const submitted = Promise.all(
      writes.map(async (list) => {
        for (const write of list) {
          const id = await submit(write, during);
          if (id !== undefined) promised.set(id, write);
        }
      }),
    );
    await mended(submitted);
    written.push(...all);
    redriven.push(...(await operate(promised, during)));
  }
  for (const feature of FEATURES) {
    const wanted = written.filter((write) => write.feature === feature).map(({ text }) => text);
    const found = await notesOn(feature);
    expect(
      found.filter((text) => text.startsWith(`s${seed} `)),
      `seed ${seed}`,
    ).toEqual(wanted);
  }
  // What is not idempotent has reached the origin once, and again only where the operator has sent it again.
  const passed = cutting.passed.slice(passedBefore);
  for (const { text } of written.filter(({ isIdempotent }) => !isIdempotent)) {
    const times = passed.filter(({ args }) => args["text"] === text).length;
    const allowed = 1 + redriven.filter((one) => one === text).length;
    expect(times, text).toBeLessThanOrEqual(allowed);
  }
  // Who was promised something is told what came of it.
  expect(promised.size).toBeGreaterThan(0);
  for (const [id, { text }] of promised) {
    const { status, result, error } = await task(id);
    if (status === "failed") expect(error.data.code, text).toBe("write_discarded");
    else expect([status, result.content[0].text], text).toEqual(["completed", expect.stringContaining(text)]);
  }
}

/** What is told of an operation. */
async function task(taskId: string): Promise<any> {
  const ask = { capabilities: TASKS, headers: { "mcp-name": taskId } };
  const got = await modern(`${url}/mcp`, "tasks/get", { taskId }, ask);
  expect(got.body.result, got.text).toMatchObject({ taskId });
  return got.body.result;
}

/** Makes trouble for the round, kills where that write is sent for the first time, and the others are waited for; what is given mends it, when the writes are submitted or before. */
async function trouble(
  which: (typeof TROUBLES)[number],
  random: () => number,
  { text }: Write,
  others: () => Promise<unknown>,
): Promise<(submitted: Promise<unknown>) => Promise<void>> {
  if (which === "cuts") {
    cutting.cuts = { before: () => random() < 0.3, after: () => random() < 0.3 };
    return async (submitted) => {
      await submitted;
      cutting.cuts = {};
    };
  }
  if (which === "origin down") {
    await origin.kill();
    return async (submitted) => {
      await submitted;
      await origin.start();
    };
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  const victim = which === "origin killed" ? origin : replica;
  let isOver = false;
  const kill = async ({ args }: Passing) => {
    if (isOver || args["text"] !== text) return false;
    isOver = true;
    await others();
    await victim.kill();
    resolve();
    return true;
  };
  cutting.cuts = which === "replica killed before" ? { before: kill } : { after: kill };
  return async (submitted) => {
    await Promise.all([submitted, promise.then(() => victim.start())]);
    cutting.cuts = {};
  };
}

/**
 * Does what an operator does until nothing is open: looks at the origin's data, discards what was executed and sends the rest
 * again. All the while everybody who was promised something can ask for it. What was sent again.
 */
async function operate(promised: ReadonlyMap<string, Write>, during: string): Promise<string[]> {
  const redriven: string[] = [];
  await until(
    async () => {
      for (const id of promised.keys()) await task(id);
      const { jobs: stuck } = await admin("?state=ambiguous&state=dead&limit=100");
      for (const { id, state: how, tool, reason } of stuck) {
        expect([how, tool], `${during}: ${reason}`).toEqual(["ambiguous", "add_note"]);
        const { id: feature, text } = JSON.parse((await admin(`/${id}`)).job.args) as { id: string; text: string };
        const isExecuted = (await notesOn(feature)).includes(text);
        if (!isExecuted) redriven.push(text);
        await admin("", isExecuted ? { discard: [id], why: "It was executed." } : { redrive: [id] });
      }
      const { counts } = await admin("", { drain: true });
      return counts.accepted + counts.leased + counts.retry + counts.ambiguous + counts.dead;
    },
    (open) => open === 0,
    60_000,
  );
  return redriven;
}
