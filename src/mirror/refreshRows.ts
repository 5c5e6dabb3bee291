import { reasonOf } from "../telemetry/events.ts";
import { askAgain } from "./askAgain.ts";
import type { Held } from "./Held.ts";
import { holdSchemas } from "./holdSchemas.ts";
import { noteReplaced } from "./Replaced.ts";

/** So many rows are asked for again at a time. */
const ROUND = 16;
const BACKOFF_MS = { least: 1_000, most: 60_000 };

/** Asks for the rows again that were noted first, and for schemas that may be others, and works in what the origin says. Whether there was anything to do. */
export async function refreshRows(held: Held): Promise<boolean> {
  const { kept, refreshes, tools } = held;
  const { now, random, report } = tools;
  const { version, refreshAt, refreshFailures, isBehind } = kept.now!;
  const { lacksSchemas } = held;
  const hasRows = refreshes.size > 0 || isBehind;
  if (version === 0 || refreshAt > now() || (!hasRows && !lacksSchemas)) return false;
  let failure: string | undefined;
  try {
    if (lacksSchemas) ({ failure } = await holdSchemas(held));
    if (hasRows) failure = (await refresh(held)) ?? failure;
  } catch (error) {
    failure = reasonOf(error);
  }
  if (failure === undefined) {
    if (refreshFailures > 0) held.put({ refreshFailures: 0, refreshAt: 0 });
    return true;
  }
  const failures = refreshFailures + 1;
  const { least, most } = BACKOFF_MS;
  const waitMs = least + random() * (Math.min(most, least * 2 ** Math.min(failures, 10)) - least);
  held.put({ refreshFailures: failures, refreshAt: now() + waitMs });
  report({ type: "mirror-failed", ...held.names, code: "refresh-failed", reason: failure, count: refreshes.size });
  return true;
}

/** Why the origin could not be asked; `undefined` where it could. Throws what D1 throws. */
async function refresh(held: Held): Promise<string | undefined> {
  const { kept, refreshes, schedule, tools } = held;
  const { setup, name, heard } = kept.now!;
  const { collection } = setup;
  const { store, source } = held.sources;
  const uriOf = (key: string) => tools.uriOf(name, key);
  const noted = refreshes.first(ROUND);
  const { answers, changes, failure } = await askAgain(
    { store, source, collection, uriOf },
    noted.map(({ what }) => what),
  );
  const done = noted.filter((_, at) => answers[at] !== "failed").map(({ nth }) => nth);
  const { everyMs } = collection;
  // What is always wrong is no reason to pull always.
  const isUnclear = noted.some(({ what }, at) => answers[at] === "unclear" && !("isGuess" in what));
  if (isUnclear) schedule.wantSoon(everyMs, tools.now());
  // Only then the version has all that the feed has told of.
  const isAll = done.length === refreshes.size && !schedule.state.isWanted;
  const isNews = changes.length > 0 || isAll;
  const refreshed = isNews ? await store.refresh(changes, isAll ? heard : undefined) : undefined;
  tools.storage.transactionSync(() => {
    refreshes.done(done);
    held.put({ isBehind: refreshes.size > 0 });
    if (!refreshed) return;
    const { version, before, added, removed } = refreshed;
    const { rows, replaced } = kept.now!;
    held.put({ version, rows: rows + added - removed });
    if (version > before) held.put({ replaced: noteReplaced(replaced, version, tools.now()) });
  });
  return failure;
}
