import type { Rights } from "../access/Rights.ts";
import type { ListName } from "../mcp/change.ts";
import { isEquivocal } from "../mcp/equivocal.ts";
import { decodeHeaderValue } from "../mcp/headerValue.ts";
import { isObject } from "../mcp/isObject.ts";
import { parseFilter, restOf } from "../mcp/listenFilter.ts";
import { CODE } from "../mcp/names.ts";
import { DUPLICATE_KEYS } from "./duplicateKeys.ts";
import type { Exchange, Failure } from "./Exchange.ts";
import { isEverybodys, ownTasksOf } from "./isEverybodys.ts";

/** Methods that name what they are about, and by which member. */
const NAMING: ReadonlyMap<string, readonly [ListName, "name" | "uri"]> = new Map([
  ["tools/call", ["tools", "name"]],
  ["prompts/get", ["prompts", "name"]],
  ["resources/read", ["resources", "uri"]],
  ["resources/subscribe", ["resources", "uri"]],
  ["resources/unsubscribe", ["resources", "uri"]],
]);

/** What everybody may who is let in: it tells of nothing that may not be used, and lists are cut afterwards. */
const FOR_ALL: ReadonlySet<string> = new Set([
  "initialize",
  "server/discover",
  "ping",
  "logging/setLevel",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "notifications/initialized",
  "notifications/cancelled",
  "notifications/progress",
  "notifications/roots/list_changed",
]);

/** About one task, whose id only those know who were given it. Listing tasks would give all of them. */
const OF_ONE_TASK: ReadonlySet<string> = new Set([
  "tasks/get",
  "tasks/result",
  "tasks/update",
  "tasks/cancel",
  "notifications/tasks/status",
]);

const KINDS: Readonly<Record<ListName, string>> = { tools: "tool", prompts: "prompt", resources: "resource" };
/** Of a name, what is said again: callers choose names. */
const MAX_NAME = 200;

/**
 * Why a caller with these rights is refused what its message asks for, whether that exists or not: nothing is looked up to
 * say so. What has no name to go by, and no method that the protocol has, only those may who may use everything.
 */
export function forbidden(x: Exchange, rights: Rights): Failure | undefined {
  const { body } = x;
  if (x.httpMethod !== "POST" || !isObject(body)) return undefined;
  if (x.scan.duplicates || isEquivocal(body)) return DUPLICATE_KEYS;
  const { method } = body;
  // A response to what the origin has asked of this very session.
  if (method === undefined) return undefined;
  const params = isObject(body["params"]) ? body["params"] : {};
  const named = typeof method === "string" ? NAMING.get(method) : undefined;
  const name = named && params[named[1]];
  if (!headersAgree(x.headers, method, named ? name : params["taskId"])) return HEADER_MISMATCH;
  if (named) return typeof name === "string" ? unless(x, rights, named[0], name) : mustBe(body, named[1], "a string");
  if (FOR_ALL.has(method as string)) return undefined;
  if (OF_ONE_TASK.has(method as string) && (isOwnTask(x, params["taskId"]) || rights.mayAny("tools"))) return undefined;
  if (method === "completion/complete") return completing(x, rights, params["ref"]);
  if (method === "subscriptions/listen") return listening(x, rights, params["notifications"]);
  return { kind: "denied", what: `the method ${String(method).slice(0, MAX_NAME)}` };
}

function unless(x: Exchange, rights: Rights, kind: ListName, name: string): Failure | undefined {
  if (rights.may(kind, name) || isEverybodys(x, kind, name)) return undefined;
  // Only who has scopes can be granted more of them.
  const scopes = x.caller.scopes && rights.scopesFor(kind, name);
  if (scopes) return { kind: "insufficient-scope", scopes: together(x.caller.scopes!, scopes) };
  return { kind: "denied", what: `the ${KINDS[kind]} ${name.slice(0, MAX_NAME)}` };
}

/** As it is told in a header, which issuers need not know (RFC 6749, 3.3). */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/**
 * What to ask for to have what is lacking beside what one has: clients ask for just what they are told (basic/authorization,
 * step-up), and a token that had lost the one for the other would be refused the next time.
 */
function together(granted: readonly string[], lacking: readonly string[]): string[] {
  return [...new Set([...granted.filter((scope) => SCOPE.test(scope)), ...lacking])].sort();
}

/** Whether a task is one of the replica's own. Whose it is, is looked at where it is looked up. */
function isOwnTask(x: Exchange, taskId: unknown): boolean {
  return typeof taskId === "string" && ownTasksOf(x)?.(taskId) === true;
}

/** Completing values tells of what a prompt or a resource has: also where its type says that it is the other. */
function completing(x: Exchange, rights: Rights, ref: unknown): Failure | undefined {
  const { name, uri } = isObject(ref) ? ref : {};
  const isSound = [name, uri].every((one) => one === undefined || typeof one === "string");
  if (!isSound || (name === undefined && uri === undefined)) return mustBe(x.body, "ref", "a reference");
  const prompt = name === undefined ? undefined : unless(x, rights, "prompts", name as string);
  return prompt ?? (uri === undefined ? undefined : unless(x, rights, "resources", uri as string));
}

function listening(x: Exchange, rights: Rights, notifications: unknown): Failure | undefined {
  const isOwnTask = ownTasksOf(x);
  const filter = parseFilter(notifications, { isOwnTask });
  if (typeof filter === "string") return invalid(x.body, filter);
  // Of what else an origin may tell nobody knows what it is about.
  const more = Object.keys(restOf(notifications as Record<string, unknown>, isOwnTask)).filter(
    (member) => !(member === "taskIds" && rights.mayAny("tools")),
  );
  if (more.length > 0) return { kind: "denied", what: `the notifications ${more[0]!.slice(0, MAX_NAME)}` };
  for (const uri of filter.uris) {
    const refused = unless(x, rights, "resources", uri);
    if (refused) return refused;
  }
  return undefined;
}

/** Whether headers that say what the message asks for say the same: an origin may go by them. */
function headersAgree(headers: Headers, method: unknown, name: unknown): boolean {
  const said = headers.get("mcp-method");
  if (said !== null && said !== method) return false;
  const called = headers.get("mcp-name");
  return called === null || (typeof name === "string" && decodeHeaderValue(called.trim()) === name);
}

const HEADER_MISMATCH: Failure = {
  kind: "rejected",
  status: 400,
  code: CODE.headerMismatch,
  reason: "header",
  message: "The Mcp-Method or Mcp-Name header differs from the body",
};

function mustBe(body: unknown, member: string, what: string): Failure {
  return invalid(body, `${member} must be ${what}`);
}

/** What an origin makes of such a thing is not for us to guess. What is no request has no answer in which that could be told. */
export function invalid(body: unknown, why: string): Failure {
  const status = (body as { id?: unknown }).id === undefined ? 400 : 200;
  return { kind: "rejected", status, code: CODE.invalidParams, reason: "params", message: `Invalid params: ${why}` };
}
