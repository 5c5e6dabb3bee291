import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Fixture, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { type SdkOrigin, startSdkOrigin } from "./support/sdkOrigin.ts";
import { BOTH_FORMS, modern, send } from "./support/wire.ts";

/** A request before it is sent: its headers, its envelope, and what it asks for. */
interface Draft {
  headers: Record<string, string | null>;
  meta: Record<string, unknown> | undefined;
  method: string;
  params: Record<string, unknown>;
}

const VERSION = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";

const well = (): Draft => ({
  headers: {
    accept: BOTH_FORMS,
    "content-type": "application/json",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "regional",
    "mcp-param-region": "eu",
  },
  meta: { [VERSION]: "2026-07-28", [CAPABILITIES]: {} },
  method: "tools/call",
  params: { name: "regional", arguments: { region: "eu" } },
});

/** What can be wrong with a request, one by one. */
const FAULTS: Record<string, (draft: Draft) => void> = {
  "no envelope": (draft) => (draft.meta = undefined),
  "no capabilities": ({ meta }) => delete meta?.[CAPABILITIES],
  "capabilities that are no object": ({ meta }) => meta && (meta[CAPABILITIES] = 7),
  "a version that is no string": ({ meta }) => meta && (meta[VERSION] = 7),
  "an unknown version": ({ meta, headers }) => {
    if (meta) meta[VERSION] = "2099-01-01";
    headers["mcp-protocol-version"] = "2099-01-01";
  },
  "no version header": ({ headers }) => (headers["mcp-protocol-version"] = null),
  "a legacy version header": ({ headers }) => (headers["mcp-protocol-version"] = "2025-11-25"),
  "no method header": ({ headers }) => (headers["mcp-method"] = null),
  "another method header": ({ headers }) => (headers["mcp-method"] = "tools/list"),
  "no name header": ({ headers }) => (headers["mcp-name"] = null),
  "another name header": ({ headers }) => (headers["mcp-name"] = "plain"),
  "no argument header": ({ headers }) => (headers["mcp-param-region"] = null),
  "another argument header": ({ headers }) => (headers["mcp-param-region"] = "us"),
  "an unknown method": (draft) => {
    draft.method = draft.headers["mcp-method"] = "acme/unknown";
  },
  "a method of the earlier revisions": (draft) => {
    draft.method = draft.headers["mcp-method"] = "logging/setLevel";
  },
  "their initialize": (draft) => {
    draft.method = draft.headers["mcp-method"] = "initialize";
  },
};

const NAMES = Object.keys(FAULTS);
/** Together they make a request of the earlier revisions, which the origin may judge. */
const LEGACY = ["no envelope, no version header", "no envelope, a legacy version header"];
const PAIRS = NAMES.flatMap((first, at) => NAMES.slice(at).map((second) => [first, second] as const)).filter(
  (pair) => !LEGACY.includes(pair.join(", ")),
);

const origin = new Fixture();
let official: SdkOrigin;
let replica: Replica;
beforeAll(async () => {
  official = await startSdkOrigin("reject");
  await origin.start();
  origin.eras = "legacy";
  const inputSchema = { type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } } };
  origin.tools = [tool("regional", { inputSchema }), tool("plain")];
  replica = await startReplica({ origins: { o: { url: origin.url } } });
  await modern(replica.mcp, "server/discover");
  await modern(replica.mcp, "tools/list");
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
  await official?.close();
});

async function ask(url: string, faults: readonly string[]) {
  const draft = well();
  for (const fault of new Set(faults)) FAULTS[fault]!(draft);
  const { headers, meta, method, params } = draft;
  const message = { jsonrpc: "2.0", id: "it", method, params: { ...params, ...(meta && { _meta: meta }) } };
  const { status, body } = await send(url, { headers, body: JSON.stringify(message) });
  return { status, id: body?.id, code: body?.error?.code };
}

describe("in front of a legacy-only origin the replica refuses as an official modern server does", () => {
  test("nothing that is well", async () => {
    expect(await ask(replica.mcp, [])).toEqual({ status: 200, id: "it", code: undefined });
  });

  test.each(PAIRS)("%s, %s", async (...faults) => {
    expect(await ask(replica.mcp, faults)).toEqual(await ask(official.url, faults));
  });
});
