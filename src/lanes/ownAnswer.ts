import { eraClaimed } from "../mcp/envelope.ts";
import { ladder } from "../mcp/ladder.ts";
import type { Era } from "../mcp/versions.ts";
import type { Answer, Exchange, Failure } from "./Exchange.ts";

/** The era in which a caller asks. */
export function eraOf(x: Exchange): Era {
  return x.session ? "legacy" : eraClaimed(x.body, x.headers);
}

/** What is wrong with a request that the replica answers by itself, in the words of its era. */
export function wrongIn(x: Exchange): Answer | undefined {
  // Nobody waits for an answer.
  if ((x.body as { id?: unknown }).id === undefined) return { kind: "accepted" };
  const wrong = eraOf(x) === "modern" ? ladder(x.body, x.headers, true) : undefined;
  return wrong && failed({ kind: "rejected", ...wrong });
}

/** A result of the replica's own, from the text of its members. */
export function ownResult(x: Exchange, members: string): Answer {
  const { id } = x.body as { id: unknown };
  const type = eraOf(x) === "modern" ? `"resultType":"complete"${members === "" ? "" : ","}` : "";
  const text = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{${type}${members}}}`;
  return { kind: "message", result: "local", status: 200, text };
}

/** An answer that there is none. */
export function failed(failure: Failure): Answer {
  return { kind: "failure", failure };
}
