import { NOBODY } from "../access/payer.ts";
import { isModern } from "../mcp/envelope.ts";
import { initializeRequest } from "../mcp/initializeRequest.ts";
import { MODERN_VERSION, LEGACY_VERSIONS } from "../mcp/versions.ts";
import type { OriginFailure } from "../origin/failure.ts";
import { closeSession, MESSAGE_HEADERS } from "../origin/inSession.ts";
import { FILL_ID } from "../origin/askAtAnyCost.ts";
import { reasonOf } from "../telemetry/events.ts";
import { candidatesOf } from "./candidates.ts";
import type { Eras, Exchange } from "./Exchange.ts";
import { erasOf, noteEras } from "./eras.ts";
import { fill } from "./fill.ts";
import { ask, initializeCandidates } from "./initialize.ts";
import { bootstrapCall, storedBootstrap } from "./surface.ts";

/** What is stored of the bootstrap answers is looked at this often, while there is traffic. */
const EVERY_MS = 300_000;
/** What it refuses may give rise to a look this often. */
const AGAIN_MS = 30_000;
/** An origin that lacked an era may have learnt it since. */
const RECHECK_MS = 3_600_000;

/**
 * Sees to it that the origin's answers to both ways of opening a connection are stored, so that a client that was
 * never here before can connect while the origin is down. In the background, at most every few minutes.
 */
export function lookAfterSurface(asked: Exchange): void {
  // What opens a connection belongs to no session, and each is asked for in its own era.
  const x: Exchange = { ...asked, payer: NOBODY, asksIn: undefined, session: undefined, sessionId: undefined };
  const key = `${x.origin.settings.id} ${x.principal} ${isModern(x.body)}`;
  const now = x.now();
  if (now - (x.isolate.surfacesAt.get(key) ?? 0) < EVERY_MS) return;
  if (x.isolate.surfacesAt.size > 10_000) x.isolate.surfacesAt.clear();
  x.isolate.surfacesAt.set(key, now);
  const work = async () => {
    try {
      await learnEras(x, false);
    } catch (error) {
      x.isolate.surfacesAt.delete(key);
      x.report({ type: "store-failed", operation: "put", reason: reasonOf(error) });
    }
  };
  x.waitUntil(work());
}

/** Asks again whether the origin opens sessions, after it has refused something as if it did. In the background, now and then. */
export function lookAgain(asked: Exchange): void {
  const x: Exchange = { ...asked, asksIn: undefined };
  const key = `${x.origin.settings.id} again`;
  const now = x.now();
  if (now - (x.isolate.surfacesAt.get(key) ?? 0) < AGAIN_MS) return;
  x.isolate.surfacesAt.set(key, now);
  const failed = (error: unknown) => x.report({ type: "store-failed", operation: "put", reason: reasonOf(error) });
  x.waitUntil(storeInitialize(x, true).catch(failed));
}

/** Sees to it that what can be known of the origin's eras is, and that its answers are stored; `isWaitedFor` says that a caller waits for it. */
export async function learnEras(x: Exchange, isWaitedFor = true): Promise<void> {
  const before = await erasOf(x);
  const isOld = x.now() - (before.checkedAt ?? before.at) > RECHECK_MS;
  await storeDiscover(x, before, isOld, isWaitedFor);
  const { modern, legacy } = await erasOf(x);
  // An origin that nobody has met with `initialize` need not know it: the discover answer can be retold.
  const isWanted = !isModern(x.body) || modern === false;
  // What is stored may be from before it came to open sessions, or lost the era.
  if (isWanted && (legacy !== "none" || isOld)) await storeInitialize(x, isOld && before.legacy !== undefined);
  // Whatever came of it: an origin that is down is asked no more often.
  if (isOld) await noteEras(x, { checkedAt: x.now() });
}

async function storeDiscover(x: Exchange, { modern }: Eras, isOld: boolean, isWaitedFor: boolean): Promise<void> {
  // What is stored may be from before the origin lost the era.
  if (modern === false && !isOld) return;
  if (modern !== false && (await storedBootstrap(x, "server/discover", MODERN_VERSION))) {
    if (modern === undefined) await noteEras(x, { modern: true });
    return;
  }
  const call = bootstrapCall("server/discover", MODERN_VERSION);
  const ask = (again: boolean) =>
    fill(x, call, x.origin.lists, candidatesOf(x, call, x.origin.lists)!, { again, previous: undefined, behind: true });
  // What comes of it is noted there. Where at present nobody shares an answer, one is asked for alone; but for a caller
  // who waits: another who was refused may be about to ask again in words of its own.
  if ((await ask(false)).kind === "relay" && isWaitedFor) await ask(true);
}

/** Asks the origin to initialize, where its answer is not stored, or `again`. Why there was no answer, where there was none. */
export async function storeInitialize(asked: Exchange, again = false): Promise<OriginFailure | undefined> {
  // The replica asks for its own sake.
  const x: Exchange = { ...asked, payer: NOBODY };
  const isStored = async () => {
    for (const version of LEGACY_VERSIONS) if (await storedBootstrap(x, "initialize", version)) return true;
    return false;
  };
  if (!again && (await isStored())) return undefined;
  const version = LEGACY_VERSIONS[0]!;
  const candidates = initializeCandidates(x, version);
  const reply = await ask(x, MESSAGE_HEADERS, initializeRequest(FILL_ID), FILL_ID, candidates, undefined);
  if ("failure" in reply) return reply.failure;
  if (!("text" in reply) || reply.sessionId === undefined) return undefined;
  // The session was opened for the answer alone.
  const bindings = x.env as unknown as Record<string, unknown>;
  await closeSession(x.origin.settings, bindings, { id: reply.sessionId, version });
  return undefined;
}
