import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import type { Client } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Origin, startOrigin } from "../../scripts/origin/startOrigin.ts";
import { type AnyClient, call, connectModern } from "../origin/clients.ts";
import { type Replica, startReplica } from "./support/replica.ts";

let origin: Origin;
let replica: Replica;
const clients: Client[] = [];

beforeAll(async () => {
  origin = await startOrigin();
  replica = await startReplica({ origins: { o: { url: origin.url, sync: { listen: "auto", pulse: "250ms" } } } });
});
afterAll(async () => {
  for (const client of clients) await client.close();
  await replica?.close();
  await origin.close();
});

async function connect(): Promise<Client> {
  const client = await connectModern(replica.mcp);
  clients.push(client);
  return client;
}

const note = (client: Client, id: string) => call(client as unknown as AnyClient, "add_note", { id, text: "x" });

/** What a client is told from now on, and a way to wait until it is so many. */
function told(client: Client) {
  const messages: string[] = [];
  let wake = () => {};
  const tell = (message: string) => {
    messages.push(message);
    wake();
  };
  client.setNotificationHandler("notifications/resources/updated", ({ params }) => tell(params.uri));
  client.setNotificationHandler("notifications/resources/list_changed", () => tell("list"));
  return async (count: number) => {
    while (messages.length < count) await new Promise<void>((resolve) => (wake = resolve));
    return messages;
  };
}

test("the official client learns through the replica what the official server tells, and reads what is new", async () => {
  const [writer, reader] = [await connect(), await connect()];
  const until = told(reader);
  const uri = "bcd://feature/api.AbortController";
  const listening = await reader.listen({
    toolsListChanged: true,
    resourcesListChanged: true,
    resourceSubscriptions: [uri],
  });
  // The origin does not tell of changed tools: the replica would see it when it asks again.
  expect(listening.honoredFilter).toEqual({
    toolsListChanged: true,
    resourcesListChanged: true,
    resourceSubscriptions: [uri],
  });
  const notesIn = async (client: Client) => {
    const [content] = (await client.readResource({ uri })).contents as { text: string }[];
    return JSON.parse(content!.text).notes.length;
  };
  const listed = async (client: Client) => (await client.listResources()).resources.map((resource) => resource.uri);
  expect(await notesIn(reader)).toBe(0);
  expect(await listed(reader)).not.toContain("bcd://notes");
  await note(writer, "api.AbortController");
  expect((await until(2)).toSorted()).toEqual([uri, "list"]);
  // The origin lets everybody keep its answers for a minute. The replica does not, now that it knows better.
  const other = await connect();
  expect(await notesIn(reader)).toBe(1);
  expect(await notesIn(other)).toBe(1);
  expect(await listed(other)).toContain("bcd://notes");
  await listening.close();
  expect(await listening.closed).toBe("local");
});

test("nothing that the origin has: the stream says so, and ends", async () => {
  const bare = await startBare();
  const beside = await startReplica({ origins: { o: { url: bare.url } } });
  const client = await connectModern(beside.mcp);
  try {
    await client.listTools();
    await expect
      .poll(async () => (await client.listen({ promptsListChanged: true })).honoredFilter, { timeout: 5_000 })
      .toEqual({});
    const listening = await client.listen({ promptsListChanged: true });
    expect(await listening.closed).toBe("graceful");
  } finally {
    await client.close();
    await beside.close();
    await bare.close();
  }
});

test("an origin that closes leaves the stream as it is", async () => {
  const client = await connect();
  const listening = await client.listen({ resourcesListChanged: true });
  await origin.close();
  // What is kept still answers.
  await client.listResources();
  await listening.close();
  expect(await listening.closed).toBe("local");
});

/** An origin with tools, and nothing else. */
async function startBare(): Promise<{ url: string; close: () => Promise<void> }> {
  const handler = createMcpHandler(() => {
    const bare = new McpServer({ name: "bare", version: "1" });
    bare.registerTool("t", {}, () => ({ content: [] }));
    return bare;
  });
  const server = createServer((request, response) => void toNodeHandler(handler)(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await handler.close();
    },
  };
}
