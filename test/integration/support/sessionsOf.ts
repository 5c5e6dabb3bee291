import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { SseReader } from "../../../src/mcp/SseReader.ts";
import { Ear } from "./listening.ts";
import type { Fixture } from "./fixture.ts";
import { makeStateful, type Stateful } from "./stateful.ts";
import { BOTH_FORMS, type Got, legacy, type Params, send } from "./wire.ts";

/** A session that was opened at the replica. */
export interface Opened {
  id: string;
  /** What `initialize` got. */
  got: Got;
  url: string;
  /** The headers of a request in the session. */
  headers: Record<string, string>;
}

/** Opens a session as a client does. */
export async function openAt(
  url: string,
  { capabilities = {}, headers = {}, version = "2025-11-25" }: Partial<Omit<Opened, "id">> & Params = {},
): Promise<Opened> {
  const params = { protocolVersion: version, capabilities, clientInfo: { name: "test", version: "1" } };
  const got = await legacy(url, "initialize", params, { headers: { "mcp-protocol-version": null, ...headers } });
  const id = got.headers["mcp-session-id"]!;
  return { id, got, url, headers: { ...headers, "mcp-session-id": id, "mcp-protocol-version": String(version) } };
}

/** A legacy request in a session. */
export function inside({ url, headers }: Opened, method: string, params: Params = {}, more: Params = {}): Promise<Got> {
  return legacy(url, method, params, { headers: { ...headers, ...(more as Record<string, string>) } });
}

/** A tool call in a session. */
export function callIn(session: Opened, name: string, args: Params = {}, meta?: Params): Promise<Got> {
  return inside(session, "tools/call", { name, arguments: args, ...(meta && { _meta: meta }) });
}

/** Any text as a POST, in a session or not. */
export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Got> {
  return send(url, {
    headers: { accept: BOTH_FORMS, "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/** GET or DELETE in a session. */
export function beside(method: "GET" | "DELETE", { url, headers }: Opened, more: Record<string, string> = {}) {
  return send(url, { method, headers: { ...headers, accept: "text/event-stream", ...more } });
}

/** A stream that is heard as it comes: a GET, or a POST of the body. */
export async function streamAt(url: string, headers: Record<string, string>, body?: unknown): Promise<Ear> {
  const sent = request(url, {
    method: body === undefined ? "GET" : "POST",
    agent: false,
    headers:
      body === undefined
        ? { accept: "text/event-stream", ...headers }
        : { accept: BOTH_FORMS, "content-type": "application/json", ...headers },
  });
  sent.on("error", () => {});
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return new Ear(sent, response);
}

/** The messages of a stream's events, as a reader of events finds them. */
export function eventsIn(text: string): any[] {
  return [...new SseReader().push(text)].map((data) => JSON.parse(data));
}

/** The names in a list of tools. */
export function names({ body }: Got): string[] | undefined {
  return body?.result?.tools?.map((one: { name: string }) => one.name);
}

/** An origin with sessions for legacy callers, and without for modern ones. */
export function makeDual(origin: Fixture): Stateful {
  const stateful = makeStateful(origin);
  const inSession = origin.inSession!;
  origin.eras = "both";
  origin.inSession = (seen) => (seen.isModern ? undefined : inSession(seen));
  origin.on("server/discover", () => ({
    result: {
      supportedVersions: ["2026-07-28"],
      capabilities: { tools: {}, prompts: {}, resources: {} },
      ttlMs: 0,
      cacheScope: "private",
    },
  }));
  return stateful;
}
