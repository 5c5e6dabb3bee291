import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

/** What the page is asked to do. */
export interface Visit {
  url: string;
  /** The modern revision, or by default what the client does of itself: legacy. */
  isModern?: boolean;
  headers?: Record<string, string>;
  tool: string;
  args: Record<string, unknown>;
  /** More headers of the calls alone. */
  callHeaders?: Record<string, string>;
}

/** What the page saw. */
export interface Seen {
  tools: string[];
  calls: { text: string; status: string | undefined; cacheStatus: string | null }[];
  /** What the client complained of. */
  errors: string[];
}

/** A response, or the reason for none, as a page is told of it. */
export type Fetched = { status: number; text: string; headers: Record<string, string | null> } | { refused: string };

const page = {
  /** Connects with the official client, lists the tools, and calls one twice. */
  async visit({ url, isModern, headers, tool, args, callHeaders }: Visit): Promise<Seen> {
    const errors: string[] = [];
    let cacheStatus: string | null = null;
    const client = new Client(
      { name: "page", version: "1" },
      isModern ? { versionNegotiation: { mode: { pin: "2026-07-28" } } } : {},
    );
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- the client has no such method
    client.onerror = (error) => errors.push(String(error));
    const transport = new StreamableHTTPClientTransport(new URL(url), {
      requestInit: { headers },
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        cacheStatus = response.headers.get("cache-status");
        return response;
      },
    });
    await client.connect(transport);
    const { tools } = await client.listTools();
    const calls: Seen["calls"] = [];
    for (let nth = 0; nth < 2; nth++) {
      cacheStatus = null;
      const { content, _meta } = await client.callTool({ name: tool, arguments: args }, { headers: callHeaders });
      const told = _meta?.["edge-replica/cache"] as { status: string } | undefined;
      calls.push({ text: (content as { text: string }[])[0]!.text, status: told?.status, cacheStatus });
    }
    await client.close();
    return { tools: tools.map(({ name }) => name), calls, errors };
  },

  /** Fetches something, as any page may try. */
  async fetch(url: string, init?: RequestInit): Promise<Fetched> {
    try {
      const response = await fetch(url, init);
      const names = ["www-authenticate", "cache-status", "date"];
      const headers = Object.fromEntries(names.map((name) => [name, response.headers.get(name)]));
      return { status: response.status, text: await response.text(), headers };
    } catch (error) {
      return { refused: String(error) };
    }
  },
};

/** What the test finds in `window`. */
export type Page = typeof page;

Object.assign(globalThis, { page });
