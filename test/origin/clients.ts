import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

/** What the three clients have in common, as far as the tests need it. */
export interface AnyClient {
  callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<Record<string, unknown>>;
  listTools(): Promise<{ tools: { name: string; annotations?: Record<string, unknown>; outputSchema?: unknown }[] }>;
  listResources(): Promise<{ resources: { uri: string }[] }>;
  listResourceTemplates(): Promise<{ resourceTemplates: { uriTemplate: string }[] }>;
  readResource(params: { uri: string }): Promise<{ contents: Record<string, unknown>[] }>;
  listPrompts(): Promise<{ prompts: { name: string }[] }>;
  getPrompt(params: { name: string; arguments: Record<string, string> }): Promise<{ messages: { content: unknown }[] }>;
  complete(params: {
    ref: { type: "ref/prompt"; name: string } | { type: "ref/resource"; uri: string };
    argument: { name: string; value: string };
  }): Promise<{ completion: { values: string[]; total?: number; hasMore?: boolean } }>;
  close(): Promise<void>;
}

const INFO = { name: "test", version: "1.0.0" };

/** A client of the modern era, connected. */
export async function connectModern(url: string): Promise<Client> {
  const client = new Client(INFO, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

/** A client of the same package in its default mode, which is the legacy era. */
export async function connectLegacy(url: string): Promise<Client> {
  const client = new Client(INFO);
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

/** A client of the first package, which knows the legacy era only. */
export async function connectFirst(url: string): Promise<Client1> {
  const client = new Client1(INFO);
  await client.connect(new Transport1(new URL(url)));
  return client;
}

/** The three clients, by the name that a test shows. */
export const CLIENTS: [name: string, connect: (url: string) => Promise<AnyClient>][] = [
  ["modern", async (url) => (await connectModern(url)) as unknown as AnyClient],
  ["legacy", async (url) => (await connectLegacy(url)) as unknown as AnyClient],
  ["sdk 1", async (url) => (await connectFirst(url)) as unknown as AnyClient],
];

/** What a tool answered: its structured content, which must be the same as its one text block. */
export async function call(client: AnyClient, name: string, args: Record<string, unknown>): Promise<any> {
  const result = await client.callTool({ name, arguments: args });
  if (result.isError) throw new Error(text(result));
  if (text(result) !== JSON.stringify(result.structuredContent)) throw new Error("text and structured content differ");
  return result.structuredContent;
}

/** The sentence with which a tool refused. */
export async function refusal(client: AnyClient, name: string, args: Record<string, unknown>): Promise<string> {
  const result = await client.callTool({ name, arguments: args });
  if (result.isError !== true || result.structuredContent !== undefined) throw new Error("the tool did not refuse");
  return text(result);
}

function text(result: Record<string, unknown>): string {
  const content = result.content as { type: string; text: string }[];
  if (content.length !== 1 || content[0]?.type !== "text") throw new Error("not one text block");
  return content[0].text;
}
