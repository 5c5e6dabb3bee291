import { toLegacyReply } from "../mcp/toLegacyReply.ts";
import { toModernReply } from "../mcp/toModernReply.ts";
import type { Era } from "../mcp/versions.ts";
import type { OperationOutcome } from "../outbox/Operation.ts";
import { knownEras } from "./eras.ts";
import type { Exchange } from "./Exchange.ts";
import { catalogueOf } from "./learn.ts";

/** The response to a call in the words of its caller's era; `undefined` where it has no form there. */
export function outcomeTold(
  x: Exchange,
  { id, era, tool }: { id: string | number; era: Era; tool: string },
  { kind, text, era: asked }: OperationOutcome,
): { text: string; status: number } | undefined {
  const reply = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"${kind}":${text}}`;
  const method = "tools/call";
  if (era === asked) return { text: reply, status: 200 };
  if (era === "modern") return toModernReply(reply, { method, hints: false, serverInfo: knownEras(x).serverInfo });
  const told = toLegacyReply(reply, { method, isWrapped: catalogueOf(x).get(tool)?.isWrapped ?? false });
  return told === undefined ? undefined : { text: told, status: 200 };
}
