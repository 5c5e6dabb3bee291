import { authenticateAdmin } from "../../access/authenticateAdmin.ts";
import type { Replica } from "../../config/replica.ts";
import type { Trouble } from "../errors.ts";
import { guard } from "../guard.ts";
import { placeOf } from "../place.ts";

/** Why somebody may not do what operators do; `undefined` where they may. */
export async function admitAdmin(
  { hosts }: Pick<Replica, "hosts">,
  { url, headers }: Pick<Request, "url" | "headers">,
  token: string | undefined,
): Promise<Trouble | undefined> {
  const place = placeOf(url);
  const turnedAway = guard(place, null, hosts);
  if (turnedAway) return turnedAway;
  // No page of a browser is an operator, on whatever machine. What a page embeds is asked for without an `Origin`.
  if (headers.has("origin") || (headers.get("sec-fetch-site") ?? "none") !== "none") return { kind: "from-page" };
  return authenticateAdmin({ authorization: headers.get("authorization"), hostname: place.hostname, token });
}
