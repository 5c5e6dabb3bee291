import { digest } from "../cache/key.ts";
import type { OriginSettings } from "../config/replica.ts";
import { isLegacyWord } from "../mcp/eraWords.ts";
import type { Era } from "../mcp/versions.ts";
import { reasonOf } from "../telemetry/events.ts";
import type { Eras, Exchange } from "./Exchange.ts";

const UNKNOWN: Eras = { at: 0 };
/** What other isolates have learnt is looked at this often. */
const REREAD_MS = 60_000;
const DAY_MS = 86_400_000;

/** What is known of the origin's eras. At once where this isolate has asked before. */
export function erasOf(x: Exchange): Eras | Promise<Eras> {
  const known = x.isolate.eras.get(x.origin.settings.id);
  if (!known) return read(x);
  if (x.arrivedAt - known.readAt > REREAD_MS) {
    known.readAt = x.now();
    x.waitUntil(read(x));
  }
  return known.eras;
}

/** What this isolate knows of them, without asking further. */
export function knownEras(x: Exchange): Eras {
  return x.isolate.eras.get(x.origin.settings.id)?.eras ?? UNKNOWN;
}

/** Whether an origin is known to lack an era, so that who speaks it has to be translated. */
export function lacks(eras: Eras, era: Era): boolean {
  return era === "modern" ? eras.modern === false : eras.legacy === "none" && eras.modern === true;
}

/** Whether modern callers of an origin that lacks their era have to initialize by themselves (`modernize`). */
export function isLeftAlone({ origin }: Pick<Exchange, "origin">, opensSessions = false): boolean {
  // Sessions are a client's own: one that can initialize does better by itself, unless the operator says otherwise.
  return origin.modernize === "never" || (origin.modernize === "auto" && opensSessions);
}

/** Whether an origin takes nothing but what comes in sessions, which modern callers have not. */
export function wantsSessions({ modern, legacy }: Eras): boolean {
  return modern === false && legacy === "sessions";
}

/** Notes that the origin has refused to say what it is. Other errors, and answers that may not be kept, say nothing of its eras. */
export async function noteRefusal(x: Exchange, reply: string): Promise<void> {
  if (isLegacyWord(reply)) await noteEras(x, { modern: false });
}

/** Notes what the origin has just shown, here and for other isolates. */
export async function noteEras(x: Exchange, shown: Omit<Partial<Eras>, "at">): Promise<void> {
  const before = await erasOf(x);
  const now = x.now();
  const hasShown = shown.modern !== undefined || shown.legacy !== undefined;
  const eras: Eras = { ...before, ...shown, at: hasShown ? now : before.at };
  x.isolate.eras.set(x.origin.settings.id, { eras, readAt: now });
  const isNews =
    eras.modern !== before.modern ||
    eras.legacy !== before.legacy ||
    eras.version !== before.version ||
    eras.checkedAt !== before.checkedAt ||
    now - before.at > believedMs(x) / 2;
  if (!isNews) return;
  try {
    const expirationTtl = Math.ceil(believedMs(x) / 1_000);
    await x.env.KV.put(await nameOf(x.origin.settings), JSON.stringify(eras), { expirationTtl });
  } catch (error) {
    x.report({ type: "store-failed", operation: "put", reason: reasonOf(error) });
  }
}

/** How long it is believed: longer than an answer to `initialize` is kept, or the origin would change in a long outage. */
function believedMs(x: Exchange): number {
  return 2 * (x.origin.lists.staleIfErrorMs + DAY_MS);
}

async function read(x: Exchange): Promise<Eras> {
  let eras = UNKNOWN;
  try {
    eras = (await storedEras(x.env, x.origin.settings)) ?? UNKNOWN;
  } catch (error) {
    x.report({ type: "store-failed", operation: "get", reason: reasonOf(error) });
  }
  // Something may have been learnt here meanwhile.
  const known = x.isolate.eras.get(x.origin.settings.id);
  if (known && known.eras.at >= eras.at) return known.eras;
  x.isolate.eras.set(x.origin.settings.id, { eras, readAt: x.now() });
  return eras;
}

/** What isolates have noted of an origin's eras; `null` where they have noted nothing. */
export async function storedEras({ KV }: Pick<Cloudflare.Env, "KV">, settings: OriginSettings): Promise<Eras | null> {
  return KV.get<Eras>(await nameOf(settings), "json");
}

async function nameOf({ id, identity }: OriginSettings): Promise<string> {
  return `era/${id}/${await digest(identity)}`;
}
