import { CONTENT } from "../exchange.ts";

// What any Worker that answers MCP has to do at least: parse the message, and say something with its id.
const REST = JSON.stringify({ content: CONTENT, resultType: "complete" });
const HEADERS = { "content-type": "application/json" };

export default {
  async fetch(request: Request): Promise<Response> {
    const { id } = JSON.parse(await request.text()) as { id: number };
    return new Response(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${REST}}`, { headers: HEADERS });
  },
};
