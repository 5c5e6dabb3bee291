import { OPEN_OBJECT } from "./characters.ts";
import { without } from "./cutSpans.ts";
import { elementsOf } from "./elements.ts";
import { hiddenSpans, type IsShown } from "./hiddenSpans.ts";
import { isObject } from "./isObject.ts";
import { membersOf } from "./members.ts";
import { messageIn } from "./messageIn.ts";

/**
 * A JSON-RPC response as a caller sees it who may use only some things: without the others in its lists, and with its scope
 * called private. `method` is that of the request; without one, any list is taken for one. The rest stays as it is written.
 * `undefined` for a text that is no JSON object.
 */
export function shownReply(reply: string, method: string | undefined, isShown: IsShown): string | undefined {
  const message = messageIn(reply);
  if (!message) return undefined;
  if (!isObject(message["result"])) return reply;
  let shown = reply;
  // Of two results of one response nobody knows which one will be read. From the end, so that places stay what they are.
  for (const { key, valueStart, end } of membersOf(reply, reply.indexOf("{")).toReversed()) {
    if (key !== "result" || reply.charCodeAt(valueStart) !== OPEN_OBJECT) continue;
    shown = shown.slice(0, valueStart) + shownResult(reply.slice(valueStart, end), method, isShown) + shown.slice(end);
  }
  return shown;
}

function shownResult(result: string, method: string | undefined, isShown: IsShown): string {
  const cut = without(result, hiddenSpans(result, 0, method, isShown));
  const scope = membersOf(cut, 0).findLast(({ key }) => key === "cacheScope");
  return scope ? `${cut.slice(0, scope.valueStart)}"private"${cut.slice(scope.end)}` : cut;
}

/**
 * An event of a stream as such a caller sees it, see `shownReply`; `undefined` for one that it does not see: that tells of
 * a resource which it may not read. The revision with batches has several messages in one event.
 */
export function shownEvent(event: string, method: string | undefined, isShown: IsShown): string | undefined {
  if (!event.trimStart().startsWith("[")) return shownMessage(event, method, isShown);
  if (!isJson(event)) return event;
  const messages = elementsOf(event);
  const shown = messages.flatMap((message) => shownMessage(message, method, isShown) ?? []);
  if (shown.length === 0 && messages.length > 0) return undefined;
  return shown.every((message, index) => message === messages[index]) && shown.length === messages.length
    ? event
    : `[${shown.join(",")}]`;
}

function shownMessage(text: string, method: string | undefined, isShown: IsShown): string | undefined {
  const message = messageIn(text);
  // What is no JSON tells of nothing.
  if (!message) return text;
  if (message["method"] === "notifications/resources/updated") {
    const uri = isObject(message["params"]) ? message["params"]["uri"] : undefined;
    return typeof uri === "string" && isShown("resources", uri) ? text : undefined;
  }
  return shownReply(text, method, isShown);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
