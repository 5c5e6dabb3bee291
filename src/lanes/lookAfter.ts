import { isModern } from "../mcp/envelope.ts";
import { CODE } from "../mcp/names.ts";
import { MODERN_VERSION, LEGACY_VERSIONS } from "../mcp/versions.ts";
import { callOrigin } from "../origin/callOrigin.ts";
import { FILL_ID } from "../origin/land.ts";
import { reasonOf } from "../telemetry/events.ts";
import { candidatesOf } from "./candidates.ts";
import { CLIENT_INFO } from "./clientInfo.ts";
import type { Exchange } from "./Exchange.ts";
import { erasOf, noteEras } from "./eras.ts";
import { fill } from "./fill.ts";
import { errorCode } from "./heed.ts";
import { ask, initializeCandidates } from "./initialize.ts";
import { bootstrapCall, storedBootstrap } from "./surface.ts";

/** What is stored of the bootstrap answers is looked at this often, while there is traffic. */
const EVERY_MS = 300_000;
/** An origin that lacked an era may have learnt it since. */
const RECHECK_MS = 3_600_000;

/** The errors with which servers of the earlier revisions answer a method that they do not know, or a caller without a session. */
const LEGACY_WORDS: ReadonlySet<number> = new Set([
  CODE.methodNotFound,
  CODE.invalidRequest,
  CODE.invalidParams,
  -32000,
]);

/**
 * Sees to it that the origin's answers to both ways of opening a connection are stored, so that a client that was
 * never here before can connect while the origin is down. In the background, at most every few minutes.
 */
export function lookAfterSurface(x: Exchange): void {
  const key = `${x.origin.settings.id} ${x.principal} ${isModern(x.body)}`;
  const now = x.now();
  if (now - (x.isolate.surfacesAt.get(key) ?? 0) < EVERY_MS) return;
  if (x.isolate.surfacesAt.size > 10_000) x.isolate.surfacesAt.clear();
  x.isolate.surfacesAt.set(key, now);
  const work = async () => {
    try {
      await learnEras(x);
    } catch (error) {
      x.isolate.surfacesAt.delete(key);
      x.report({ type: "store-failed", operation: "put", reason: reasonOf(error) });
    }
  };
  x.waitUntil(work());
}

/** Sees to it that what can be known of the origin's eras is, and that its answers are stored. */
export async function learnEras(x: Exchange): Promise<void> {
  const before = await erasOf(x);
  const isOld = x.now() - before.at > RECHECK_MS;
  if (before.modern !== false || isOld) await storeDiscover(x);
  const { modern, legacy } = await erasOf(x);
  // An origin that nobody has met with `initialize` need not know it: the discover answer can be retold.
  const isWanted = !isModern(x.body) || modern === false;
  if (isWanted && (legacy !== "none" || isOld)) await storeInitialize(x);
}

async function storeDiscover(x: Exchange): Promise<void> {
  if (await storedBootstrap(x, "server/discover", MODERN_VERSION)) return noteEras(x, { modern: true });
  const call = bootstrapCall("server/discover", MODERN_VERSION);
  const filled = await fill(x, call, x.origin.lists, candidatesOf(x, call, x.origin.lists)!, {
    again: false,
    previous: undefined,
    behind: true,
  });
  // Other errors, and results that may not be kept, do not say that the origin lacks the modern revision.
  if (filled.kind === "entry") await noteEras(x, { modern: true });
  else if (filled.kind === "reply" && LEGACY_WORDS.has(errorCode(filled.text) ?? 0))
    await noteEras(x, { modern: false });
}

/** Asks the origin to initialize, where its answer is not stored. */
export async function storeInitialize(x: Exchange): Promise<void> {
  for (const version of LEGACY_VERSIONS) if (await storedBootstrap(x, "initialize", version)) return;
  const version = LEGACY_VERSIONS[0]!;
  const params = { protocolVersion: version, capabilities: {}, clientInfo: CLIENT_INFO };
  const headers = {
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
  };
  const body = JSON.stringify({ jsonrpc: "2.0", id: FILL_ID, method: "initialize", params });
  const reply = await ask(x, headers, body, FILL_ID, initializeCandidates(x, version), undefined);
  if (!("text" in reply) || reply.sessionId === undefined) return;
  // The session was opened for the answer alone.
  const closing = { "mcp-session-id": reply.sessionId, "mcp-protocol-version": version };
  const bindings = x.env as unknown as Record<string, unknown>;
  const closed = await callOrigin(x.origin.settings, bindings, { method: "DELETE", headers: closing });
  if ("response" in closed) await closed.response.body?.cancel();
}
