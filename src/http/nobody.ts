import { newId } from "../telemetry/newId.ts";
import type { Told } from "./errors.ts";

/** To whom an error is told that is no answer to a message of MCP. */
export function nobody(): Told {
  return { id: null, isRequest: false, isToolCall: false, isModern: false, correlationId: newId() };
}
