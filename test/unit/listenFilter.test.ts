import { expect, test } from "vitest";
import { changeShownBy, changeToldBy, methodsOf, nameOf, notificationOf, type Change } from "../../src/mcp/change.ts";
import {
  admits,
  type ListenFilter,
  MAX_TASKS,
  MAX_URIS,
  ownPart,
  parseFilter,
  restOf,
  wants,
} from "../../src/mcp/listenFilter.ts";

const filter = (notifications: unknown): ListenFilter => {
  const parsed = parseFilter(notifications);
  if (typeof parsed === "string") throw new Error(parsed);
  return parsed;
};
const LIST = (list: "tools" | "prompts" | "resources"): Change => ({ kind: "list", list });
const RESOURCE = (uri: string): Change => ({ kind: "resource", uri });

test("a filter is read: what is false or empty is not asked for", () => {
  expect(filter({})).toEqual({ lists: new Set(), uris: new Set(), tasks: new Set(), more: false });
  expect(
    filter({ toolsListChanged: true, promptsListChanged: false, resourceSubscriptions: ["a", "a"], taskIds: [] }),
  ).toEqual({ lists: new Set(["tools"]), uris: new Set(["a"]), tasks: new Set(), more: true });
});

test.each([
  [undefined, "params.notifications must be an object"],
  [[], "params.notifications must be an object"],
  [null, "params.notifications must be an object"],
  [{ promptsListChanged: 1 }, "params.notifications.promptsListChanged must be a boolean"],
  [{ resourcesListChanged: null }, "params.notifications.resourcesListChanged must be a boolean"],
  [
    { resourceSubscriptions: "x" },
    "params.notifications.resourceSubscriptions must be an array of strings that are not empty",
  ],
  [
    { resourceSubscriptions: ["x", 1] },
    "params.notifications.resourceSubscriptions must be an array of strings that are not empty",
  ],
])("%j is no filter", (notifications, words) => {
  expect(parseFilter(notifications)).toBe(words);
});

test("so many uris, and no more", () => {
  const uris = (length: number) => ({ resourceSubscriptions: Array.from({ length }, (_, n) => `${n}`) });
  expect(filter(uris(MAX_URIS)).uris.size).toBe(MAX_URIS);
  expect(parseFilter(uris(MAX_URIS + 1))).toContain("at most 1000");
});

test("the replica's own part of a filter leaves out what it knows nothing of", () => {
  const asked = { toolsListChanged: true, resourcesListChanged: true, resourceSubscriptions: ["a"] };
  expect(ownPart(filter({ ...asked, promptsListChanged: false, taskIds: ["t"] }))).toEqual(asked);
  expect(ownPart(filter({ taskIds: ["t"], resourceSubscriptions: [] }))).toEqual({});
});

test("tasks of the replica's own are told apart from the origin's, which alone are asked for there", () => {
  const isOwnTask = (id: string) => id.startsWith("own-");
  const asked = { taskIds: ["own-1", "theirs", 7, "own-2"] };
  const parsed = parseFilter(asked, { isOwnTask }) as ListenFilter;
  expect([[...parsed.tasks], parsed.more]).toEqual([["own-1", "own-2"], true]);
  expect(restOf(asked, isOwnTask)).toEqual({ taskIds: ["theirs", 7] });
  expect(ownPart(parsed)).toEqual({ taskIds: ["own-1", "own-2"] });
  // With none of the origin's, it is not asked at all.
  expect(restOf({ taskIds: ["own-1"] }, isOwnTask)).toEqual({});
  expect(parseFilter({ taskIds: ["own-1"] }, { isOwnTask })).toMatchObject({ more: false });
  // Where the replica has none, all are the origin's.
  expect(restOf(asked)).toEqual(asked);
  const many = { taskIds: Array.from({ length: MAX_TASKS + 1 }, (_, n) => `own-${n}`) };
  expect(parseFilter(many, { isOwnTask })).toContain(`at most ${MAX_TASKS}`);
});

test("a change is wanted where it was named, exactly", () => {
  const asked = filter({ promptsListChanged: true, resourceSubscriptions: ["x://a"] });
  expect(["tools", "prompts", "resources"].map((list) => wants(asked, LIST(list as "tools")))).toEqual([
    false,
    true,
    false,
  ]);
  expect(["x://a", "x://a/b", "x://"].map((uri) => wants(asked, RESOURCE(uri)))).toEqual([true, false, false]);
});

test("the origin may tell of what lies below a resource that was named, and of other things only if some were asked for", () => {
  const asked = filter({ promptsListChanged: true, resourceSubscriptions: ["x://a"] });
  const updated = "notifications/resources/updated";
  expect(["x://a", "x://a/b", "x://"].map((uri) => admits(asked, updated, RESOURCE(uri)))).toEqual([true, true, false]);
  expect(admits(asked, "any", LIST("tools"))).toBe(false);
  expect(admits(asked, "any", LIST("prompts"))).toBe(true);
  expect(admits(asked, "notifications/tasks", undefined)).toBe(false);
  const more = filter({ taskIds: ["t"] });
  expect(admits(more, "notifications/tasks", undefined)).toBe(true);
  for (const name of ["progress", "message", "cancelled", "subscriptions/acknowledged"]) {
    expect(admits(more, `notifications/${name}`, undefined)).toBe(false);
  }
});

test.each([
  ["tools/list", null, LIST("tools")],
  ["prompts/list", null, LIST("prompts")],
  ["resources/list", null, LIST("resources")],
  ["resources/templates/list", null, LIST("resources")],
  ["resources/read", "x://a", RESOURCE("x://a")],
  ["tools/call", "t", undefined],
  ["server/discover", null, undefined],
])("a new answer to %s shows a change that its notification tells of", (method, target, change) => {
  expect(changeShownBy(method, target)).toEqual(change);
  if (!change) return;
  expect(methodsOf(change)).toContain(method);
  const { method: notification, params } = notificationOf(change);
  expect(changeToldBy(notification, params)).toEqual(change);
});

test("a notification without its uri, or of another kind, tells of no change", () => {
  expect(changeToldBy("notifications/resources/updated", { uri: 1 })).toBeUndefined();
  expect(changeToldBy("notifications/resources/updated", undefined)).toBeUndefined();
  expect(changeToldBy("notifications/tasks", { uri: "x" })).toBeUndefined();
});

test("a resource named like a list is another thing", () => {
  expect(nameOf(RESOURCE("tools"))).not.toBe(nameOf(LIST("tools")));
});
