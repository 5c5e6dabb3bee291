import type { Origin, Replica } from "../../config/replica.ts";
import { inWorld, isTenantId, ownId } from "../../config/tenant.ts";
import type { Trouble } from "../errors.ts";
import { originNamed } from "./originNamed.ts";

/** The origin whose outbox an operator names: the one that goes without saying, one by its id, or as one of its tenants has it. */
export function outboxNamed(replica: Replica, id: string | undefined): Origin | { trouble: Trouble } {
  const origin = originNamed(replica, id === undefined || !isTenantId(id) ? id : ownId(id));
  return "trouble" in origin || id === undefined || !isTenantId(id) ? origin : inWorld(origin, id);
}
