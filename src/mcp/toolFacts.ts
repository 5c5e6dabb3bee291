import { decodeHeaderValue, encodeHeaderValue } from "./headerValue.ts";
import { isObject } from "./isObject.ts";
import { needsWrapping } from "./legacySchema.ts";

/** An argument that a modern caller mirrors in a header: where it stands in the arguments, and the header's name. */
export interface ParamHeader {
  path: readonly string[];
  header: string;
}

/** What `tools/list` says of a tool that decides how its calls are answered. */
export interface ToolFacts {
  readOnly: boolean;
  /** Whether the tool does the same however often it is called. */
  isIdempotent: boolean;
  paramHeaders: readonly ParamHeader[];
  /** Whether legacy callers are told its results wrapped, because of its output schema. */
  isWrapped: boolean;
}

/** Reads the tools of one page of `tools/list`. What is malformed is passed over: the origin's callers judge it, not we. */
export function* toolFacts(result: unknown): Generator<[string, ToolFacts]> {
  const tools = isObject(result) ? result["tools"] : undefined;
  if (!Array.isArray(tools)) return;
  for (const tool of tools) {
    if (!isObject(tool) || typeof tool["name"] !== "string") continue;
    const annotations = tool["annotations"];
    yield [
      tool["name"],
      {
        readOnly: isObject(annotations) && annotations["readOnlyHint"] === true,
        isIdempotent: isObject(annotations) && annotations["idempotentHint"] === true,
        paramHeaders: [...paramHeaders(tool["inputSchema"], [])],
        isWrapped: needsWrapping(tool["outputSchema"]),
      },
    ];
  }
}

/** The `x-mcp-header` declarations that are statically reachable through `properties` (SEP-2243). */
function* paramHeaders(schema: unknown, path: readonly string[]): Generator<ParamHeader> {
  // A schema nested deeper than this declares nothing that a caller could reasonably mirror.
  const properties = isObject(schema) && path.length < 16 ? schema["properties"] : undefined;
  if (!isObject(properties)) return;
  for (const [name, property] of Object.entries(properties)) {
    const declared = isObject(property) ? property["x-mcp-header"] : undefined;
    if (typeof declared === "string" && /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(declared)) {
      yield { path: [...path, name], header: `mcp-param-${declared}` };
    }
    yield* paramHeaders(property, [...path, name]);
  }
}

/** The headers that mirror the arguments, by their names: of scalars that are there. */
export function* paramHeaderValues(declared: readonly ParamHeader[], args: unknown): Generator<[string, string]> {
  for (const { path, header } of declared) {
    const value = valueAt(args, path);
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      yield [header.toLowerCase(), encodeHeaderValue(String(value))];
    }
  }
}

function valueAt(args: unknown, path: readonly string[]): unknown {
  let value = args;
  for (const part of path) value = isObject(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  return value;
}

/** A number as JSON writes it; `Number` alone also reads "0x2a" and "". */
const DECIMAL = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Whether every declared header says what the arguments say: absent where they are absent or null, equal otherwise. */
export function paramHeadersAgree(
  declared: readonly ParamHeader[],
  args: unknown,
  header: (name: string) => string | null,
): boolean {
  return declared.every(({ path, header: name }) => {
    const value = valueAt(args, path);
    const sent = header(name);
    if (value === undefined || value === null) return sent === null;
    if (sent === null) return false;
    const decoded = decodeHeaderValue(sent);
    if (typeof value === "number") return decoded !== undefined && DECIMAL.test(decoded) && Number(decoded) === value;
    return (typeof value === "string" || typeof value === "boolean") && decoded === String(value);
  });
}
