import { isObject } from "../mcp/isObject.ts";
import { STATUS_TOOL } from "../mcp/withOperations.ts";
import { operationNamed } from "../outbox/operationId.ts";
import type { Answer, Exchange } from "./Exchange.ts";
import { operationResource } from "./operationResource.ts";
import { operationTool } from "./operationTool.ts";
import { tasks } from "./tasks.ts";

/**
 * Answers what is asked of operations, which the origin knows nothing of; `undefined` for everything else. `rest` is how
 * the request is answered where it is about a task of the origin's. For origins with an outbox.
 */
export function operations(x: Exchange, rest: () => Answer | Promise<Answer>): Promise<Answer> | undefined {
  const { method, params } = isObject(x.body) ? x.body : {};
  if (!isObject(params)) return undefined;
  switch (method) {
    case "tasks/get":
    case "tasks/update":
    case "tasks/cancel":
      return tasks(x, method, params["taskId"], rest);
    case "tools/call":
      return params["name"] === STATUS_TOOL ? operationTool(x, params["arguments"]) : undefined;
    case "resources/read": {
      const { uri } = params;
      const id = typeof uri === "string" ? operationNamed(uri) : undefined;
      return id === undefined ? undefined : operationResource(x, uri as string, id);
    }
    default:
      return undefined;
  }
}
