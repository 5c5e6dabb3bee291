import { isLoopback } from "../config/resolve.ts";
import type { Replica } from "../config/replica.ts";
import { ANYBODY, type Caller } from "./Caller.ts";
import { KeyDoor, type KeyCredentials, type KeyRefusal } from "./KeyDoor.ts";
import { Remembered } from "./Remembered.ts";

const OPEN: Authenticated = Object.freeze({ caller: ANYBODY });

/** Why a caller is not let in. */
export type Refusal =
  | KeyRefusal
  /** No key, or not a valid one. */
  | { kind: "unauthorized" }
  /** The replica is open on loopback only, and this is not loopback. */
  | { kind: "closed" }
  /** The configuration lets nobody in, or a secret it needs is missing. */
  | { kind: "unconfigured"; detail: string };

/** Who it is, or why not. */
export type Authenticated = { caller: Caller } | { refusal: Refusal };

/** What authentication reads. */
export type Credentials = KeyCredentials;

/** Keys are remembered for this long: a revoked one may work as much longer. */
const REMEMBERED_KEY_MS = 60_000;

/** Where a key is good: it names no endpoint. */
const ANYWHERE = "";

const UNAUTHORIZED: Authenticated = { refusal: Object.freeze({ kind: "unauthorized" }) };

/** Decides who calls, before anything else of the request is looked at. */
export class Authenticator {
  readonly #access: Replica["access"];
  readonly #remembered = new Remembered();
  readonly #keys = new KeyDoor();

  constructor(access: Replica["access"]) {
    this.#access = access;
  }

  /** At once where access is open, and where who calls is remembered. */
  authenticate(by: Credentials): Authenticated | Promise<Authenticated> {
    const { open, openOnPurpose, keys } = this.#access;
    const authorization = keys ? by.headers.get("authorization") : null;
    if (authorization !== null)
      return this.#remembered.find(ANYWHERE, authorization, by.now()) ?? this.#bySent(authorization, by);
    if (open && (openOnPurpose || isLoopback(by.hostname))) return OPEN;
    if (keys) return UNAUTHORIZED;
    if (open) return { refusal: { kind: "closed" } };
    return { refusal: { kind: "unconfigured", detail: "the configuration's access lets nobody in" } };
  }

  async #bySent(authorization: string, by: Credentials): Promise<Authenticated> {
    const sent = /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? "";
    const checked = await this.#keys.check(sent, by);
    if ("refusal" in checked) return checked;
    const found = { caller: checked.caller };
    const now = by.now();
    this.#remembered.keep(ANYWHERE, authorization, found, Math.min(checked.until, now + REMEMBERED_KEY_MS), now);
    return found;
  }
}
