import { Client, StreamableHTTPClientTransport, type VersionNegotiationOptions } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { InMemoryTaskStore } from "@modelcontextprotocol/sdk/experimental/tasks";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { CAPABILITIES, elicited, listed, sampled } from "./handlers.ts";
import { Party } from "./party.ts";

const INFO = { name: "test", version: "1.0.0" };

/** Opens a connection. */
export type Connect = (url: string) => Promise<Party>;

/** The package of the legacy era. It alone knows tasks: it declares that it takes what it is asked as a task, too. */
export const connectFirst: Connect = async (url) => {
  const requests = { sampling: { createMessage: {} }, elicitation: { create: {} } };
  const client = new Client1(INFO, {
    capabilities: { ...CAPABILITIES, tasks: { list: {}, cancel: {}, requests } },
    taskStore: new InMemoryTaskStore(),
  });
  const perhapsAsTask = async ({ params }: any, { taskStore }: any, answer: (params: any) => any) => {
    if (!params.task) return answer(params);
    // As of now: the origin must ask again for how it went.
    const task = { ...(await taskStore.createTask({ ttl: params.task.ttl })) };
    await taskStore.storeTaskResult(task.taskId, "completed", answer(params));
    return { task };
  };
  client.setRequestHandler(CreateMessageRequestSchema, (request, extra) => perhapsAsTask(request, extra, sampled));
  client.setRequestHandler(ElicitRequestSchema, (request, extra) => perhapsAsTask(request, extra, elicited));
  client.setRequestHandler(ListRootsRequestSchema, listed);
  const transport = new Transport1(new URL(url));
  await client.connect(transport);
  return new Party(client, transport);
};

const connectSecond =
  (mode?: VersionNegotiationOptions["mode"]): Connect =>
  async (url) => {
    const versionNegotiation = mode === undefined ? {} : { versionNegotiation: { mode } };
    const client = new Client(INFO, { capabilities: CAPABILITIES, ...versionNegotiation });
    client.setRequestHandler("sampling/createMessage", ({ params }) => sampled(params));
    client.setRequestHandler("elicitation/create", ({ params }) => elicited(params));
    client.setRequestHandler("roots/list", listed);
    const transport = new StreamableHTTPClientTransport(new URL(url));
    await client.connect(transport);
    return new Party(client, transport);
  };

/** The modern era or nothing. */
export const connectPinned = connectSecond({ pin: "2026-07-28" });

/** The clients that come to terms with an origin of the legacy era, by the name that a test shows. */
export const CLIENTS: [name: string, connect: Connect][] = [
  ["sdk 1", connectFirst],
  ["sdk 2 by default", connectSecond()],
  ["sdk 2 auto", connectSecond("auto")],
];

/** Those, and the one for which the origin must speak the modern era. */
export const ALL_CLIENTS: [name: string, connect: Connect][] = [...CLIENTS, ["sdk 2 pinned", connectPinned]];
