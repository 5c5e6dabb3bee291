import { once } from "node:events";
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from "node:http";

/** Where a server listens: a port of 127.0.0.1, or a socket file. */
export type Place = { host: string; port: number } | { socketPath: string };

/** A reverse proxy that counts. */
export interface Counter {
  /** `/mcp` of the server behind. */
  url: string;
  /** How many messages of a method came by, and of a tool, prompt or resource where one is named. */
  count(method: string, name?: string): number;
  close(): Promise<void>;
}

/** Stands before a server and counts what it is asked. Both directions stream: nothing waits for the end of a body. */
export async function startCounter(place: Place): Promise<Counter> {
  const counts = new Map<string, number>();
  // A server that were asked to close the connection would close it before the last, empty write to it.
  const agent = new Agent({ keepAlive: true });
  const server = createServer((incoming, outgoing) => {
    const body: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => body.push(chunk));
    incoming.on("end", () => {
      for (const what of namesIn(Buffer.concat(body).toString())) counts.set(what, (counts.get(what) ?? 0) + 1);
    });
    pass({ ...place, agent }, incoming, outgoing);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    count: (method, name) => counts.get(name === undefined ? method : `${method} ${name}`) ?? 0,
    async close() {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function pass(place: Place & { agent: Agent }, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { method, url } = incoming;
  const onward = request({ ...place, method, path: url, headers: endToEnd(incoming.headers) });
  onward.on("response", (answer) => {
    outgoing.writeHead(answer.statusCode!, endToEnd(answer.headers));
    outgoing.flushHeaders();
    answer.pipe(outgoing);
    answer.on("error", () => outgoing.destroy());
  });
  onward.on("error", () => outgoing.destroy());
  outgoing.on("close", () => onward.destroy());
  incoming.pipe(onward);
}

/** What belongs to one connection is not for the next. */
function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { connection: _, "keep-alive": __, "transfer-encoding": ___, ...others } = headers;
  return others;
}

function namesIn(body: string): string[] {
  if (body === "") return [];
  const { method, params } = JSON.parse(body) as { method?: string; params?: { name?: string; uri?: string } };
  if (method === undefined) return [];
  const name = params?.name ?? params?.uri;
  return name === undefined ? [method] : [method, `${method} ${name}`];
}
