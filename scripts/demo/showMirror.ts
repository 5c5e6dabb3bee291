import assert from "node:assert/strict";
import type { Client } from "@modelcontextprotocol/client";
import type { MirrorStatus } from "../../src/mirror/MirrorStatus.ts";
import type { Origin } from "../origin/startOrigin.ts";
import { pullNow } from "../replica/pullNow.ts";
import { endText } from "../replica/sync.ts";
import { ask, connect, say } from "./connect.ts";

/** Who is described otherwise, and who is removed. */
const CHANGED = "css.properties.gap";
const REMOVED = "css.properties.all";
const DESCRIPTION = "Sets how far rows and columns are apart.";

/** Shows that a mirror answers what nobody has asked before, and follows its origin. Gives the origin that runs in the end. */
export async function showMirror(replica: string, origin: Origin, restart: () => Promise<Origin>): Promise<Origin> {
  const client = await connect(`${replica}/mcp/mirrored`);
  try {
    say("\nSo far, only what was asked before was answered. Now the origin's features are mirrored in D1.");
    await pull(replica);
    await origin.close();
    say("\nThe origin is stopped. What nobody has asked before is answered all the same");
    await answered(client, "get_feature", { id: CHANGED });
    await answered(client, "search_features", { query: "GRID Template", limit: 2 });
    const unknown = await ask(client, "get_feature", { id: "css.properties.nothing" });
    assert.equal(unknown.isError, true);
    say(`What is not there is refused as the origin does it\n  ${unknown.text}`);
  } finally {
    await client.close();
  }
  origin = await restart();
  say("\nThe origin is back. A feature is described otherwise there, and another is removed, past the replica.");
  await edit(origin.url, "set_description", { id: CHANGED, description: DESCRIPTION });
  await edit(origin.url, "remove_feature", { id: REMOVED });
  const { pulled } = await pull(replica);
  assert.deepEqual([pulled!.added, pulled!.changed, pulled!.removed], [0, 1, 1]);
  const later = await connect(`${replica}/mcp/mirrored`);
  try {
    const changed = await answered(later, "get_feature", { id: CHANGED });
    assert.ok(changed.text?.includes(DESCRIPTION), changed.text);
    const gone = await ask(later, "get_feature", { id: REMOVED });
    assert.equal(gone.isError, true);
    say(`What was removed has vanished\n  ${gone.text}`);
  } finally {
    await later.close();
  }
  return origin;
}

async function pull(replica: string): Promise<MirrorStatus> {
  const {
    ended: [ended],
  } = await pullNow({ url: replica, origin: "mirrored", screen: process.stdout });
  assert(ended && !ended.failed, JSON.stringify(ended));
  say(`  ${endText(ended)}`);
  return ended;
}

async function answered(client: Client, tool: string, args: Record<string, unknown>) {
  const answer = await ask(client, tool, args);
  const { told, ms, text = "" } = answer;
  assert.equal(told?.status, "hit", JSON.stringify(answer));
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  say(
    `${tool} ${JSON.stringify(args)}\n  ${told.status}, ${ms.toFixed(1)} ms, age ${(told.ageMs / 1_000).toFixed(1)} s\n  ${shown}`,
  );
  return answer;
}

/** Changes something at the origin itself. */
async function edit(url: string, tool: string, args: Record<string, unknown>): Promise<void> {
  const direct = await connect(url);
  const { isError, text } = await ask(direct, tool, args);
  assert.equal(isError, false, text);
  await direct.close();
}
