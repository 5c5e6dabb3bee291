import { CODE } from "../../mcp/names.ts";

/** An error before it is put into its form. In band: HTTP 200, for SDK clients show their users no other (DESIGN, section 3). */
export interface Worded {
  status: number | "in-band";
  rpcCode: number;
  code: string;
  message: string;
  retryAfterMs?: number;
  /** The operation that it is about. */
  operationId?: string;
  data?: unknown;
}

/** What the caller can act on: told in band. */
export function inBand(code: string, message: string, retryAfterMs?: number): Worded {
  return {
    status: "in-band",
    rpcCode: CODE.replica,
    code,
    message,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}

/** What is told with an HTTP status. */
export function http(status: number, code: string, message: string): Worded {
  return { status, rpcCode: CODE.invalidRequest, code, message };
}

/** Somebody has asked too much, of `what`. */
export function limited(what: string, retryAfterMs: number): Worded {
  const again = `Try again in ${Math.ceil(retryAfterMs / 1_000)} s`;
  return inBand(
    "rate_limited",
    `You have made as many ${what} as you may for now. ${again}, or call less often.`,
    retryAfterMs,
  );
}
