import { CODE } from "./names.ts";

/** What the origin is answered that asks something in a shared session, where there is no client that could be asked. */
export function answerTo({ id, method }: { id: string | number; method: string }): string {
  if (method === "ping") return JSON.stringify({ jsonrpc: "2.0", id, result: {} });
  const message = `Method not found: nobody can be asked for ${method.slice(0, MAX_NAME)} in this session`;
  return JSON.stringify({ jsonrpc: "2.0", id, error: { code: CODE.methodNotFound, message } });
}

const MAX_NAME = 100;
