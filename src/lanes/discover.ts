import { ageMs, freshness } from "../cache/freshness.ts";
import { isModernWord } from "../mcp/eraWords.ts";
import { errorCode } from "../mcp/errorCode.ts";
import { CODE } from "../mcp/names.ts";
import type { Call } from "../mcp/recognise.ts";
import { MODERN_VERSION } from "../mcp/versions.ts";
import { statusOf } from "../origin/failure.ts";
import { directivesOf } from "./directives.ts";
import { erasOf, isLeftAlone, knownEras, lacks, noteEras } from "./eras.ts";
import type { Answer, Exchange, Failure } from "./Exchange.ts";
import { fromEntry, standIn } from "./fromEntry.ts";
import { forget } from "./keep.ts";
import { learnEras, lookAfterSurface, storeInitialize } from "./lookAfter.ts";
import { overOriginLimit } from "./overLimit.ts";
import { initializeAsDiscover, storedBootstrap } from "./surface.ts";

/**
 * Answers `server/discover` for an origin that is known to lack the modern revision: out of its answer to `initialize`,
 * where its callers can be translated. `since` is from when on that counts as asked for just now, epoch ms.
 */
export async function discoverOfLegacy(x: Exchange, call: Call, since = x.now()): Promise<Answer> {
  const asked = directivesOf(x, call);
  // Whether it still lacks it, is asked now and then.
  lookAfterSurface(x);
  const known = await initializeAsDiscover(x);
  if (isLeftAlone(x, known?.opensSession || (await erasOf(x)).legacy === "sessions")) return legacyOnly();
  const isFresh = known !== undefined && !asked.again && freshness(known, x.now()) === "fresh";
  if (known && (isFresh || asked.onlyCached)) {
    const outcome = { kind: "hit", ttlMs: known.ttlMs - ageMs(known, x.now()) } as const;
    return fromEntry(x, call, { entry: known, word: isFresh ? "hit" : "stale", outcome });
  }
  if (asked.onlyCached) return { kind: "failure", failure: { kind: "not-cached" } };
  const isNew = known !== undefined && known.storedAt >= since;
  // It is asked for the caller's sake.
  const failure = isNew ? undefined : ((await overOriginLimit(x)) ?? (await storeInitialize(x, true)));
  const entry = isNew ? known : await initializeAsDiscover(x);
  if (failure) {
    return entry
      ? standIn(x, call, entry, statusOf(failure))
      : { kind: "failure", failure: { kind: "origin", failure } };
  }
  if (!entry || isLeftAlone(x, entry.opensSession)) return legacyOnly();
  const outcome = { kind: "forward", why: "uri-miss", status: 200, stored: true } as const;
  return fromEntry(x, call, { entry, word: "miss", outcome });
}

/** After the origin has refused, in these words if any, to say what it is in the modern revision: what it says in the earlier ones. */
export async function discoverRefused(x: Exchange, call: Call, words = ""): Promise<Answer | undefined> {
  const since = x.now();
  // That something went wrong inside says nothing of what it speaks.
  if (isModernWord(words) || errorCode(words) === CODE.internal) return undefined;
  const isNew = (await erasOf(x)).modern === undefined;
  await (isNew ? learnAnew(x, since) : learnEras(x));
  const eras = await erasOf(x);
  if (lacks(eras, "modern")) return discoverOfLegacy(x, call, since);
  // It has been heard meanwhile.
  const entry = isNew && eras.modern ? await storedBootstrap(x, "server/discover", MODERN_VERSION) : undefined;
  const outcome = { kind: "forward", why: "uri-miss", status: 200, stored: true } as const;
  return entry && fromEntry(x, call, { entry, word: "miss", outcome });
}

/**
 * Whether a failure may be the refusal of an origin of the earlier revisions that words it in no way of MCP: clients take
 * such a 4xx as a reason to initialize (basic/versioning), and so does the replica.
 */
export function mayBeRefusal(x: Exchange, failure: Failure): boolean {
  if (knownEras(x).modern !== undefined || failure.kind !== "origin") return false;
  return failure.failure.kind === "garbage" && failure.failure.status !== undefined;
}

/**
 * Finds out what an origin speaks that has refused in words of its own, as it may for any reason. Only one that then
 * initializes, and refuses again to say what it is in the modern revision, is of the earlier ones: the first time it may
 * have been a moment's trouble.
 */
export async function learnAnew(x: Exchange, since: number): Promise<void> {
  await storeInitialize(x, true);
  const { legacy, at } = await erasOf(x);
  if (at < since || (legacy !== "stateless" && legacy !== "sessions")) return;
  await forget(x, "server/discover");
  await learnEras(x);
  if ((await erasOf(x)).modern === undefined) await noteEras(x, { modern: false });
}

/** A modern client never falls back to another era because of an outage, nor stays with one that the origin lacks. */
export async function discoverOffline(x: Exchange, call: Call): Promise<Answer | undefined> {
  const entry = isLeftAlone(x) ? undefined : await initializeAsDiscover(x);
  return entry && standIn(x, call, entry, undefined);
}

/** A client that knows both eras takes this as a sign to initialize. */
function legacyOnly(): Answer {
  const message = "Method not found: the origin speaks the initialize-based revisions only";
  return {
    kind: "failure",
    failure: { kind: "rejected", status: 404, code: CODE.methodNotFound, reason: "method-registry", message },
  };
}
