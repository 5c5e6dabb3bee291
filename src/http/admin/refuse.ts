import type { Reporter } from "../../telemetry/events.ts";
import type { Trouble } from "../errors.ts";
import { nobody } from "../nobody.ts";
import { respondTrouble } from "../respond.ts";

/** Tells an operator, or an origin's webhook, what is wrong, and the log as well: whoever was refused may have nobody who reads it. */
export function refuse(trouble: Trouble, report: Reporter, endpoint: string): Response {
  const told = nobody();
  const { response, code = "" } = respondTrouble(trouble, told);
  report({ type: "refused", endpoint, status: response.status, code, correlationId: told.correlationId });
  return response;
}
