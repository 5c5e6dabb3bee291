import { options, UsageError } from "../commandLine.ts";

export const PURGE_USAGE =
  "npm run replica -- purge [--origin ID] [--tool NAME] [--tag T]... [--resource URI] [--hard] [--url URL] [--json]";

const LOCAL = "http://127.0.0.1:8787";

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
      url: { type: "string", default: LOCAL },
      json: { type: "boolean" },
    },
  });
  const { origin, tool, tag: tags, resource, hard, url, json } = values;
  if ([origin, tool, tags, resource].every((one) => one === undefined))
    throw new UsageError("Name what to purge: --tool, --tag, --resource, or all of an --origin.");
  if (!URL.canParse(url)) throw new UsageError("--url: the address of a replica, such as https://replica.example.com");
  const text = await post(new URL("/admin/purge", url), { origin, tags, tool, resource, hard });
  if (json) {
    console.log(text);
    return;
  }
  const purged = JSON.parse(text) as { origin: string; tags: string[]; hard: boolean; seq: number };
  const how = purged.hard ? "gone" : "stale";
  console.log(`${purged.origin}: ${purged.tags.join(", ")} ${how} (seq ${purged.seq}), everywhere within a pulse`);
}

/** The replica's answer, where it is one; its own words where it refuses. */
async function post(url: URL, body: object): Promise<string> {
  const token = process.env["REPLICA_ADMIN_TOKEN"];
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  let response: Response;
  try {
    response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body), redirect: "error" });
  } catch (error) {
    const { cause, message } = error as Error;
    throw new Error(`Cannot reach a replica at ${url.origin}: ${cause instanceof Error ? cause.message : message}`, {
      cause: error,
    });
  }
  const text = await response.text();
  if (response.ok) return text;
  throw new Error(`${url.origin} refused (HTTP ${response.status}): ${wordsIn(text)}`);
}

function wordsIn(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error: { message: string; data: { code: string } } };
    return `${error.message} [${error.data.code}]`;
  } catch {
    return "its answer is none of a replica's. Set REPLICA_ADMIN_TOKEN? Is --url right?";
  }
}
