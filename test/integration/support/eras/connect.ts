import { Client, type DiscoverResult, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  ElicitRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";

export const CLIENTS = ["sdk 1", "sdk 2", "sdk 2 auto", "sdk 2 pinned"] as const;
export type ClientName = (typeof CLIENTS)[number];

/** An official client that answers what it is asked, and notes what it is told. */
export interface Connected {
  /** The client itself. The packages differ in types, and in little else. */
  client: any;
  /** The revision that the connection has. */
  isModern: boolean;
  /** Calls a tool, with what each package calls request options. */
  call(name: string, args?: Record<string, unknown>, options?: Options): Promise<any>;
  logs: unknown[];
  /** The resources of which it was told that they have changed. */
  updates: string[];
  close(): Promise<void>;
}

interface Options {
  onprogress?: (told: { progress: number }) => void;
  signal?: AbortSignal;
  /** Asks for log messages in the way of the modern revision. */
  logLevel?: string;
}

const INFO = { name: "test", version: "1.0.0" };
const CAPABILITIES = { elicitation: {} };
const YES = { action: "accept" as const, content: {} };
/** A server of the modern revision, as a client remembers it that has met one under this address. */
const REMEMBERED: DiscoverResult = {
  supportedVersions: ["2026-07-28"],
  capabilities: { tools: {}, resources: {}, prompts: {}, completions: {} },
} as never;

/** Connects a client. `remembers` lets the pinned one go by what it was told earlier, and ask nothing. */
export async function connect(name: ClientName, url: string, remembers = false): Promise<Connected> {
  return name === "sdk 1" ? connectFirst(url) : connectSecond(name, url, remembers);
}

async function connectFirst(url: string): Promise<Connected> {
  const client = new Client1(INFO, { capabilities: CAPABILITIES });
  const logs: unknown[] = [];
  const updates: string[] = [];
  client.setRequestHandler(ElicitRequestSchema, () => YES);
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void logs.push(params.data));
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void updates.push(params.uri));
  await client.connect(new Transport1(new URL(url)) as never);
  return {
    client,
    isModern: false,
    call: (name, args = {}, { logLevel: _, ...options } = {}) =>
      client.callTool({ name, arguments: args }, undefined, options),
    logs,
    updates,
    close: () => client.close(),
  };
}

async function connectSecond(name: ClientName, url: string, remembers: boolean): Promise<Connected> {
  const modes = { "sdk 2 auto": "auto", "sdk 2 pinned": { pin: "2026-07-28" } } as const;
  const mode = Object.hasOwn(modes, name) ? modes[name as keyof typeof modes] : undefined;
  const client = new Client(INFO, { capabilities: CAPABILITIES, ...(mode && { versionNegotiation: { mode } }) });
  const logs: unknown[] = [];
  const updates: string[] = [];
  client.setRequestHandler("elicitation/create", () => YES);
  client.setNotificationHandler("notifications/message", ({ params }) => void logs.push(params.data));
  client.setNotificationHandler("notifications/resources/updated", ({ params }) => void updates.push(params.uri));
  const prior = remembers ? { prior: { kind: "modern" as const, discover: REMEMBERED } } : {};
  await client.connect(new StreamableHTTPClientTransport(new URL(url)), prior);
  const isModern = client.getNegotiatedProtocolVersion() === "2026-07-28";
  return {
    client,
    isModern,
    call: (tool, args = {}, { logLevel, ...options } = {}) => {
      const _meta = isModern && logLevel ? { _meta: { "io.modelcontextprotocol/logLevel": logLevel } } : {};
      return client.callTool({ name: tool, arguments: args, ..._meta }, options);
    },
    logs,
    updates,
    close: () => client.close(),
  };
}
