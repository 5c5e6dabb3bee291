import { connect, type Socket } from "node:net";
import type { Call } from "./exchange.ts";

/** An HTTP response, as far as it is looked at here. */
export interface Reply {
  status: number;
  body: string;
}

const HEAD_END = Buffer.from("\r\n\r\n");
const LAST_CHUNK = Buffer.from("\r\n0\r\n\r\n");

/**
 * One keep-alive connection that carries one exchange at a time. The request is bytes made beforehand and of the
 * response only the end is looked for, so that measuring takes as little as possible of the machine that is measured.
 */
export class HttpConnection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #settle: { resolve: (reply: Buffer) => void; reject: (error: Error) => void } | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    const gone = (error?: Error) => this.#settle?.reject(error ?? new Error("The server closed the connection."));
    socket.on("error", gone);
    socket.on("close", () => gone());
  }

  /** Opens a connection to an `http://host:port`. */
  static open(url: string): Promise<HttpConnection> {
    const { hostname, port } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => {
        socket.off("error", reject);
        resolve(new HttpConnection(socket));
      });
      socket.once("error", reject);
    });
  }

  /** Sends the bytes of a request, and waits for the bytes of its response. */
  exchange(request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    const received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    if (!isWhole(received)) {
      this.#received = received;
      return;
    }
    this.#received = Buffer.alloc(0);
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.resolve(received);
  }
}

/** The bytes of a POST. */
export function postBytes(url: string, { headers, body }: Call, path = "/mcp"): Buffer {
  const bytes = Buffer.from(body);
  const all = { host: new URL(url).host, ...headers, "content-length": String(bytes.length) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.join("")}\r\n`), bytes]);
}

/** What a response says. */
export function replyOf(response: Buffer): Reply {
  const headEnd = response.indexOf(HEAD_END);
  const head = response.toString("latin1", 0, headEnd);
  const rest = response.subarray(headEnd + HEAD_END.length);
  return { status: Number(head.slice(9, 12)), body: stated(head) === undefined ? unchunk(rest) : rest.toString() };
}

function isWhole(received: Buffer): boolean {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd < 0) return false;
  const length = stated(received.toString("latin1", 0, headEnd));
  return length === undefined
    ? received.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK)
    : received.length >= headEnd + HEAD_END.length + length;
}

function stated(head: string): number | undefined {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  return length ? Number(length[1]) : undefined;
}

function unchunk(rest: Buffer): string {
  let text = "";
  for (let at = 0; ;) {
    const lineEnd = rest.indexOf("\r\n", at);
    const size = Number.parseInt(rest.toString("latin1", at, lineEnd), 16);
    if (!(size > 0)) return text;
    text += rest.toString("utf8", lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
