import { classifyInboundRequest, type InboundLadderRejection } from "@modelcontextprotocol/server";
import { decodeHeaderValue } from "./headerValue.ts";
import { isObject } from "./isObject.ts";
import { CODE } from "./names.ts";
import { MODERN_VERSION } from "./versions.ts";

/** An error in the request, as the specification words it. */
export type Rejection = Pick<InboundLadderRejection, "code" | "message" | "data"> & {
  /** The HTTP status it goes with. */
  status: number;
  /** The rung of the ladder that found it. */
  reason: string;
};

const NAMED: Readonly<Record<string, "name" | "uri" | "taskId">> = {
  "tools/call": "name",
  "prompts/get": "name",
  "resources/read": "uri",
};

/** With the tasks extension's methods (SEP-2663, routing headers): for who knows it. */
const NAMED_WITH_TASKS: typeof NAMED = {
  ...NAMED,
  "tasks/get": "taskId",
  "tasks/update": "taskId",
  "tasks/cancel": "taskId",
};

/** Whether the body is no JSON-RPC message that could be passed on: those are answered here, whoever the origin is. */
export function misshapen(body: unknown): Rejection | undefined {
  const outcome = classifyInboundRequest({ httpMethod: "POST", body });
  return outcome.kind === "reject" && outcome.rung === "jsonrpc-shape" ? fromSdk(outcome) : undefined;
}

/** The error for a batch that is none. */
export function batchRejection(why: string): Rejection {
  return rejection("jsonrpc-shape", 400, CODE.invalidRequest, `${why}: send one message a request`);
}

/**
 * Validates a request as a server of the modern revision does, in the order of its rungs (the SDK's inbound ladder);
 * words the errors where no origin does. `undefined` where nothing is wrong, and for legacy requests. `hasTasks`: of one that
 * knows the tasks extension.
 */
export function ladder(body: unknown, headers: Headers, hasTasks = false): Rejection | undefined {
  const header = (name: string) => headers.get(name) ?? undefined;
  const [version, method, name] = [header("mcp-protocol-version"), header("mcp-method"), header("mcp-name")];
  const outcome = classifyInboundRequest({
    httpMethod: "POST",
    body,
    ...(version !== undefined && { protocolVersionHeader: version }),
    ...(method !== undefined && { mcpMethodHeader: method }),
    ...(name !== undefined && { mcpNameHeader: name }),
  });
  if (outcome.kind === "reject") return fromSdk(outcome);
  if (outcome.kind === "legacy" || outcome.messageKind === "notification") return undefined;
  const claimed = outcome.classification.revision;
  if (claimed !== MODERN_VERSION) {
    return rejection("version", 400, CODE.unsupportedVersion, `Unsupported protocol version: ${claimed}`, {
      supported: [MODERN_VERSION],
      requested: claimed,
    });
  }
  const names = hasTasks ? NAMED_WITH_TASKS : NAMED;
  const { method: asked, params } = outcome.message;
  const member = Object.hasOwn(names, asked) ? names[asked] : undefined;
  const named = member && isObject(params) ? params[member] : undefined;
  return standardHeaders(asked, named, version, method, name);
}

/** The presence of the standard headers, and `Mcp-Name`; the classifier has compared the others (SEP-2243). */
function standardHeaders(
  method: string,
  named: unknown,
  versionHeader: string | undefined,
  methodHeader: string | undefined,
  nameHeader: string | undefined,
): Rejection | undefined {
  if (versionHeader === undefined) return mismatch("MCP-Protocol-Version", undefined, MODERN_VERSION);
  if (methodHeader === undefined) return mismatch("Mcp-Method", undefined, method);
  if (typeof named !== "string") return undefined;
  if (nameHeader === undefined || decodeHeaderValue(nameHeader.trim()) !== named)
    return mismatch("Mcp-Name", nameHeader, named);
  return undefined;
}

/** The last rung of the headers: `Mcp-Param-*` against the arguments, where the tool is known (SEP-2243). */
export function paramMismatch(): Rejection {
  const message = "The Mcp-Param headers differ from the arguments of a tool that declares them";
  return rejection("header", 400, CODE.headerMismatch, message);
}

function mismatch(name: string, header: string | undefined, body: string): Rejection {
  const found = header === undefined ? "is missing" : "differs";
  return rejection("header", 400, CODE.headerMismatch, `The ${name} header ${found}: the body says otherwise`, {
    mismatch: { header: header ?? "(missing)", body },
  });
}

function rejection(reason: string, status: number, code: number, message: string, data?: unknown): Rejection {
  return { reason, status, code, message, ...(data !== undefined && { data }) };
}

function fromSdk({ rung, httpStatus, code, message, data }: InboundLadderRejection): Rejection {
  return rejection(rung, httpStatus, code, message, data);
}
