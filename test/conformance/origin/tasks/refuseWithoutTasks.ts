import { knowsTasks, TASKS } from "../context.ts";

/** The tools that can answer with a task only. */
const TASK_ONLY = new Set([
  "failing_job",
  "protocol_error_job",
  "confirm_delete",
  "multi_input",
  "test_tool_with_task",
]);

/**
 * The refusal of a call that only a task can answer, for a client that knows no tasks. It stands in front of the SDK,
 * which turns all that a tool throws into a result. A request whose headers say something else is the SDK's to refuse.
 */
export function refuseWithoutTasks({ headers }: Request, body: unknown): Response | undefined {
  const { id, method, params } = (body ?? {}) as { id?: unknown; method?: unknown; params?: Record<string, any> };
  if (method !== "tools/call" || !TASK_ONLY.has(params?.name)) return undefined;
  if (headers.get("mcp-method") !== method || headers.get("mcp-name") !== params?.name) return undefined;
  if (knowsTasks(params?._meta?.["io.modelcontextprotocol/clientCapabilities"])) return undefined;
  const error = {
    code: -32021,
    message: "This tool needs a client that knows tasks.",
    data: { requiredCapabilities: { extensions: { [TASKS]: {} } } },
  };
  return Response.json({ jsonrpc: "2.0", id, error }, { status: 400 });
}
