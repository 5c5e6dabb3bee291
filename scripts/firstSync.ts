import type { MirrorStatus } from "../src/mirror/MirrorStatus.ts";
import { awaitPulls } from "./replica/awaitPulls.ts";
import { callReplica } from "./replica/callReplica.ts";
import { grouped } from "./replica/count.ts";
import { mirrorsOf } from "./replica/mirrorsOf.ts";
import type { Screen } from "./replica/progress.ts";
import { endText, waitText } from "./replica/sync.ts";

/** A replica whose collections are pulled. */
export interface FirstSync {
  url: string;
  /** The admin token, where it has one. */
  token: string | undefined;
  /** Where it is shown how far that is. */
  screen: Screen;
  /** Gets what came of it, line by line. */
  say: (line: string) => void;
  /** Whether nobody wants to wait any longer. */
  isOver: () => boolean;
}

/** Has those collections pulled of which there is nothing yet, or whose time has come meanwhile. Nothing is said where there is none. */
export async function firstSync({ url, token, screen, say, isOver }: FirstSync): Promise<void> {
  const look = () => mirrorsOf(url, undefined, token);
  const before = (await look()).filter((one) => isDue(one, Date.now()));
  if (before.length === 0) return;
  const begun = Date.now();
  for (const { origin, collection } of before)
    await callReplica(url, "/admin/sync", { method: "POST", body: { origin, collection }, ...(token && { token }) });
  const { ended, waiting } = await awaitPulls({ look, before, screen, isOver });
  if (isOver()) return;
  for (const one of ended) if (one.failed) say(endText(one));
  for (const one of waiting) say(waitText(one));
  const succeeded = ended.filter(({ failed }) => !failed);
  const rows = succeeded.map(({ rows, collection }) => `${grouped(rows)} ${collection.replace(/^~/, "")}`);
  const tookS = Math.max(1, Math.round((Date.now() - begun) / 1_000));
  if (rows.length > 0) say(`mirrored ${rows.join(", ")} in ${tookS} s`);
}

function isDue({ version, pulling, nextAt }: MirrorStatus, now: number): boolean {
  return version === 0 || pulling !== null || (nextAt ?? 0) <= now;
}
