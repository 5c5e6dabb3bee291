import {
  type McpServer,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
} from "@modelcontextprotocol/server";
import * as z from "zod";
import { type Context, capabilitiesOf, knowsTasks, TASKS } from "../context.ts";

const Named = z.object({ taskId: z.string() });

/** Answers `tasks/get`, `tasks/update` and `tasks/cancel`. */
export function serveTasks({ server }: McpServer, { tasks }: Context): void {
  server.setRequestHandler("tasks/get", { params: Named }, ({ taskId }, ctx) => {
    requireTasks(ctx);
    return tasks.read(taskId) ?? unknown(taskId);
  });
  server.setRequestHandler("tasks/update", { params: Named }, ({ taskId }, ctx) => {
    requireTasks(ctx);
    // The SDK takes the answers out of the params, on every method.
    return tasks.update(taskId, ctx.mcpReq.inputResponses ?? {}) ? {} : unknown(taskId);
  });
  server.setRequestHandler("tasks/cancel", { params: Named }, ({ taskId }, ctx) => {
    requireTasks(ctx);
    return tasks.cancel(taskId) ? {} : unknown(taskId);
  });
}

function requireTasks(ctx: ServerContext): void {
  if (knowsTasks(capabilitiesOf(ctx))) return;
  throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS]: {} } } });
}

function unknown(taskId: string): never {
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, `There is no task ${JSON.stringify(taskId)}.`);
}
