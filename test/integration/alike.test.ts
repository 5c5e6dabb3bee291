import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Replica, startReplica } from "./support/replica.ts";
import { type SdkOrigin, startSdkOrigin } from "./support/sdkOrigin.ts";
import { BOTH_FORMS, type Got, modernBody, modernHeaders, type Params, send } from "./support/wire.ts";

let origin: SdkOrigin;
let replica: Replica;

beforeAll(async () => {
  origin = await startSdkOrigin("stateless");
  const cache = { ttl: "1h" } as const;
  replica = await startReplica({
    origins: {
      o: {
        url: origin.url,
        tools: { plain: { cache } },
        resources: { "*": { cache } },
        prompts: { "*": { cache } },
        lists: { staleIfError: "1d" },
      },
    },
  });
});
afterAll(async () => {
  await replica?.close();
  await origin.close();
});

/** A request that is answered from the cache, where its answer may be kept. */
const REQUESTS: [method: string, params: Params][] = [
  ["tools/call", { name: "plain", arguments: { q: "x" } }],
  ["resources/read", { uri: "test://fixed" }],
  ["prompts/get", { name: "greet", arguments: { name: "Ada" } }],
  ["tools/list", {}],
  ["server/discover", {}],
];
const VALUES: unknown[] = [null, 7, -1, 1.5, "", "x", true, [], {}];
const PREFIX = "io.modelcontextprotocol/";

interface Variant {
  what: string;
  body: string;
  headers: Record<string, string>;
}

/** The request in ways in which nobody should send it. */
function variantsOf(plain: string, headers: Record<string, string>, isModern: boolean): Variant[] {
  const variants: Variant[] = [];
  const change = (what: string, by: (message: any, value: unknown) => void) => {
    for (const value of VALUES) {
      const message = JSON.parse(plain);
      message.params._meta ??= {};
      by(message, value);
      variants.push({ what: `${what} ${JSON.stringify(value)}`, body: JSON.stringify(message), headers });
    }
  };
  const meta = isModern ? ["clientInfo", "clientCapabilities", "logLevel", "protocolVersion", "unknown"] : [];
  for (const key of [...meta.map((name) => PREFIX + name), "progressToken", "traceparent"])
    change(key, ({ params }, value) => (params._meta[key] = value));
  if (isModern) {
    for (const key of ["elicitation", "sampling", "roots", "extensions", "experimental"])
      change(key, ({ params }, value) => (params._meta[`${PREFIX}clientCapabilities`][key] = value));
  }
  for (const key of ["_meta", "name", "uri", "arguments", "cursor"])
    change(key, ({ params }, value) => (params[key] = value));
  change("an argument", ({ params }, value) => (params.arguments = { ...params.arguments, q: value, name: value }));
  for (const key of ["id", "method", "params", "jsonrpc"]) change(key, (message, value) => (message[key] = value));
  for (const name of ["mcp-name", "mcp-method", "mcp-protocol-version", "accept", "mcp-param-x", "last-event-id"]) {
    for (const value of ["", "x", "*/*", "2025-03-26", "2026-07-28", "=?base64?eA==?=", "=?BASE64?eA==?="])
      variants.push({ what: `${name}: ${value}`, body: plain, headers: { ...headers, [name]: value } });
  }
  return variants;
}

/** How a request is met. */
const summary = ({ status, body }: Got) =>
  `${status} ${body?.error?.code ?? (body?.result?.isError ? "a tool's error" : body ? "fine" : "nothing")}`;

describe.each(REQUESTS)("%s, whatever is wrong with it, is met by the replica as by its origin", (method, params) => {
  const LEGACY = { accept: BOTH_FORMS, "content-type": "application/json", "mcp-protocol-version": "2025-11-25" };
  const legacyBody = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });

  test.each([
    ["modern", modernBody(method, params), modernHeaders(method, params)],
    ["legacy", legacyBody, LEGACY],
  ])("in the %s era", async (era, plain, headers) => {
    await send(replica.mcp, { headers, body: plain });
    const again = await send(replica.mcp, { headers, body: plain });
    // The SDK promises nothing of lists, nor of itself.
    if (Object.keys(params).length > 0) expect(again.cache?.status).toBe("hit");
    for (const { what, ...variant } of variantsOf(plain, headers, era === "modern")) {
      const [direct, through] = [await send(origin.url, variant), await send(replica.mcp, variant)];
      expect(`${what}: ${summary(through)}`).toBe(`${what}: ${summary(direct)}`);
    }
  });
});
