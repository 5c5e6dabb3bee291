import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

type Arguments = Record<string, unknown>;

/** Does with the official client what a scenario wants to see. */
export async function drive(scenario: string, revision: string, url: string, context: Arguments): Promise<void> {
  const client = await connect(revision, url);
  const call = (name: string, args: Arguments = {}) => client.callTool({ name, arguments: args });
  try {
    switch (scenario) {
      case "initialize":
        await client.listTools();
        break;
      case "tools_call":
        await client.listTools();
        await call("add_numbers", { a: 5, b: 3 });
        break;
      case "elicitation-sep1034-client-defaults":
      case "sse-retry":
      case "sep-2322-client-request-state":
        for (const { name } of (await client.listTools()).tools) await call(name);
        break;
      case "request-metadata":
      case "json-schema-ref-no-deref":
        await client.listTools();
        break;
      case "http-standard-headers":
        await useEverything(client);
        break;
      case "http-custom-headers": {
        await client.listTools();
        const { toolCalls = [] } = context as { toolCalls?: { name: string; arguments: Arguments }[] };
        for (const { name, arguments: args } of toolCalls) await call(name, args);
        break;
      }
      case "http-invalid-tool-headers":
        // The client keeps the tools that it may call.
        for (const { name } of (await client.listTools()).tools) await call(name, { region: "us-west1" });
        break;
      case "json-schema-2020-12-preservation": {
        const { tools } = await client.listTools();
        await call("json_schema_echo", {
          schema: tools.find(({ name }) => name.startsWith("json_schema_2020"))?.inputSchema,
        });
        break;
      }
      default:
        throw new Error(`There is nothing to do for ${JSON.stringify(scenario)}.`);
    }
  } finally {
    await client.close();
  }
}

/** A client that says yes to all, and leaves what has a default out. */
async function connect(revision: string, url: string): Promise<Client> {
  const client = new Client(
    { name: "conformance-client", version: "1.0.0" },
    {
      capabilities: { elicitation: { form: { applyDefaults: true } }, roots: {}, sampling: {} },
      versionNegotiation: { mode: revision === "2026-07-28" ? "auto" : "legacy" },
    },
  );
  client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: {} }));
  client.setRequestHandler("roots/list", () => ({ roots: [] }));
  client.setRequestHandler("sampling/createMessage", () => ({
    role: "assistant",
    content: { type: "text", text: "Yes." },
    model: "none",
  }));
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

/** One request of each method that carries a name, and of each list. */
async function useEverything(client: Client): Promise<void> {
  const { tools } = await client.listTools();
  for (const { name } of tools) await client.callTool({ name, arguments: {} });
  const { resources } = await client.listResources();
  for (const { uri } of resources) await client.readResource({ uri });
  const { prompts } = await client.listPrompts();
  for (const { name } of prompts) await client.getPrompt({ name });
}
