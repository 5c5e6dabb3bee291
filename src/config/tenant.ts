import type { Origin } from "./replica.ts";

/** Stands between an origin's id and the hash of a tenant: no origin's own id has it. */
const MARK = "@";

/** The longest name of a tenant, in UTF-16 code units. */
export const MAX_TENANT_LENGTH = 128;

/** The id of an origin in the world of one tenant; `hash` is lower-case hex. */
export function tenantId(originId: string, hash: string): string {
  return `${originId}${MARK}${hash}`;
}

/** Whether an id is formed as those are. */
export function isTenantId(id: string): boolean {
  return /^[^@]+@[0-9a-f]{32}$/.test(id);
}

/** An origin as it is under such an id. */
export function inWorld(origin: Origin, id: string): Origin {
  return { ...origin, settings: { ...origin.settings, id } };
}

/** Whether an id is that of an origin in a tenant's world. */
export function isOfTenant(id: string): boolean {
  return id.includes(MARK);
}

/** The id that the operator has given the origin, in whatever world. */
export function ownId(id: string): string {
  const end = id.indexOf(MARK);
  return end < 0 ? id : id.slice(0, end);
}
