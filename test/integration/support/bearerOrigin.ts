import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { toNodeHandler } from "@modelcontextprotocol/node";
import {
  createMcpHandler,
  McpServer,
  OAuthError,
  OAuthErrorCode,
  requireBearerAuth,
} from "@modelcontextprotocol/server";
import * as z from "zod";

/** Who a token is of, until when (epoch s), and what it is for. */
export interface Bearer {
  subject: string;
  expiresAt: number;
  resource: string | undefined;
}

/** An origin made with the SDK that lets nobody in without a token. */
export interface BearerOrigin {
  url: string;
  /** What it was shown, in order, and what became of it. */
  seen: { authorization: string | undefined; headers: Record<string, string>; method: string; status: number }[];
  close(): Promise<void>;
}

/** Starts it. Its tools say whose token they were called with. `metadata` is served at its well-known address. */
export async function startBearerOrigin(
  verify: (token: string) => Bearer | undefined | Promise<Bearer | undefined>,
  metadata?: (url: string) => object,
): Promise<BearerOrigin> {
  const seen: BearerOrigin["seen"] = [];
  let calls = 0;
  const handler = createMcpHandler(
    ({ authInfo }) => {
      const server = new McpServer({ name: "bearer-origin", version: "1.0.0" });
      const readOnly = { annotations: { readOnlyHint: true } };
      const text = () => ({ content: [{ type: "text" as const, text: `${authInfo?.clientId} ${++calls}` }] });
      for (const name of ["whoami", "shared", "plain", "list_of_mine"])
        server.registerTool(name, { inputSchema: z.object({ q: z.string().optional() }), ...readOnly }, text);
      server.registerResource("mine", "me://name", { mimeType: "text/plain" }, (uri) => ({
        contents: [{ uri: uri.href, text: `${authInfo?.clientId} ${++calls}` }],
      }));
      return server;
    },
    { legacy: "stateless" },
  );
  let url = "";
  const serve = async (request: Request): Promise<Response> => {
    if (new URL(request.url).pathname.startsWith("/.well-known/oauth-protected-resource")) {
      return metadata ? Response.json(metadata(url)) : new Response(null, { status: 404 });
    }
    const gate = requireBearerAuth({
      verifier: {
        verifyAccessToken: async (token) => {
          const found = await verify(token);
          if (!found) throw new OAuthError(OAuthErrorCode.InvalidToken, "not a good one");
          const { subject, expiresAt, resource } = found;
          return {
            token,
            clientId: subject,
            scopes: [],
            expiresAt,
            ...(resource !== undefined && { resource: new URL(resource) }),
          };
        },
      },
      expectedResource: new URL(url),
      ...(metadata && { resourceMetadataUrl: new URL("/.well-known/oauth-protected-resource/mcp", url).href }),
    });
    const body = await request.text();
    const again = new Request(request.url, { method: request.method, headers: request.headers, ...(body && { body }) });
    const authInfo = await gate(again);
    const response = authInfo instanceof Response ? authInfo : await handler.fetch(again, { authInfo });
    seen.push({
      authorization: request.headers.get("authorization") ?? undefined,
      headers: Object.fromEntries(request.headers),
      method: (body && (JSON.parse(body) as { method?: string }).method) || request.method,
      status: response.status,
    });
    return response;
  };
  const server = createServer((request, response) => void toNodeHandler({ fetch: serve })(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  return {
    url,
    seen,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await handler.close();
    },
  };
}
