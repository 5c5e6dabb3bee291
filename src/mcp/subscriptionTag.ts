import { OPEN_OBJECT } from "./characters.ts";
import { membersOf } from "./members.ts";
import { META_SUBSCRIPTION } from "./names.ts";

/**
 * A message of a listener's stream under the id of another `subscriptions/listen` request: the tag in `_meta` is
 * replaced, or put there. The rest of the text stays as the origin wrote it. `undefined` for a message whose
 * `params`, `result` or `_meta` is no object: there is no place for a tag in it.
 */
export function retag(message: string, id: string | number): string | undefined {
  const tag = `"${META_SUBSCRIPTION}":${JSON.stringify(id)}`;
  const top = message.indexOf("{");
  const holder = membersOf(message, top).findLast(({ key }) => key === "params" || key === "result");
  if (!holder) return insert(message, top, `"params":{"_meta":{${tag}}}`);
  if (message.charCodeAt(holder.valueStart) !== OPEN_OBJECT) return undefined;
  const meta = membersOf(message, holder.valueStart).findLast(({ key }) => key === "_meta");
  if (!meta) return insert(message, holder.valueStart, `"_meta":{${tag}}`);
  if (message.charCodeAt(meta.valueStart) !== OPEN_OBJECT) return undefined;
  const old = membersOf(message, meta.valueStart).findLast(({ key }) => key === META_SUBSCRIPTION);
  if (!old) return insert(message, meta.valueStart, tag);
  return message.slice(0, old.start) + tag + message.slice(old.end);
}

/** The text with a member more in the object whose brace stands at `open`. */
function insert(text: string, open: number, member: string): string {
  const comma = membersOf(text, open).length > 0 ? "," : "";
  return text.slice(0, open + 1) + member + comma + text.slice(open + 1);
}
