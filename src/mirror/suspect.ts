import type { MirrorNews } from "../sync/MirrorWord.ts";
import { suspectsOf, type Suspect } from "./concerns.ts";
import type { Held } from "./Held.ts";
import type { Refresh } from "./Refreshes.ts";

/** Notes what the origin's feed has told of, so that it is asked for again. */
export function heed(held: Held, { feedId, seq, floor, changes }: MirrorNews): void {
  const { heard, setup, version } = held.kept.now!;
  // What happened while nobody wanted it, nobody has heard.
  const hasMissed = heard === undefined ? version > 0 : heard.feedId !== feedId || heard.seq < floor;
  // What there was before the first look, the first pull brings.
  const news = heard === undefined || hasMissed ? [] : changes.filter((change) => change.seq > heard.seq);
  const suspects = news.flatMap(({ tag }) => suspectsOf(setup.collection, tag));
  held.tools.storage.transactionSync(() => {
    suspect(held, hasMissed ? ["all"] : suspects);
    held.put({ heard: { feedId, seq } });
  });
}

/** Has what may have changed asked for again. */
export function suspect(held: Held, suspects: readonly Suspect[]): void {
  const { kept, refreshes, schedule, tools } = held;
  const { setup, version, begun } = kept.now!;
  // The first pull is yet to begin.
  if (suspects.length === 0 || (version === 0 && !begun)) return;
  if (suspects.includes("schemas")) held.put({ schemasOf: [] });
  const rows = suspects.filter((one): one is Refresh => typeof one !== "string");
  const isAll = suspects.includes("all");
  if (!isAll && rows.length === 0) return;
  // Of so many that they are not noted, a pull brings all.
  if (isAll || !refreshes.note(rows)) schedule.wantSoon(setup.collection.everyMs, tools.now());
  held.put({ isBehind: true });
}
