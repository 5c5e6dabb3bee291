import { rolesOf } from "../access/rolesOf.ts";
import type { Readers } from "../config/mirror.ts";
import { reasonOf } from "../telemetry/events.ts";
import type { Exchange } from "./Exchange.ts";
import type { KnownMirror } from "./Mirrors.ts";
import { miss } from "./wakeMirrors.ts";
import { within } from "./within.ts";

/** How long a caller waits for D1. */
const PATIENCE_MS = 2_000;

/**
 * Asks D1 for something of these mirrors. One that fails, is late, or has failed again and again just now, has nothing;
 * where tables are not there, they have not been pulled yet.
 */
export async function askMirror<T>(
  x: Exchange,
  of: readonly KnownMirror[],
  read: (db: D1Database) => Promise<T>,
): Promise<T | undefined> {
  const { mirrors } = x.isolate;
  if (mirrors.rest(of, x.now())) return undefined;
  try {
    const reply = await within(PATIENCE_MS, read(x.env.DB));
    mirrors.answered(of);
    return reply;
  } catch (error) {
    const reason = reasonOf(error);
    if (reason.includes("no such table")) miss(x, of);
    else mirrors.failed(of, x.now());
    x.report({ type: "store-failed", operation: "get", reason });
    return undefined;
  }
}

/** Whether the caller is one of those that the operator lets have it. */
export function mayRead({ caller, replica }: Pick<Exchange, "caller" | "replica">, readers: Readers): boolean {
  if (readers === "public") return true;
  const { roles } = replica.access;
  return roles !== undefined && rolesOf(roles, caller).some((role) => readers.roles.includes(role));
}
