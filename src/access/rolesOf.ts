import { ANONYMOUS_ROLE } from "../config/roles.ts";
import type { Role } from "../config/replica.ts";
import { ANONYMOUS, type Caller } from "./Caller.ts";

/** The names of the roles that there are and that a caller has: by name, by the scopes that it was granted, or as anybody. */
export function rolesOf(
  known: ReadonlyMap<string, Role>,
  { principal, roles = principal === ANONYMOUS ? [ANONYMOUS_ROLE] : [], scopes = [] }: Caller,
): string[] {
  const named = new Set(roles);
  const granted = new Set(scopes);
  return [...known]
    .filter(([name, role]) => named.has(name) || role.scopes?.every((scope) => granted.has(scope)))
    .map(([name]) => name);
}
