import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../scripts/serve/freePort.ts";
import type { OperationView, Submitted } from "../../src/outbox/Submission.ts";
import { tempFolder } from "../scripts/runScript.ts";
import { randomFrom } from "../support/randomFrom.ts";
import { runs, timeLimitMs } from "../support/runs.ts";
import { type Cutting, startCutting } from "./support/cutting.ts";
import { type Killable, killable } from "./support/killable.ts";
import { until } from "./support/wire.ts";

/** The keys of the order: what a note is made on. */
const FEATURES = ["css.properties.gap", "css.properties.grid"];
const ROUNDS = 5;
const WRITES = 4;
/** What may happen in a round. */
const TROUBLES = ["cuts", "origin down", "origin killed", "replica killed before", "replica killed after"] as const;

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
  const write = { queue: "when-down", orderBy: "{id}" };
  const tools = { add_note: { write }, add_note_once: { write: { ...write, idempotent: { argument: "request_id" } } } };
  const config = { origins: { bench: { url: cutting.url, tools } }, access: { open: true } };
  url = `http://127.0.0.1:${port}`;
  const secret = randomBytes(32).toString("hex");
  const script = path.join(import.meta.dirname, "support/outboxProcess.ts");
  const args = [script, String(port), path.join(state, "replica"), JSON.stringify(config), secret];
  replica = killable(args, () => fetch(`${url}/status`).then(({ ok }) => ok));
  await Promise.all([origin.start(), replica.start()]);
});
afterAll(async () => {
  await Promise.all([origin.kill(), replica.kill(), cutting.close()]);
});

async function ask<T>(at: string, body?: unknown): Promise<T> {
  const response = await fetch(url + at, body === undefined ? {} : { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${at}: HTTP ${response.status}`);
  return (await response.json()) as T;
}

/** A write as a test knows it. */
interface Write {
  text: string;
  feature: string;
  isIdempotent: boolean;
}

/** The notes that the origin has on disk: the judge. */
async function notesOn(feature: string): Promise<string[]> {
  const text = await readFile(notesFile, "utf8").catch(() => "{}");
  const notes = (JSON.parse(text) as Record<string, { text: string }[]>)[feature] ?? [];
  return notes.map((note) => note.text);
}

/** Comes again with the same key until there is an answer, as a caller does whose connection broke. */
async function submit({ text, feature, isIdempotent }: Write, isAtOnce: boolean): Promise<Submitted> {
  const args = { id: feature, text, ...(isIdempotent && { request_id: text }) };
  const call = {
    tool: isIdempotent ? "add_note_once" : "add_note",
    args: JSON.stringify(args),
    key: text,
    idempotency: isIdempotent ? { kind: "argument", name: "request_id", key: text } : { kind: "none" },
    orderKey: `key:${feature}`,
    tags: [`feature:${feature}`],
    isAtOnce,
    patienceMs: 300,
  };
  return until(
    () => ask<Submitted>("/submit", call).catch(() => undefined),
    (answer) => answer !== undefined,
    30_000,
  ) as Promise<Submitted>;
}

test(
  "kills and cuts lose no promised write, double none, and leave them in order",
  { timeout: timeLimitMs(120_000) },
  async () => {
    for (let seed = 1; seed <= runs(1, 40); seed++) await schedule(seed);
  },
);

async function schedule(seed: number): Promise<void> {
  const random = randomFrom(seed);
  const written: Write[] = [];
  const promised = new Map<string, Write>();
  const redriven: string[] = [];
  const passedBefore = cutting.passed.length;
  const troubles = TROUBLES.toSorted(() => random() - 0.5);
  for (let round = 0; round < ROUNDS; round++) {
    const during = `seed ${seed}, round ${round}: ${troubles[round]}`;
    const mended = await trouble(troubles[round]!, random);
    const writes = FEATURES.map((feature, key) =>
      Array.from({ length: WRITES }, (_, nth) => ({
        write: { feature, isIdempotent: random() < 0.5, text: `s${seed} r${round} k${key} w${nth}` },
        isAtOnce: random() < 0.5,
      })),
    );
    // On one key one after the other, so that the order in which they are accepted is known.
    const submitted = Promise.all(
      writes.map(async (list) => {
        for (const { write, isAtOnce } of list) {
          const answer = await submit(write, isAtOnce);
          expect(answer, during).not.toMatchObject({ kind: "refused" });
          if (answer.kind === "queued") promised.set(answer.operation.id, write);
        }
      }),
    );
    await mended(submitted);
    written.push(...writes.flat().map(({ write }) => write));
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
}

/** Makes trouble for the round; what is given mends it, when the writes are submitted or before. */
async function trouble(
  which: (typeof TROUBLES)[number],
  random: () => number,
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
  const nth = 1 + Math.floor(random() * 2);
  let seen = 0;
  const victim = which === "origin killed" ? origin : replica;
  const kill = async () => {
    if (++seen !== nth) return false;
    await victim.kill();
    resolve();
    return true;
  };
  cutting.cuts = which === "replica killed before" ? { before: kill } : { after: kill };
  return async (submitted) => {
    await promise;
    await victim.start();
    await submitted;
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
      for (const [id, { text }] of promised) {
        const view = await ask<OperationView | null>(`/view?id=${id}`);
        expect(view, `${during}: ${id}, ${text}`).not.toBeNull();
        if (view!.state === "done") expect(view!.outcome!.text, during).toContain(text);
      }
      const stuck = await ask<OperationView[]>("/list", { states: ["ambiguous", "dead"], limit: 100 });
      for (const { id, state: how, tool, reason } of stuck) {
        expect([how, tool], `${during}: ${reason}`).toEqual(["ambiguous", "add_note"]);
        const { args } = await ask<{ args: string }>(`/show?id=${id}`);
        const { id: feature, text } = JSON.parse(args) as { id: string; text: string };
        const isExecuted = (await notesOn(feature)).includes(text);
        if (!isExecuted) redriven.push(text);
        await ask(isExecuted ? "/discard" : "/redrive", [id]);
      }
      const { counts } = await ask<{ counts: Record<string, number> }>("/drain");
      return counts["accepted"]! + counts["leased"]! + counts["retry"]! + counts["ambiguous"]! + counts["dead"]!;
    },
    (open) => open === 0,
    60_000,
  );
  return redriven;
}
