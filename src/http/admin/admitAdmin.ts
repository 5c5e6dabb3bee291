import { authenticateAdmin } from "../../access/authenticateAdmin.ts";
import { isFromHere } from "../../access/isFromHere.ts";
import type { Replica } from "../../config/replica.ts";
import type { Trouble } from "../errors.ts";
import { guard } from "../guard.ts";
import { placeOf } from "../place.ts";
import type { AdminLimits } from "./AdminLimits.ts";

/** Why somebody may not do what operators do; `undefined` where they may. On loopback nobody is counted. */
export async function admitAdmin(
  { hosts }: Pick<Replica, "hosts">,
  limits: AdminLimits,
  { url, headers }: Pick<Request, "url" | "headers">,
  token: string | undefined,
): Promise<Trouble | undefined> {
  const place = placeOf(url);
  const turnedAway = guard(place, null, hosts);
  if (turnedAway) return turnedAway;
  // No page of a browser is an operator, on whatever machine. What a page embeds is asked for without an `Origin`.
  if (headers.has("origin") || (headers.get("sec-fetch-site") ?? "none") !== "none") return { kind: "from-page" };
  const isHere = isFromHere(place.hostname, headers.get("cf-connecting-ip"));
  const stranger = isHere ? undefined : limits.strangers.of(headers);
  const waitMs = stranger?.take(Date.now()) ?? 0;
  if (waitMs > 0) return { kind: "rate-limited", retryAfterMs: waitMs };
  const refusal = await authenticateAdmin({ authorization: headers.get("authorization"), isHere, token });
  if (refusal || !stranger) return refusal;
  stranger.giveBack();
  const busyMs = limits.calls.take(Date.now());
  return busyMs > 0 ? { kind: "rate-limited", retryAfterMs: busyMs } : undefined;
}
