import { isObject } from "./isObject.ts";
import { membersOf } from "./members.ts";
import { META_CAPABILITIES, META_CLIENT_INFO, META_VERSION } from "./names.ts";
import { MODERN_VERSION } from "./versions.ts";

/**
 * A legacy request as one of the modern revision: with the envelope in `params._meta`, which declares no capabilities.
 * What the caller wrote stays as it is written.
 */
export function toModernRequest(request: string, clientInfo: { name: string; version: string }): string {
  const envelope = JSON.stringify({
    [META_VERSION]: MODERN_VERSION,
    [META_CAPABILITIES]: {},
    [META_CLIENT_INFO]: clientInfo,
  }).slice(1, -1);
  const open = request.indexOf("{");
  const params = membersOf(request, open).findLast(({ key }) => key === "params");
  if (!params) return `${request.slice(0, open + 1)}"params":{"_meta":{${envelope}}},${request.slice(open + 1)}`;
  if (!isObject(JSON.parse(request.slice(params.valueStart, params.end)))) return request;
  const inside = membersOf(request, params.valueStart);
  const meta = inside.findLast(({ key }) => key === "_meta");
  if (meta && request[meta.valueStart] === "{") {
    const isEmpty = membersOf(request, meta.valueStart).length === 0;
    const at = meta.valueStart + 1;
    return `${request.slice(0, at)}${envelope}${isEmpty ? "" : ","}${request.slice(at)}`;
  }
  const at = params.valueStart + 1;
  return `${request.slice(0, at)}"_meta":{${envelope}}${inside.length === 0 ? "" : ","}${request.slice(at)}`;
}
