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
}

/** Awaits one pull of each collection, and shows meanwhile how far it is. Gives how they stand then; fewer where it was over before. */
export async function awaitPulls({
  look,
  before,
  screen,
  isOver = () => false,
  everyMs = 500,
}: Awaiting): Promise<MirrorStatus[]> {
  const line = progressLine(screen, Date.now);
  const waited = new Map(before.map((one) => [nameOf(one), one]));
  const ended: MirrorStatus[] = [];
  for (; waited.size > 0 && !isOver(); await wait(waited.size > 0 ? everyMs : 0)) {
    const now = await look();
    const pulling = now.filter((one) => waited.has(nameOf(one)));
    for (const one of pulling) {
      if (!hasEnded(waited.get(nameOf(one))!, one)) continue;
      waited.delete(nameOf(one));
      ended.push(one);
    }
    const words = pulling.filter((one) => waited.has(nameOf(one))).flatMap((one) => wordsFor(one));
    if (words.length > 0) line.show(words.join("; "));
  }
  line.end();
  const order = before.map(nameOf);
  return ended.toSorted((a, b) => order.indexOf(nameOf(a)) - order.indexOf(nameOf(b)));
}

function hasEnded(before: MirrorStatus, now: MirrorStatus): boolean {
  if (now.pulling) return false;
  const succeeded = now.pulled !== null && now.pulled.endedAt !== before.pulled?.endedAt;
  return succeeded || (now.failed !== null && now.failed.at !== before.failed?.at);
}

function wordsFor({ collection, pulling, failed }: MirrorStatus): string[] {
  if (pulling) return [progressText(collection, pulling, Date.now())];
  return failed ? [`${collection}: waits after: ${failureText(failed)}`] : [`${collection}: not begun yet`];
}

/** Collections of several origins may have the same name. */
export function nameOf({ origin, collection }: MirrorStatus): string {
  return `${origin}/${collection}`;
}
