import { reasonOf } from "../telemetry/events.ts";
import type { Held } from "./Held.ts";
import { holdSchemas } from "./holdSchemas.ts";
import { Pull, STEP } from "./Pull.ts";
import { storeProblem } from "./pullProblem.ts";
import type { PullStep } from "./PullState.ts";
import { noteReplaced } from "./Replaced.ts";
import { afterPull } from "./Verified.ts";

/** A pull that gets nowhere for so long is given up: what it has brought is too old. */
const STALLED_MS = 600_000;
const MAX_URIS = 500;
/** Of what an invocation may ask, something is left for what comes before a step, and after the last. */
const BUDGET = { ...STEP, requests: STEP.requests - 6 };

/** Does a part of the pull that is under way. */
export async function stepPull(held: Held): Promise<void> {
  const { kept, seen, tools } = held;
  const { setup, heard, begun } = kept.now!;
  const { store, source } = held.sources;
  let { requests } = BUDGET;
  try {
    // After a failure there may be nothing any more of what was made.
    if (!kept.pull || begun!.stalledAt !== undefined) await store.prepare(setup.origin.id, setup.collection.name);
    if (!kept.pull) requests -= 1 + (await holdSchemas(held)).requests;
  } catch (error) {
    fail(held, { kind: "failed", problem: storeProblem(error) });
    return;
  }
  const pull = new Pull({ store, source, collection: setup.collection, seen, now: tools.now, position: heard! });
  const step = await pull.step(kept.pull, { ...BUDGET, requests });
  switch (step.kind) {
    case "goes-on":
    case "start-over":
      return tools.storage.transactionSync(() => {
        kept.keepPull(step.state);
        seen.save();
        const { stalledAt: _, ...begun } = kept.now!.begun!;
        held.put({ begun });
      });
    case "done":
      return end(held, step);
    case "failed":
      return fail(held, step);
  }
}

/** A pull that is under way gets nowhere: after a while it is given up. */
export function stall(held: Held): void {
  const { kept, seen, tools } = held;
  const { begun } = kept.now!;
  if (!begun || !kept.pull) return;
  const now = tools.now();
  const stalledAt = begun.stalledAt ?? now;
  if (now - stalledAt < STALLED_MS) {
    held.put({ begun: { ...begun, stalledAt } });
    return;
  }
  kept.keepPull(undefined);
  seen.forget();
  held.schedule.gaveUp();
  held.put({ begun: undefined });
}

/** A pull has come to its end. */
async function end(held: Held, { report, version, before }: Extract<PullStep, { kind: "done" }>): Promise<void> {
  const { kept, seen, refreshes, schedule, tools } = held;
  const { now, random } = tools;
  const { setup, begun, failed } = kept.now!;
  const { startedAt, endedAt, rows } = report;
  tools.storage.transactionSync(() => {
    kept.keepPull(undefined);
    seen.forget();
    // What was noted before it began, it has brought.
    refreshes.doneTo(begun!.upTo);
    schedule.succeeded({ everyMs: setup.collection.everyMs, startedAt, now: now(), random: random() });
    const { replaced, pulls, verified } = kept.now!;
    held.put({
      begun: undefined,
      isBehind: refreshes.size > 0,
      version,
      rows,
      asOf: startedAt,
      pulled: report,
      failed: null,
      pulls: { ...pulls, done: pulls.done + 1 },
      replaced: version > before && before > 0 ? noteReplaced(replaced, version, now()) : replaced,
      verified: afterPull(verified, startedAt),
    });
  });
  // That all is as it was is no event, unless there was trouble before.
  if (version > before || failed) {
    const { added, changed, removed, written } = report;
    const counts = { rows, added, changed, removed, written, durationMs: endedAt - startedAt };
    tools.report({ type: "mirror-pulled", ...held.names, ...counts });
  }
  try {
    await follow(held);
  } catch (error) {
    // None of it undoes what was pulled; the next pull does it.
    tools.report({ type: "duty-failed", reason: reasonOf(error) });
  }
}

/** What there is to do when a version has come. */
async function follow(held: Held): Promise<void> {
  const { kept, tools } = held;
  const { name, setup, verified } = kept.now!;
  const { store } = held.sources;
  const record = await store.state();
  if (record) {
    held.put({ rows: record.size, asOf: record.asOf });
    const { stopped } = verified;
    if (Object.keys(record.stopped).some((tool) => !Object.hasOwn(stopped, tool))) {
      await store.resume();
      for (const [tool, at] of Object.entries(stopped)) await store.stop(tool, at);
    }
  }
  if (held.wantsInterest) {
    const uris = await tools.urisOf(name, MAX_URIS);
    // What is the same is not said at once.
    if (JSON.stringify(uris) !== JSON.stringify(kept.now!.uris)) held.put({ uris });
  }
  await tools.retireOthers(name, setup);
}

/** A pull has failed. With a state it may go on from there, unless it gets nowhere for too long. */
function fail(held: Held, { problem, state, failure }: Extract<PullStep, { kind: "failed" }>): void {
  const { kept, seen, schedule, tools } = held;
  const { now, random } = tools;
  tools.storage.transactionSync(() => {
    const { setup, begun, failed, pulls } = kept.now!;
    const startedAt = (state ?? kept.pull)?.startedAt ?? now();
    kept.keepPull(state);
    if (state) seen.save();
    else {
      seen.forget();
      schedule.gaveUp();
    }
    const retryAfterMs = failure && "retryAfterMs" in failure ? failure.retryAfterMs : undefined;
    schedule.failed({
      everyMs: setup.collection.everyMs,
      tookMs: state ? 0 : Math.max(0, now() - startedAt),
      now: now(),
      random: random(),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
    held.put({
      begun: state && begun ? { ...begun, isWaiting: true } : undefined,
      failed: { ...problem, at: now(), times: (failed?.times ?? 0) + 1 },
      pulls: { ...pulls, failed: pulls.failed + 1 },
    });
    stall(held);
  });
  const { code, message, count } = problem;
  tools.report({ type: "mirror-failed", ...held.names, code, reason: message, count });
}
