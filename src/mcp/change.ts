import { isObject } from "./isObject.ts";

/** The lists whose changes the protocol tells of. */
export type ListName = "tools" | "prompts" | "resources";

/** Something of an origin that is not as it was: one of its lists, or one resource. */
export type Change = { kind: "list"; list: ListName } | { kind: "resource"; uri: string };

/** The methods whose answers show a list. */
const METHODS: Readonly<Record<ListName, readonly string[]>> = {
  tools: ["tools/list"],
  prompts: ["prompts/list"],
  resources: ["resources/list", "resources/templates/list"],
};

const LISTS = Object.keys(METHODS) as ListName[];
const UPDATED = "notifications/resources/updated";

/** The methods whose stored answers a change makes doubtful. */
export function methodsOf(change: Change): readonly string[] {
  return change.kind === "list" ? METHODS[change.list] : ["resources/read"];
}

/** The change that a new answer to a method shows; `undefined` where nobody can ask to be told of it. */
export function changeShownBy(method: string, target: string | null): Change | undefined {
  if (method === "resources/read") return target === null ? undefined : { kind: "resource", uri: target };
  const list = LISTS.find((name) => METHODS[name].includes(method));
  return list && { kind: "list", list };
}

/** The change that a notification tells of; `undefined` for notifications of another kind. */
export function changeToldBy(method: string, params: unknown): Change | undefined {
  if (method === UPDATED) {
    const uri = isObject(params) ? params["uri"] : undefined;
    return typeof uri === "string" ? { kind: "resource", uri } : undefined;
  }
  const list = LISTS.find((name) => method === listChanged(name));
  return list && { kind: "list", list };
}

/** The notification that tells of a change, without the tag of a subscription. */
export function notificationOf(change: Change): { method: string; params: Record<string, unknown> } {
  return change.kind === "list"
    ? { method: listChanged(change.list), params: {} }
    : { method: UPDATED, params: { uri: change.uri } };
}

/** The name of what changed: equal for changes of the same thing. */
export function nameOf(change: Change): string {
  return change.kind === "list" ? change.list : `resource ${change.uri}`;
}

function listChanged(list: ListName): string {
  return `notifications/${list}/list_changed`;
}
