import type { OriginStatus } from "../../src/http/admin/OriginStatus.ts";
import type { MirrorStatus } from "../../src/mirror/MirrorStatus.ts";
import { callReplica } from "./callReplica.ts";

/** How the collections of a replica stand: those of one origin, or all. */
export async function mirrorsOf(url: string, origin?: string, token?: string): Promise<MirrorStatus[]> {
  const query = origin === undefined ? "" : `?origin=${encodeURIComponent(origin)}`;
  const text = await callReplica(url, `/admin/status${query}`, { method: "GET", ...(token && { token }) });
  const { origins } = JSON.parse(text) as { origins: Record<string, OriginStatus> };
  return Object.values(origins).flatMap(({ mirror = [] }) => mirror);
}
