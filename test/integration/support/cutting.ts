import { once } from "node:events";
import { createServer, request, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** A call of a tool on its way to the origin. */
export interface Passing {
  tool: string;
  args: Record<string, unknown>;
}

/** What may be done to calls of tools: `true`, the connection breaks there. */
export interface Cuts {
  /** The origin has not seen it, and will not. */
  before?: (call: Passing) => boolean | Promise<boolean>;
  /** The origin has executed it and answered; the replica has not heard of it. */
  after?: (call: Passing) => boolean | Promise<boolean>;
}

/** A proxy before an origin, which breaks connections. */
export interface Cutting {
  url: string;
  cuts: Cuts;
  /** The calls of tools that reached the origin. */
  passed: Passing[];
  close(): Promise<void>;
}

/** Stands before the server at that port. Answers are passed on whole. */
export async function startCutting(port: number): Promise<Cutting> {
  const server = createServer((incoming, outgoing) => {
    outgoing.on("error", () => {});
    const pass = async () => {
      const body = await whole(incoming);
      const call = callIn(body.toString());
      if (call && (await cutting.cuts.before?.(call))) return outgoing.destroy();
      if (call) cutting.passed.push(call);
      const { method, url, headers } = incoming;
      const onward = request({
        host: "127.0.0.1",
        port,
        method,
        path: url,
        headers: { ...headers, connection: "close" },
      });
      onward.end(body);
      const [answer] = (await once(onward, "response")) as [IncomingMessage];
      const text = await whole(answer);
      if (call && (await cutting.cuts.after?.(call))) return outgoing.destroy();
      const { "transfer-encoding": _, connection: __, ...others } = answer.headers;
      return outgoing.writeHead(answer.statusCode!, { ...others, "content-length": text.length }).end(text);
    };
    // The origin is not there, or died.
    pass().catch(() => outgoing.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cutting: Cutting = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    cuts: {},
    passed: [],
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
  return cutting;
}

async function whole(message: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function callIn(body: string): Passing | undefined {
  if (body === "") return undefined;
  const { method, params } = JSON.parse(body) as { method?: string; params?: any };
  return method === "tools/call" ? { tool: params.name, args: params.arguments } : undefined;
}
