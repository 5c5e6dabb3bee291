import { ANONYMOUS } from "../access/Caller.ts";
import { isObject } from "../mcp/isObject.ts";
import { ladder } from "../mcp/ladder.ts";
import { parseFilter } from "../mcp/listenFilter.ts";
import { CODE, META_VERSION } from "../mcp/names.ts";
import { acceptsBoth } from "../mcp/recognise.ts";
import type { Answer, Exchange } from "./Exchange.ts";
import { isEverybodys, ownTasksOf } from "./isEverybodys.ts";
import { Listener } from "./Listener.ts";

/** A listener's request is held as long as its stream is open, and there may be many of them. */
const MAX_LENGTH = 131_072;
const TOO_LONG = `the request is longer than the ${MAX_LENGTH} characters that are taken`;

/** Serves `subscriptions/listen` of the modern revision; `undefined` for everything else. */
export function listen(x: Exchange): Answer | undefined {
  const { body } = x;
  if (!isObject(body) || body["method"] !== "subscriptions/listen") return undefined;
  const wrong = ladder(body, x.headers);
  if (wrong) return { kind: "failure", failure: { kind: "rejected", ...wrong } };
  const { id, params } = body;
  // What is not of the modern revision, or no request, or wants no stream, is for others to answer.
  const isModern = isObject(params) && isObject(params["_meta"]) && Object.hasOwn(params["_meta"], META_VERSION);
  if (!isModern || !(typeof id === "string" || typeof id === "number") || !acceptsBoth(x.headers.get("accept"))) {
    return undefined;
  }
  const asked =
    x.text.length > MAX_LENGTH ? TOO_LONG : parseFilter(params["notifications"], { isOwnTask: ownTasksOf(x) });
  if (typeof asked === "string") {
    const message = `Invalid params: ${asked}`;
    return {
      kind: "failure",
      failure: { kind: "rejected", status: 200, code: CODE.invalidParams, reason: "params", message },
    };
  }
  const { principal, origin } = x;
  // What the replica tells of itself as a resource, it tells of to listeners as a task.
  const uris = [...asked.uris].filter((uri) => !isEverybodys(x, "resources", uri));
  const filter = { ...asked, uris: new Set(uris) };
  // Where anybody may listen, each address has a share; on this machine, nobody but who has a name.
  const listener = x.payer() ?? (principal === ANONYMOUS ? undefined : principal);
  const wanted = { originId: origin.settings.id, filter };
  const stream = x.isolate.listening.streams.open(x.now(), listener, wanted, x.text.length);
  if (stream === undefined) return { kind: "failure", failure: { kind: "too-many-streams" } };
  return { kind: "events", body: new Listener(x, { id, filter, stream }).begin() };
}
