import {
  CLIENT_CAPABILITIES_META_KEY,
  type RequestStateCodec,
  type ServerContext,
  type ServerEventBus,
} from "@modelcontextprotocol/server";
import type { Tasks } from "./tasks/Tasks.ts";

/** What a multi-round tool needs to know again when the client comes back. */
export interface Progress {
  tool: string;
  step: number;
  name?: string;
}

/** What the tools, resources and prompts work with. One for the life of an origin. */
export interface Context {
  /** Where changes are published, for the open streams of both eras. */
  bus: ServerEventBus;
  /** Seals what goes through the client between the rounds. */
  states: RequestStateCodec<Progress>;
  tasks: Tasks;
  /** Whether it has tasks. Without, tools that would make one run until they have a result, whoever calls. */
  hasTasks: boolean;
  /** How often the trigger tools were called. The lists say so, so that each call really changes them. */
  changes: { tools: number; prompts: number };
}

/** The capabilities that a modern request declares. */
export function capabilitiesOf(ctx: ServerContext): Record<string, unknown> {
  const envelope: Record<string, any> | undefined = ctx.mcpReq.envelope;
  return envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
}

/** True where the request says that its sender can handle tasks. */
export function knowsTasks(capabilities: unknown): boolean {
  const { extensions } = (capabilities ?? {}) as { extensions?: Record<string, unknown> };
  return extensions?.[TASKS] !== undefined;
}

/** The name of the tasks extension. */
export const TASKS = "io.modelcontextprotocol/tasks";
