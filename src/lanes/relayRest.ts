import { changeToldBy } from "../mcp/change.ts";
import { isObject } from "../mcp/isObject.ts";
import { admits, honouredOf, parseFilter, restOf } from "../mcp/listenFilter.ts";
import { retag } from "../mcp/subscriptionTag.ts";
import { withId } from "../mcp/withId.ts";
import { withValue } from "../mcp/withValue.ts";
import { callOrigin } from "../origin/callOrigin.ts";
import { listenUpstream } from "../sync/listenUpstream.ts";
import { pause } from "../sync/pause.ts";
import { newId } from "../telemetry/newId.ts";
import type { Exchange } from "./Exchange.ts";
import { forwardedHeaders } from "./forwardedHeaders.ts";
import { ownTasksOf } from "./isEverybodys.ts";
import { overOriginLimit } from "./overLimit.ts";

/** What comes of listening at the origin for one caller. */
export type Rest =
  /** What the origin has acknowledged. */
  | { kind: "acknowledged"; honoured: Record<string, unknown> }
  /** A message for the caller, with the caller's tag. */
  | { kind: "message"; text: string }
  /**
   * It does not listen now. `isLost`: nor will it, though it did, or said that it is over; then `text` is what it said. */
  | { kind: "over"; isLost: boolean; text?: string };

/**
 * Listens at the origin to the part of a caller's filter that the replica knows nothing of, such as the tasks extension's
 * `taskIds`, and words it for the caller, who asked under `caller`. `asking` is called for each subrequest.
 */
export async function* relayRest(
  x: Exchange,
  caller: string | number,
  signal: AbortSignal,
  asking: () => void,
): AsyncGenerator<Rest, void> {
  const { notifications } = (x.body as { params: { notifications: Record<string, unknown> } }).params;
  // The replica's own tasks are nothing to the origin.
  const asked = restOf(notifications, ownTasksOf(x));
  const filter = parseFilter(asked);
  const headers = forwardedHeaders(x);
  const body = withValue(x.text, ["params", "notifications"], JSON.stringify(asked));
  const events = listenUpstream({
    connect: async (id, abandoned) => {
      const failure = await overOriginLimit(x);
      if (failure) return { failure };
      asking();
      const bindings = x.env as unknown as Record<string, unknown>;
      return callOrigin(x.origin.settings, bindings, { method: "POST", headers, body: withId(body, id), abandoned });
    },
    signal,
    newId,
    random: x.random,
    pause,
  });
  let isRelayed = false;
  for await (const event of events) {
    switch (event.kind) {
      case "acknowledged":
        isRelayed = true;
        // An origin that honours more than was asked for is not repeated.
        yield { kind: "acknowledged", honoured: isObject(event.honoured) ? honouredOf(event.honoured, asked) : {} };
        break;
      case "notification": {
        const change = changeToldBy(event.method, event.params);
        const isMeant = typeof filter === "object" && admits(filter, event.method, change);
        const text = isMeant ? retag(event.text, caller) : undefined;
        if (text !== undefined) yield { kind: "message", text };
        break;
      }
      case "broken":
        yield { kind: "over", isLost: false };
        break;
      case "refused":
        yield { kind: "over", isLost: isRelayed };
        break;
      case "ended": {
        const text = retag(withId(event.text, caller), caller);
        yield { kind: "over", isLost: true, ...(text !== undefined && { text }) };
        break;
      }
      case "exhausted":
        yield { kind: "over", isLost: true };
    }
  }
}
