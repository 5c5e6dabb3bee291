import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request, type ServerResponse } from "node:http";
import { SseReader } from "../../../src/mcp/SseReader.ts";
import type { Fixture, Seen } from "./fixture.ts";
import { type Ask, modernBody, modernHeaders, type Params } from "./wire.ts";

export const TAG = "io.modelcontextprotocol/subscriptionId";
export const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";

/** A `subscriptions/listen` stream as the one who reads it sees it. */
export class Ear {
  readonly messages: any[] = [];
  /** All that came, comments too. */
  text = "";
  /** Whether and how the stream has ended. */
  ended: "open" | "end" | "break" = "open";
  readonly response: IncomingMessage;
  readonly #sent: ClientRequest;
  #wake: () => void = () => {};

  constructor(sent: ClientRequest, response: IncomingMessage) {
    this.#sent = sent;
    this.response = response;
    const events = new SseReader();
    response.setEncoding("utf8");
    response.on("data", (piece: string) => {
      this.text += piece;
      for (const data of events.push(piece)) this.messages.push(JSON.parse(data));
      this.#wake();
    });
    const over = (how: "end" | "break") => () => {
      if (this.ended === "open") this.ended = how;
      this.#wake();
    };
    response.once("end", over("end"));
    response.once("error", over("break"));
  }

  /** Waits for so many messages. */
  async heard(count: number): Promise<any[]> {
    await this.until(() => this.messages.length >= count);
    return this.messages;
  }

  /** Waits until something is so. Looks whenever something comes. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.ended !== "open") throw new Error(`The stream has ended. It said: ${this.text}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async over(): Promise<"end" | "break"> {
    while (this.ended === "open") await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.ended;
  }

  /** Leaves, as a client does that is killed. */
  leave(): void {
    this.#sent.destroy();
  }

  /** The methods of the notifications so far, with their uris. */
  told(): string[] {
    return this.messages.filter(({ method }) => method).map(({ method, params }) => params?.uri ?? method);
  }
}

/** Opens a `subscriptions/listen` stream at the replica. */
export async function listen(url: string, notifications: unknown, ask: Ask = {}): Promise<Ear> {
  const params: Params = { notifications };
  const headers = { ...modernHeaders("subscriptions/listen", params), ...ask.headers } as Record<string, string>;
  const sent = request(url, { method: "POST", agent: false, headers });
  sent.on("error", () => {});
  sent.end(modernBody("subscriptions/listen", params, { id: "caller", ...ask }));
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return new Ear(sent, response);
}

/** A stream as the origin holds it. */
export interface Mouth {
  seen: Seen;
  /** What was asked for. */
  filter: any;
  acknowledge(honoured?: unknown): void;
  /** Sends a notification with the tag that belongs to it, unless `params` says otherwise. */
  tell(method: string, params?: Record<string, unknown>): void;
  /** Sends a text as one event. */
  write(text: string): void;
  /** Ends the subscription in good order. */
  end(): void;
  breakOff(): void;
  /** Settles when the other side is gone, or it was ended. */
  closed: Promise<unknown>;
  isClosed: boolean;
}

const current = new Set<Mouth>();

/** Ends every stream that an origin still holds, so that nobody listens anew. */
export async function silence(): Promise<void> {
  for (const mouth of current) if (!mouth.isClosed) mouth.end();
  await Promise.all([...current].map(({ closed }) => closed));
  current.clear();
}

/** Makes the fixture take listeners, and knows those whose path has `path` in it. Each stream is acknowledged at once, as far as it asks, unless `silent`. */
export class Mouths {
  readonly all: Mouth[] = [];
  #wake: () => void = () => {};

  constructor(origin: Fixture, { silent = false, path }: { silent?: boolean; path?: string } = {}) {
    origin.on("subscriptions/listen", (seen) => ({
      stream: (response) => {
        const mouth = mouthOf(seen, response);
        if (!silent) mouth.acknowledge();
        if (path === undefined || seen.path.includes(path)) this.all.push(mouth);
        current.add(mouth);
        this.#wake();
      },
    }));
  }

  /** Waits for so many streams, and gives the last of them. */
  async opened(count: number): Promise<Mouth> {
    while (this.all.length < count) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.all[count - 1]!;
  }
}

function mouthOf(seen: Seen, response: ServerResponse): Mouth {
  const _meta = { [TAG]: seen.id };
  const write = (text: string) => void response.write(`data: ${text}\n\n`);
  const tell = (method: string, params: Record<string, unknown> = {}) =>
    write(JSON.stringify({ jsonrpc: "2.0", method, params: { _meta, ...params } }));
  const mouth: Mouth = {
    seen,
    filter: seen.params.notifications,
    acknowledge: (honoured = seen.params.notifications) => tell(ACKNOWLEDGED, { notifications: honoured }),
    tell,
    write,
    end: () => {
      write(JSON.stringify({ jsonrpc: "2.0", id: seen.id, result: { resultType: "complete", _meta } }));
      response.end();
    },
    breakOff: () => response.socket?.destroy(),
    closed: once(response, "close").then(() => (mouth.isClosed = true)),
    isClosed: false,
  };
  return mouth;
}
