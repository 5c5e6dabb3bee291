import { isObject } from "./isObject.ts";
import { membersOf } from "./members.ts";
import { META_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL, META_VERSION } from "./names.ts";

const ENVELOPE: ReadonlySet<string> = new Set([META_VERSION, META_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL]);

/** A modern request as one of the earlier revisions: without the envelope. The rest of the text stays as it is. */
export function toLegacyRequest(request: string): string {
  const params = membersOf(request, request.indexOf("{")).findLast(({ key }) => key === "params");
  if (!params || request[params.valueStart] !== "{") return request;
  const meta = membersOf(request, params.valueStart).findLast(({ key }) => key === "_meta");
  if (!meta || !isObject(JSON.parse(request.slice(meta.valueStart, meta.end)))) return request;
  const kept = membersOf(request, meta.valueStart)
    .filter(({ key }) => !ENVELOPE.has(key))
    .map(({ start, end }) => request.slice(start, end));
  return `${request.slice(0, meta.valueStart)}{${kept.join(",")}}${request.slice(meta.end)}`;
}
