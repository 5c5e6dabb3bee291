/**
 * The answer to a call of the tool that breaks down, where no task can tell of it. It stands in front of the SDK, which turns
 * all that a tool throws into a result.
 */
export function breakDown(body: unknown): Response | undefined {
  const { id, method, params } = (body ?? {}) as { id?: unknown; method?: unknown; params?: Record<string, unknown> };
  if (method !== "tools/call" || params?.name !== "protocol_error_job") return undefined;
  return Response.json({ jsonrpc: "2.0", id, error: { code: -32603, message: "The job broke down." } });
}
