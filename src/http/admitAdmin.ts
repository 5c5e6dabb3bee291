import { authenticateAdmin } from "../access/authenticateAdmin.ts";
import type { Origin, Replica } from "../config/replica.ts";
import type { Trouble } from "./errors.ts";
import { guard } from "./guard.ts";
import { placeOf } from "./place.ts";

/** Why a request is none of an operator's, or not made by this method; `undefined` where it is. */
export async function admitAdmin(
  { hosts }: Pick<Replica, "hosts">,
  { url, headers, method }: Pick<Request, "url" | "headers" | "method">,
  { ADMIN_TOKEN: token }: Pick<Cloudflare.Env, "ADMIN_TOKEN">,
  allowed = "POST",
): Promise<Trouble | undefined> {
  const place = placeOf(url);
  const turnedAway = guard(place, null, hosts);
  if (turnedAway) return turnedAway;
  // No page of a browser is an operator, on whatever machine.
  if (headers.has("origin")) return { kind: "bad-origin" };
  const authorization = headers.get("authorization");
  const refusal = await authenticateAdmin({ authorization, hostname: place.hostname, token });
  if (refusal) return refusal;
  return method === allowed ? undefined : { kind: "method-not-allowed" };
}

/** The origin that an operator names, or the one that goes without saying. */
export function originNamed(
  { origins, defaultOrigin }: Replica,
  id: string | undefined,
): Origin | { trouble: Trouble } {
  const origin = id === undefined ? defaultOrigin : origins.get(id);
  return origin ?? { trouble: { kind: "unknown-origin", known: [...origins.keys()] } };
}
