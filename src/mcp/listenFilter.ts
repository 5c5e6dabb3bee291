import type { Change, ListName } from "./change.ts";
import { isObject } from "./isObject.ts";

/** What the caller of `subscriptions/listen` wants to be told of. */
export interface ListenFilter {
  lists: ReadonlySet<ListName>;
  uris: ReadonlySet<string>;
  /** The ids of the replica's own tasks. */
  tasks: ReadonlySet<string>;
  /** Whether it asks for something that only the origin knows of, such as the tasks extension's `taskIds`. */
  more: boolean;
}

/** The most resources that one listener may name. */
export const MAX_URIS = 1_000;
/** The most tasks of the replica's own: each is looked up. */
export const MAX_TASKS = 100;

/** How a filter is read. */
export interface Reading {
  /** How many resources it may name. */
  maxUris?: number;
  /** Whether an id is meant as that of a task of the replica's own; absent where it has none. */
  isOwnTask?: ((id: string) => boolean) | undefined;
}

const FLAGS: readonly (readonly [string, ListName])[] = [
  ["toolsListChanged", "tools"],
  ["promptsListChanged", "prompts"],
  ["resourcesListChanged", "resources"],
];

/** Reads `params.notifications`, or says in words what is wrong with it. */
export function parseFilter(
  notifications: unknown,
  { maxUris = MAX_URIS, isOwnTask }: Reading = {},
): ListenFilter | string {
  if (!isObject(notifications)) return "params.notifications must be an object";
  const { resourceSubscriptions } = notifications;
  const lists = new Set<ListName>();
  for (const [member, list] of FLAGS) {
    const flag = notifications[member];
    if (flag !== undefined && typeof flag !== "boolean") return `params.notifications.${member} must be a boolean`;
    if (flag) lists.add(list);
  }
  const uris = resourceSubscriptions ?? [];
  if (!Array.isArray(uris) || !uris.every((uri) => typeof uri === "string" && uri !== "")) {
    return "params.notifications.resourceSubscriptions must be an array of strings that are not empty";
  }
  if (uris.length > maxUris) {
    return `params.notifications.resourceSubscriptions has ${uris.length} URIs; at most ${maxUris} are taken`;
  }
  const tasks = new Set(ownTasksIn(notifications["taskIds"], isOwnTask));
  if (tasks.size > MAX_TASKS)
    return `params.notifications.taskIds has ${tasks.size} ids; at most ${MAX_TASKS} are taken`;
  return { lists, uris: new Set(uris), tasks, more: Object.keys(restOf(notifications, isOwnTask)).length > 0 };
}

function ownTasksIn(ids: unknown, isOwnTask: Reading["isOwnTask"]): string[] {
  return Array.isArray(ids) && isOwnTask ? ids.filter((id) => typeof id === "string" && isOwnTask(id)) : [];
}

/** The part of a filter that the replica can see to by itself, as it is acknowledged. */
export function ownPart({ lists, uris, tasks }: ListenFilter): Record<string, unknown> {
  return { ...allOf([...lists], [...uris]), ...(tasks.size > 0 && { taskIds: [...tasks] }) };
}

/** The filter that asks for these, as it is sent. */
export function allOf(lists: readonly ListName[], uris: readonly string[]): Record<string, unknown> {
  return {
    ...Object.fromEntries(FLAGS.filter(([, list]) => lists.includes(list)).map(([member]) => [member, true])),
    ...(uris.length > 0 && { resourceSubscriptions: uris }),
  };
}

/** The part of what was asked for, or acknowledged, that the replica cannot see to. */
export function restOf(
  notifications: Record<string, unknown>,
  isOwnTask?: Reading["isOwnTask"],
): Record<string, unknown> {
  const own = new Set(["resourceSubscriptions", ...FLAGS.map(([member]) => member)]);
  const rest = Object.fromEntries(Object.entries(notifications).filter(([member]) => !own.has(member)));
  const ids = rest["taskIds"];
  const tasks = new Set<unknown>(ownTasksIn(ids, isOwnTask));
  if (tasks.size === 0 || !Array.isArray(ids)) return rest;
  const others = ids.filter((id) => !tasks.has(id));
  const { taskIds: _, ...more } = rest;
  return others.length > 0 ? { ...more, taskIds: others } : more;
}

/** What the origin honours of what was asked for: its own words, without what nobody asked for. */
export function honouredOf(honoured: Record<string, unknown>, asked: Record<string, unknown>): Record<string, unknown> {
  const kept = Object.entries(honoured).filter(([member]) => Object.hasOwn(asked, member));
  const told = Object.fromEntries(kept);
  const uris = told["resourceSubscriptions"];
  const wanted = asked["resourceSubscriptions"];
  if (!Array.isArray(uris) || !Array.isArray(wanted)) return told;
  const both = uris.filter((uri) => wanted.includes(uri));
  // An origin may spell them in a way of its own.
  return { ...told, resourceSubscriptions: both.length > 0 ? both : uris };
}

/** Whether a change is one that the filter names. */
export function wants({ lists, uris }: Pick<ListenFilter, "lists" | "uris">, change: Change): boolean {
  return change.kind === "list" ? lists.has(change.list) : uris.has(change.uri);
}

/** Notifications that never travel on the stream of a listener: they belong to one request. */
const OF_REQUESTS: ReadonlySet<string> = new Set([
  "notifications/progress",
  "notifications/message",
  "notifications/cancelled",
  "notifications/subscriptions/acknowledged",
]);

/**
 * Whether what the origin sent is of a kind that the filter asks for. The origin may tell of a sub-resource of one that
 * was named; what the replica does not know is let pass where the filter asks for something that it does not know.
 */
export function admits(filter: ListenFilter, method: string, change: Change | undefined): boolean {
  if (!change) return filter.more && !OF_REQUESTS.has(method);
  if (change.kind === "list" || filter.uris.has(change.uri)) return wants(filter, change);
  for (const uri of filter.uris) if (change.uri.startsWith(uri)) return true;
  return false;
}
