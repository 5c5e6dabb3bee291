import { keyHmac, newKey } from "../../access/keys.ts";
import { NO_PEPPER } from "../../access/KeyDoor.ts";
import { KeyStore } from "../../access/KeyStore.ts";
import { keyState, type StoredKey } from "../../access/StoredKey.ts";
import type { Replica, Role } from "../../config/replica.ts";
import { reasonOf, type Reporter } from "../../telemetry/events.ts";
import type { Trouble } from "../errors.ts";
import { readBody } from "../readBody.ts";
import { parseKeyWish, type KeyWish } from "./keysRequest.ts";
import type { KeyPage, KeyStatus, MadeKey } from "./KeyStatus.ts";
import { respondJson } from "./respondJson.ts";

const MAX_BYTES = 65_536;
const MAX_CURSOR = 2_048;

/** What serving keys needs. */
export interface KeysServing {
  replica: {
    access: Pick<Replica["access"], "keys"> & { roles?: ReadonlyMap<string, Pick<Role, "scopes">> | undefined };
  };
  report: Reporter;
}

/** Serves `GET /admin/keys`, a page of those there are, and `POST /admin/keys`, which makes, rotates and revokes one. */
export async function serveKeys(serving: KeysServing, request: Request, env: Cloudflare.Env): Promise<Response> {
  const { report } = serving;
  try {
    return respondJson(await serve(serving, request, env), report, "/admin/keys");
  } catch (error) {
    report({ type: "store-failed", operation: "keys", reason: reasonOf(error) });
    return respondJson({ trouble: { kind: "keys-unavailable" } }, report, "/admin/keys");
  }
}

async function serve(serving: KeysServing, request: Request, env: Cloudflare.Env): Promise<object> {
  const store = new KeyStore(env.KV);
  const now = Date.now();
  if (request.method === "GET") return list(store, new URL(request.url).searchParams.get("cursor"), now);
  if (request.method !== "POST") return { trouble: { kind: "get-or-post" } satisfies Trouble };
  const read = await readBody(request, null, MAX_BYTES);
  if ("trouble" in read) return read;
  const wish = parseKeyWish(read.text);
  if ("detail" in wish) return { trouble: { kind: "bad-key", detail: wish.detail } satisfies Trouble };
  const done = await fulfil(wish, { ...serving, store, pepper: env.KEY_PEPPER, now });
  if (!("trouble" in done)) serving.report({ type: "key", done: wish.do, id: done.id });
  return done;
}

async function list(store: KeyStore, cursor: string | null, now: number): Promise<KeyPage | { trouble: Trouble }> {
  if (cursor !== null && cursor.length > MAX_CURSOR)
    return { trouble: { kind: "bad-key", detail: "the cursor is not one of a page" } };
  const page = await store.list(cursor ?? undefined);
  const keys = page.keys.map(({ id, key, usedAt = null }) => ({ ...statusOf(id, key, now), usedAt }));
  return { keys, ...(page.cursor !== undefined && { cursor: page.cursor }) };
}

interface Fulfilling extends KeysServing {
  store: KeyStore;
  pepper: string | undefined;
  /** Epoch ms. */
  now: number;
}

async function fulfil(wish: KeyWish, given: Fulfilling): Promise<KeyStatus | MadeKey | { trouble: Trouble }> {
  const { store, now, replica } = given;
  switch (wish.do) {
    case "revoke": {
      const { id } = wish;
      const found = await store.find(id);
      if (!found) return { trouble: { kind: "unknown-key", id } };
      await store.delete(id);
      return statusOf(id, found.key, now);
    }
    case "create": {
      const { name, roles = [], tenant, scopes, expires } = wish;
      const known = [...(replica.access.roles?.keys() ?? [])];
      const role = roles.find((one) => !known.includes(one));
      if (role !== undefined) return { trouble: { kind: "unknown-role", role, known } };
      // What was read of a name once is what KV says of it for a while: so a new one is not looked for before.
      return write(given, undefined, {
        name,
        createdAt: now,
        ...(roles.length > 0 && { roles }),
        ...(tenant !== undefined && { tenant }),
        ...(scopes && { scopes }),
        ...(expires !== undefined && { expiresAt: now + expires }),
      });
    }
    case "rotate": {
      const { id, overlap } = wish;
      const old = await store.read(id);
      if (!old) return { trouble: { kind: "unknown-key", id } };
      if (keyState(old, now) === "expired")
        return { trouble: { kind: "bad-key", detail: `the key ${id} has expired: create another` } };
      // Of keys that were rotated before, none works any more: there are two at most.
      const { hmac, previous: _, ...rest } = old;
      return write(given, id, { ...rest, ...(overlap > 0 && { previous: { hmac, until: now + overlap } }) });
    }
  }
}

/** Makes a key, and keeps what is to be kept of it. */
async function write(
  { replica, store, pepper, now }: Fulfilling,
  known: string | undefined,
  rest: Omit<StoredKey, "hmac">,
): Promise<MadeKey | { trouble: Trouble }> {
  if (!replica.access.keys)
    return { trouble: { kind: "unconfigured", detail: "keys are of no use without access: { keys: true }" } };
  if (!pepper) return { trouble: { kind: "unconfigured", detail: NO_PEPPER } };
  const { id, key } = newKey((bytes) => crypto.getRandomValues(new Uint8Array(bytes)), known);
  const stored = { ...rest, hmac: await keyHmac(key, pepper) };
  await store.write(id, stored, now);
  return { ...statusOf(id, stored, now), key, ...(isIdle(stored, replica.access.roles) && { isIdle: true }) };
}

/** Whether a key has none of the roles that there are, neither by name nor by its scopes. */
function isIdle({ roles = [], scopes = [] }: StoredKey, known: KeysServing["replica"]["access"]["roles"]): boolean {
  const has = ([name, role]: readonly [string, Pick<Role, "scopes">]) =>
    roles.includes(name) || role.scopes?.every((scope) => scopes.includes(scope)) === true;
  return known !== undefined && ![...known].some(has);
}

function statusOf(id: string, key: StoredKey | undefined, now: number): KeyStatus {
  if (!key) return { id, state: "unreadable" };
  const { hmac: _, previous, ...shown } = key;
  const state = keyState(key, now);
  return { id, ...shown, state, ...(state === "rotating" && { oldUntil: previous!.until }) };
}
