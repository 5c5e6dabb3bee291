import type { Fixture, Handler } from "./fixture.ts";

/** The sessions of an origin that opens them. */
export interface Stateful {
  /** Those that go on, by the origin's own ids. */
  live: Set<string>;
}

/** No two sessions have one id, whoever opens them. */
let opened = 0;

/** Makes the origin legacy, and open a session for each `initialize`. Without one, or with one that is over, it answers nothing. */
export function makeStateful(origin: Fixture, answer: Record<string, Handler> = {}): Stateful {
  const live = new Set<string>();
  origin.eras = "legacy";
  origin.on("initialize", ({ params, isModern }) => {
    if (isModern) return { status: 404, error: { code: -32601, message: "Method not found" } };
    const id = `origin-session-${++opened}`;
    live.add(id);
    return {
      headers: { "mcp-session-id": id },
      result: {
        protocolVersion: params.protocolVersion,
        capabilities: { tools: { listChanged: true }, resources: { subscribe: true } },
        serverInfo: { name: "stateful", version: "1" },
      },
    };
  });
  origin.inSession = ({ headers }) => {
    const id = headers["mcp-session-id"] as string | undefined;
    if (id === undefined) {
      return { status: 400, id: null, error: { code: -32000, message: "Bad Request: Session ID required" } };
    }
    if (!live.has(id)) return { status: 404, id: null, error: { code: -32001, message: "Session not found" } };
    return undefined;
  };
  origin.on("DELETE", ({ headers }) => {
    live.delete(headers["mcp-session-id"] as string);
    return { text: "" };
  });
  for (const [what, handler] of Object.entries(answer)) origin.on(what, handler);
  return { live };
}
