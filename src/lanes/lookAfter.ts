import { digest } from "../cache/key.ts";
import { CODE } from "../mcp/names.ts";
import { MODERN_VERSION, LEGACY_VERSIONS } from "../mcp/versions.ts";
import { callOrigin } from "../origin/callOrigin.ts";
import { FILL_ID } from "../origin/land.ts";
import { reasonOf } from "../telemetry/events.ts";
import { candidatesOf } from "./candidates.ts";
import { CLIENT_INFO } from "./clientInfo.ts";
import type { Exchange } from "./Exchange.ts";
import { fill } from "./fill.ts";
import { errorCode } from "./heed.ts";
import { ask, initializeCandidates } from "./initialize.ts";
import { bootstrapCall, storedBootstrap } from "./surface.ts";

/** What is stored of the bootstrap answers is looked at this often, while there is traffic. */
const EVERY_MS = 300_000;
/** How long it is believed that an origin does not speak the modern revision, in s. */
const BELIEVED_S = 86_400;

/**
 * Sees to it that the origin's answers to both ways of opening a connection are stored, so that a client that was
 * never here before can connect while the origin is down. In the background, at most every few minutes.
 */
export function lookAfterSurface(x: Exchange): void {
  const key = `${x.origin.settings.id} ${x.principal}`;
  const now = x.now();
  if (now - (x.isolate.surfacesAt.get(key) ?? 0) < EVERY_MS) return;
  if (x.isolate.surfacesAt.size > 10_000) x.isolate.surfacesAt.clear();
  x.isolate.surfacesAt.set(key, now);
  const work = async () => {
    try {
      if (!(await isKnownLegacy(x))) await storeDiscover(x);
      await storeInitialize(x);
    } catch (error) {
      x.isolate.surfacesAt.delete(key);
      x.report({ type: "store-failed", operation: "put", reason: reasonOf(error) });
    }
  };
  x.waitUntil(work());
}

/** Whether the origin has lately said that it does not know the modern revision. An outage says nothing of the kind. */
export async function isKnownLegacy(x: Exchange): Promise<boolean> {
  return (await x.env.KV.get(await eraRecord(x))) !== null;
}

async function storeDiscover(x: Exchange): Promise<void> {
  if (await storedBootstrap(x, "server/discover", MODERN_VERSION)) return;
  const call = bootstrapCall("server/discover", MODERN_VERSION);
  const filled = await fill(x, call, x.origin.lists, candidatesOf(x, call, x.origin.lists)!, {
    again: false,
    previous: undefined,
  });
  if (filled.kind !== "reply") return;
  // A result that may not be kept comes from an origin that knows the modern revision; a failure inside tells nothing.
  const code = errorCode(filled.text);
  if (code === undefined || code === CODE.internal) return;
  const record = JSON.stringify({ modern: false, at: x.now() });
  await x.env.KV.put(await eraRecord(x), record, { expirationTtl: BELIEVED_S });
}

async function storeInitialize(x: Exchange): Promise<void> {
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

async function eraRecord(x: Exchange): Promise<string> {
  return `era/${x.origin.settings.id}/${await digest(x.origin.settings.identity)}`;
}
