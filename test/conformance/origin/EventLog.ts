import type { EventStore, JSONRPCMessage } from "@modelcontextprotocol/server";

/** Keeps the events of a session's streams, so that a client can go on where a stream ended. */
export class EventLog implements EventStore {
  readonly #events: { id: string; streamId: string; message: JSONRPCMessage }[] = [];

  async storeEvent(streamId: string, message: JSONRPCMessage): Promise<string> {
    const id = `${streamId}.${this.#events.length}`;
    this.#events.push({ id, streamId, message });
    return id;
  }

  async getStreamIdForEventId(id: string): Promise<string | undefined> {
    return this.#events.find((event) => event.id === id)?.streamId;
  }

  async replayEventsAfter(
    last: string,
    { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const at = this.#events.findIndex((event) => event.id === last);
    const streamId = this.#events[at]?.streamId ?? "";
    const missed = this.#events.slice(at + 1).filter((event) => event.streamId === streamId);
    // An event without content opens each stream; it is not a message.
    for (const { id, message } of missed) if (Object.keys(message).length > 0) await send(id, message);
    return streamId;
  }
}
