import { withoutScopes } from "../access/payer.ts";
import { seal, unseal, type Session } from "../mcp/Session.ts";
import { originSync } from "../origin/originSync.ts";
import { reasonOf } from "../telemetry/events.ts";
import { newId } from "../telemetry/newId.ts";
import { digest } from "../cache/key.ts";
import type { Exchange, KnownSession } from "./Exchange.ts";

/** After this a client has to initialize again. */
const LIFE_MS = 7 * 86_400_000;
/** Elsewhere a session may have ended that long before it is noticed here. */
const RECHECK_MS = 30_000;
/** Capabilities longer than this are known by their hash: an id has to fit into a header. */
const MAX_CAPABILITIES = 1_024;

/** What is known of a session that begins. */
interface Beginning {
  originId?: string | undefined;
  version: string;
  /** `undefined` where nobody can tell what the client declares. */
  capabilities: Session["capabilities"] | undefined;
}

/** Seals a session for the caller. Without `originId` it is one for the time while the origin is down. */
export async function sealSession(x: Exchange, { originId, version, capabilities }: Beginning): Promise<string> {
  const name = newId();
  const session: Session = {
    name,
    ...(originId !== undefined && { originId }),
    principal: x.principal,
    version,
    ...(capabilities ? await abridged(capabilities) : unknown(name)),
    expiresAt: x.now() + LIFE_MS,
  };
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const sealed = await seal(await keyOf(x), session, boundTo(x), iv);
  x.isolate.sessions.set(sealed, { session, at: x.origin.settings.id, hasEnded: false, checkedAt: x.now() }, 1);
  return sealed;
}

/** The session that a caller's id stands for; `undefined` where it stands for none that goes on. At once where it is known. */
export function openSession(x: Exchange, sealed: string): Session | undefined | Promise<Session | undefined> {
  const known = x.isolate.sessions.get(sealed);
  if (!known) return unsealed(x, sealed);
  if (x.now() - known.checkedAt > RECHECK_MS) {
    known.checkedAt = x.now();
    x.waitUntil(check(x, known));
  }
  return usable(x, known);
}

/** Notes that a session has ended, here at once and elsewhere soon. */
export function endSession(x: Exchange): void {
  const { session, sessionId } = x;
  if (!session || sessionId === undefined || x.isolate.sessions.get(sessionId)?.hasEnded) return;
  x.isolate.sessions.set(sessionId, { session, at: x.origin.settings.id, hasEnded: true, checkedAt: x.now() }, 1);
  const { name, expiresAt } = session;
  x.waitUntil(originSync(x.env, x.origin.settings).endSession(name, expiresAt, x.now()).catch(failed(x, "put")));
}

async function unsealed(x: Exchange, sealed: string): Promise<Session | undefined> {
  const session = await unseal(await keyOf(x), sealed, boundTo(x));
  if (!session) return undefined;
  const known: KnownSession = { session, at: x.origin.settings.id, hasEnded: false, checkedAt: x.now() };
  await check(x, known);
  // Another request may have met it meanwhile, and ended it.
  const met = x.isolate.sessions.get(sealed);
  if (!met) x.isolate.sessions.set(sealed, known, 1);
  else if (known.hasEnded) met.hasEnded = true;
  return usable(x, met ?? known);
}

/**
 * A session is the user's alone who has opened it (security best practices, session hijacking), and its origin's. It goes on
 * when the user has been granted more, as clients ask for that in the middle of one; what is kept of it goes by what is
 * granted all the same.
 */
function usable(x: Exchange, { session, at, hasEnded }: KnownSession): Session | undefined {
  const isTheirs =
    (session.principal === x.principal || withoutScopes(session.principal) === withoutScopes(x.principal)) &&
    at === x.origin.settings.id;
  return isTheirs && !hasEnded && x.now() < session.expiresAt ? session : undefined;
}

async function check(x: Exchange, known: KnownSession): Promise<void> {
  try {
    if (await originSync(x.env, x.origin.settings).hasEnded(known.session.name)) known.hasEnded = true;
  } catch (error) {
    failed(x, "get")(error);
  }
}

async function keyOf(x: Exchange): Promise<CryptoKey> {
  const { id } = x.origin.settings;
  let key = x.isolate.sealKeys.get(id);
  if (!key) {
    const bytes = Uint8Array.fromBase64(await originSync(x.env, x.origin.settings).sealKey());
    key = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
    x.isolate.sealKeys.set(id, key);
  }
  return key;
}

/** An id is of no use with another origin, nor with another server in its place. */
function boundTo(x: Exchange): string {
  return `${x.origin.settings.id} ${x.origin.settings.identity}`;
}

type Declared = Pick<Session, "capabilities" | "isAbridged">;

async function abridged(capabilities: Session["capabilities"]): Promise<Declared> {
  const text = JSON.stringify(capabilities);
  if (text.length <= MAX_CAPABILITIES) return { capabilities };
  const { extensions } = capabilities;
  // Lists follow the extensions alone.
  const own = extensions === undefined ? {} : { extensions: { sha256: await digest(JSON.stringify(extensions)) } };
  return { capabilities: { ...own, sha256: await digest(text) }, isAbridged: true };
}

/** Of a client that declares nobody knows what: the session's alone. */
function unknown(name: string): Declared {
  return { capabilities: { name, extensions: { name } }, isAbridged: true };
}

function failed(x: Exchange, operation: "get" | "put") {
  return (error: unknown) => x.report({ type: "store-failed", operation, reason: reasonOf(error) });
}
