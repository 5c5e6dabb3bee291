import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

/** What the replica says of an answer. */
export interface Told {
  status: "hit" | "stale" | "miss";
  ageMs: number;
}

/** An official client, in the era that the server speaks. */
export async function connect(url: string): Promise<Client> {
  const client = new Client({ name: "demo", version: "0.1.0" }, { versionNegotiation: { mode: "auto" } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

/** Calls a tool, and looks how long that takes and what the replica says of the answer. */
export async function ask(client: Client, name: string, args: Record<string, unknown>) {
  const begun = performance.now();
  const result = await client.callTool({ name, arguments: args });
  const texts = (result.content as { text?: string }[]).map(({ text }) => text ?? "");
  const told = result._meta?.["edge-replica/cache"] as Told | undefined;
  return { ms: performance.now() - begun, isError: result.isError === true, told, text: texts[0], notice: texts[1] };
}

/** Says a line of the tour. */
export function say(line: string): void {
  console.log(line);
}
