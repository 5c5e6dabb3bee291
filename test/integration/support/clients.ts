import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { type AnyClient, connectFirst, connectLegacy, connectModern } from "../../origin/clients.ts";

/** The official clients in every way of opening a connection, by the name that a test shows. */
export const CLIENTS: [name: string, connect: (url: string) => Promise<AnyClient>][] = [
  ["sdk 1", async (url) => (await connectFirst(url)) as unknown as AnyClient],
  ["sdk 2 by default", async (url) => (await connectLegacy(url)) as unknown as AnyClient],
  ["sdk 2 auto", connectAuto],
  ["sdk 2 pinned", async (url) => (await connectModern(url)) as unknown as AnyClient],
];

/** The client that asks which era a server speaks. */
export async function connectAuto(url: string): Promise<AnyClient> {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode: "auto" } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client as unknown as AnyClient;
}
