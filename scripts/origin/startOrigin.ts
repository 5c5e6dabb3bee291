import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, InMemoryServerEventBus, type McpRequestContext } from "@modelcontextprotocol/server";
import { buildServer } from "./buildServer.ts";
import { countRequests } from "./countRequests.ts";
import { createFetch } from "./createFetch.ts";
import { type EditableCatalog, editCatalog, sliceOf } from "./editCatalog.ts";
import { loadCatalog } from "./loadCatalog.ts";
import { openNotes } from "./openNotes.ts";
import type { Simulation } from "./simulate.ts";

/** How to start an origin. */
export interface OriginOptions extends Simulation {
  /** The port on 127.0.0.1. Default 0: any free one. */
  port?: number;
  /** The folder for the notes. Default: notes are kept in memory only. */
  state?: string;
  /** Whether it has the tools `set_description` and `remove_feature`. Default: no. */
  editable?: boolean;
  /** Serve only the features whose ids begin so, such as `"api.A"`. Default: all. */
  only?: string;
  /** Told of the start and of errors, line by line. Default: nothing is logged. */
  log?: (line: string) => void;
}

/** A running origin. */
export interface Origin {
  /** The MCP endpoint, such as `http://127.0.0.1:8788/mcp`. */
  url: string;
  port: number;
  /** Its data. An edit here tells nobody, unlike one by its tools. */
  catalog: EditableCatalog;
  /** Ends it: open streams are ended, held requests are let go. May be called twice. */
  close(): Promise<void>;
}

/** How long to wait at the end for answers that are being written, in ms. */
const GRACE_MS = 1_000;

/** Starts the MCP server with the compatibility data, in both protocol eras, on 127.0.0.1. */
export async function startOrigin(options: OriginOptions = {}): Promise<Origin> {
  const { port = 0, state, editable = false, only = "", log = () => {}, ...simulation } = options;
  const began = performance.now();
  const catalog = editCatalog(only === "" ? loadCatalog() : sliceOf(loadCatalog(), only));
  const notes = await openNotes(state);
  const onerror = (error: Error) => log(`error: ${error.message}`);
  const bus = new InMemoryServerEventBus(onerror);
  const edits = editable ? catalog : undefined;
  const build = ({ era }: McpRequestContext) => buildServer({ catalog: catalog.current, edits, notes, bus }, era);
  const handler = createMcpHandler(build, { legacy: "stateless", bus, onerror });
  const closing = new AbortController();
  const fetch = createFetch({ handler, counter: countRequests(), simulation, closing: closing.signal });
  const answer = toNodeHandler({ fetch }, { onerror });
  const isLocalHost = localhostHostValidation();
  const isLocalOrigin = localhostOriginValidation();
  const open = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    // A page on another site could reach a loopback port through the user's browser. The checks answer 403 themselves.
    if (!isLocalHost(request, response) || !isLocalOrigin(request, response)) return;
    const answered = answer(request, response).finally(() => open.delete(answered));
    open.add(answered);
  });
  const bound = await listen(server, port);
  log(`${catalog.current.features.length} features, ready in ${Math.round(performance.now() - began)} ms`);

  async function end(): Promise<void> {
    closing.abort();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    await handler.close();
    await settled(open);
    server.closeAllConnections();
    await closed;
  }

  let ended: Promise<void> | undefined;
  return { url: `http://127.0.0.1:${bound}/mcp`, port: bound, catalog, close: () => (ended ??= end()) };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

/** Waits until every answer is written, but no longer than the grace. */
async function settled(open: Iterable<Promise<void>>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const grace = new Promise<void>((resolve) => (timer = setTimeout(resolve, GRACE_MS)));
  await Promise.race([Promise.allSettled(open), grace]);
  clearTimeout(timer);
}
