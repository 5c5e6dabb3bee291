import { setTimeout as wait } from "node:timers/promises";
import type { MirrorStatus } from "../../src/mirror/MirrorStatus.ts";
import { failureText, progressText } from "./mirrorText.ts";
import { progressLine, type Screen } from "./progress.ts";

/** How to await pulls. */
export interface Awaiting {
  /** How the collections stand now. */
  look: () => Promise<MirrorStatus[]>;
  /** How they stood before the pulls were asked for: a pull has ended where something else ended since. */
  before: readonly MirrorStatus[];
  screen: Screen;
  /** Whether nobody wants to wait any longer. */
  isOver?: () => boolean;
  /** Between two looks, ms. Default: 500. */
  everyMs?: number;
  /** For how long none of them need be under way until that is all, ms: an origin that is down is not asked. Default: 30 s. */
  patienceMs?: number;
}

/** How the collections stand in the end: those of which a pull has ended, and those that still wait for one. */
export interface PullsAwaited {
  ended: MirrorStatus[];
  waiting: MirrorStatus[];
}

/** Awaits one pull of each collection, and shows meanwhile how far it is. */
export async function awaitPulls({
  look,
  before,
  screen,
  isOver = () => false,
  everyMs = 500,
  patienceMs = 30_000,
}: Awaiting): Promise<PullsAwaited> {
  const line = progressLine(screen, Date.now);
  const stood = new Map(before.map((one) => [nameOf(one), one]));
  const ended = new Map<string, MirrorStatus>();
  let waiting = [...before];
  for (let busyAt = Date.now(); waiting.length > 0 && !isOver();) {
    const known = new Map((await look()).map((one) => [nameOf(one), one]));
    waiting = waiting.flatMap((one) => known.get(nameOf(one)) ?? []);
    for (const one of waiting) if (hasEnded(stood.get(nameOf(one))!, one)) ended.set(nameOf(one), one);
    waiting = waiting.filter((one) => !ended.has(nameOf(one)));
    if (waiting.length === 0) break;
    line.show(waiting.map(wordsFor).join("; "));
    if (waiting.some(({ pulling }) => pulling)) busyAt = Date.now();
    else if (Date.now() - busyAt >= patienceMs) break;
    await wait(everyMs);
  }
  line.end();
  return { ended: before.flatMap((one) => ended.get(nameOf(one)) ?? []), waiting };
}

function hasEnded(before: MirrorStatus, now: MirrorStatus): boolean {
  if (now.pulling) return false;
  const succeeded = now.pulled !== null && now.pulled.endedAt !== before.pulled?.endedAt;
  return succeeded || (now.failed !== null && now.failed.at !== before.failed?.at);
}

function wordsFor({ collection, pulling, failed }: MirrorStatus): string {
  if (pulling) return progressText(collection, pulling, Date.now());
  return failed ? `${collection}: waits after: ${failureText(failed)}` : `${collection}: not begun yet`;
}

/** Collections of several origins may have the same name. */
export function nameOf({ origin, collection }: MirrorStatus): string {
  return `${origin}/${collection}`;
}
