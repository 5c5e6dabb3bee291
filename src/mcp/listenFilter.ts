import type { Change, ListName } from "./change.ts";
import { isObject } from "./isObject.ts";

/** What the caller of `subscriptions/listen` wants to be told of. */
export interface ListenFilter {
  lists: ReadonlySet<ListName>;
  uris: ReadonlySet<string>;
  /** Whether it asks for something that only the origin knows of, such as the tasks extension's `taskIds`. */
  more: boolean;
}

/** The most resources that one listener may name. */
export const MAX_URIS = 1_000;

const FLAGS: readonly (readonly [string, ListName])[] = [
  ["toolsListChanged", "tools"],
  ["promptsListChanged", "prompts"],
  ["resourcesListChanged", "resources"],
];

/** Reads `params.notifications`, or says in words what is wrong with it; `maxUris` is how many resources it may name. */
export function parseFilter(notifications: unknown, maxUris = MAX_URIS): ListenFilter | string {
  if (!isObject(notifications)) return "params.notifications must be an object";
  const { resourceSubscriptions, ...rest } = notifications;
  const lists = new Set<ListName>();
  for (const [member, list] of FLAGS) {
    const flag = rest[member];
    delete rest[member];
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
  return { lists, uris: new Set(uris), more: Object.keys(rest).length > 0 };
}

/** The part of a filter that the replica can see to by itself, as it is acknowledged. */
export function ownPart({ lists, uris }: ListenFilter): Record<string, unknown> {
  return allOf([...lists], [...uris]);
}

/** The filter that asks for these, as it is sent. */
export function allOf(lists: readonly ListName[], uris: readonly string[]): Record<string, unknown> {
  return {
    ...Object.fromEntries(FLAGS.filter(([, list]) => lists.includes(list)).map(([member]) => [member, true])),
    ...(uris.length > 0 && { resourceSubscriptions: uris }),
  };
}

/** The part of what was asked for, or acknowledged, that the replica cannot see to. */
export function restOf(notifications: Record<string, unknown>): Record<string, unknown> {
  const own = new Set(["resourceSubscriptions", ...FLAGS.map(([member]) => member)]);
  return Object.fromEntries(Object.entries(notifications).filter(([member]) => !own.has(member)));
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
