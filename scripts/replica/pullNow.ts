import type { MirrorStatus } from "../../src/mirror/MirrorStatus.ts";
import { awaitPulls, nameOf, type PullsAwaited } from "./awaitPulls.ts";
import { callReplica } from "./callReplica.ts";
import { mirrorsOf } from "./mirrorsOf.ts";
import type { Screen } from "./progress.ts";

/** What of a replica is pulled. */
export interface Pulling {
  url: string;
  origin?: string | undefined;
  /** Default: all. */
  collection?: string | undefined;
  /** Where it is shown how far that is. */
  screen: Screen;
}

/** Has a replica, local or deployed, pull collections now, and awaits it. */
export async function pullNow({ url, origin, collection, screen }: Pulling): Promise<PullsAwaited> {
  const look = () => mirrorsOf(url, origin);
  const before = await look();
  // It knows which there are, and says so.
  const begun = await callReplica(url, "/admin/sync", { method: "POST", body: { origin, collection } });
  const asked = new Set((JSON.parse(begun) as { mirrors: MirrorStatus[] }).mirrors.map(nameOf));
  return awaitPulls({ look, before: before.filter((one) => asked.has(nameOf(one))), screen });
}
