import { membersOf } from "./members.ts";
import { META_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL, META_VERSION } from "./names.ts";

const ENVELOPE: ReadonlySet<string> = new Set([META_VERSION, META_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL]);

/** What a server of the earlier revisions would not know, or take for something else: there `task` makes a task of the call. */
const FOREIGN: ReadonlySet<string> = new Set(["task", "inputResponses", "requestState"]);

/** A modern request as one of the earlier revisions: without the envelope. What stays is as the caller wrote it. */
export function toLegacyRequest(request: string): string {
  const params = membersOf(request, request.indexOf("{")).findLast(({ key }) => key === "params");
  if (!params || request[params.valueStart] !== "{") return request;
  const told = membersOf(request, params.valueStart)
    .filter(({ key }) => !FOREIGN.has(key))
    .map(({ key, start, valueStart, end }) =>
      key === "_meta" && request[valueStart] === "{"
        ? `${request.slice(start, valueStart)}{${keptOf(request, valueStart).join(",")}}`
        : request.slice(start, end),
    );
  return `${request.slice(0, params.valueStart)}{${told.join(",")}}${request.slice(params.end)}`;
}

function keptOf(request: string, from: number): string[] {
  return membersOf(request, from)
    .filter(({ key }) => !ENVELOPE.has(key))
    .map(({ start, end }) => request.slice(start, end));
}
