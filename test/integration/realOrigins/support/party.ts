import type { AnyClient } from "../../../origin/clients.ts";

/** A JSON-RPC message as it came over the wire. */
export interface Message {
  id?: unknown;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: Record<string, unknown>;
}

/** What the transports of both packages have in common. */
interface Heard {
  sessionId?: string | undefined;
  terminateSession: () => Promise<void>;
  onmessage?: ((message: any, extra?: any) => void) | undefined;
}

/** A connected client of which every message that it receives is known. */
export class Party {
  readonly heard: Message[] = [];
  readonly #transport: Heard;
  readonly #wakes = new Set<() => void>();
  // Each package types its methods differently; what they do is the same.
  readonly client: AnyClient & Record<string, any>;

  constructor(client: object, transport: Heard) {
    this.client = client as typeof this.client;
    this.#transport = transport;
    const take = transport.onmessage!;
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- a transport is no event target
    transport.onmessage = (message: Message, extra) => {
      this.heard.push(structuredClone(message));
      take.call(transport, message, extra);
      for (const wake of this.#wakes) wake();
    };
  }

  /** Whether it has found that the server speaks the modern era. */
  get isModern(): boolean {
    return this.client["getProtocolEra"]?.() === "modern";
  }

  /** Whether it holds a session. */
  get isInSession(): boolean {
    return this.#transport.sessionId !== undefined;
  }

  /** Tells the server that the session is over. */
  endSession(): Promise<void> {
    return this.#transport.terminateSession();
  }

  /** Resolves once this holds for the messages since then. */
  async until(holds: (messages: Message[]) => boolean, since = 0): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => holds(this.heard.slice(since)) && resolve();
    const deadline = setTimeout(
      () => reject(new Error(`Waited in vain for more than ${JSON.stringify(this.heard.slice(since), null, 1)}`)),
      10_000,
    );
    this.#wakes.add(look);
    look();
    try {
      await promise;
    } finally {
      clearTimeout(deadline);
      this.#wakes.delete(look);
    }
  }

  close(): Promise<void> {
    return this.client.close();
  }
}
