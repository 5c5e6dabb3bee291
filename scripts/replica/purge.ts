import { options, UsageError } from "../commandLine.ts";
import { callReplica, LOCAL_URL } from "./callReplica.ts";

export const PURGE_USAGE =
  "npm run replica -- purge [--origin ID] [--tool NAME] [--tag T]... [--resource URI] [--hard] [--url URL] [--json]";

/** `replica purge`: has a replica, local or deployed, forget answers. */
export async function purge(args: string[]): Promise<void> {
  const { values } = options({
    args,
    options: {
      origin: { type: "string" },
      tool: { type: "string" },
      tag: { type: "string", multiple: true },
      resource: { type: "string" },
      hard: { type: "boolean" },
      url: { type: "string", default: LOCAL_URL },
      json: { type: "boolean" },
    },
  });
  const { origin, tool, tag: tags, resource, hard, url, json } = values;
  if ([origin, tool, tags, resource].every((one) => one === undefined))
    throw new UsageError("Name what to purge: --tool, --tag, --resource, or all of an --origin.");
  const text = await callReplica(url, "/admin/purge", { method: "POST", body: { origin, tags, tool, resource, hard } });
  if (json) {
    console.log(text);
    return;
  }
  const purged = JSON.parse(text) as { origin: string; tags: string[]; hard: boolean; seq: number };
  const how = purged.hard ? "gone" : "stale";
  console.log(`${purged.origin}: ${purged.tags.join(", ")} ${how} (seq ${purged.seq}), everywhere within a pulse`);
}
