import type { ConfigProblem } from "./ConfigError.ts";
import type { Grant, Role } from "./replica.ts";
import type { ReplicaConfig, RoleConfig } from "./types.ts";

/** The role of callers without a credential, where access is open. */
export const ANONYMOUS_ROLE = "anonymous";

/** What of the roles the shape alone cannot say. */
export function roleProblems({ access, origins }: ReplicaConfig): ConfigProblem[] {
  const roles = access?.roles;
  if (!roles) return [];
  const problems: ConfigProblem[] = [];
  if (access.open && !Object.hasOwn(roles, ANONYMOUS_ROLE)) {
    const expected = `a role ${ANONYMOUS_ROLE}, which callers without a credential have where access.open is true`;
    problems.push({ path: "access.roles", found: Object.keys(roles).join(", ") || "{}", expected });
  }
  for (const { roles: named = [] } of Object.values(access.dev?.tokens ?? {})) {
    for (const one of named.filter((name) => !Object.hasOwn(roles, name)))
      problems.push({
        path: "access.dev.tokens.*.roles",
        found: JSON.stringify(one),
        expected: "names of access.roles",
      });
  }
  for (const [name, role] of Object.entries(roles)) {
    const path = `access.roles.${name}`;
    for (const parent of parentsOf(role)) {
      if (Object.hasOwn(roles, parent)) continue;
      problems.push({ path: `${path}.extends`, found: JSON.stringify(parent), expected: "the name of another role" });
    }
    if (leadsBack(roles, name)) {
      problems.push({ path: `${path}.extends`, found: "a circle", expected: "roles that do not extend each other" });
    }
    for (const id of role.origins ?? []) {
      if (Object.hasOwn(origins, id)) continue;
      problems.push({ path: `${path}.origins`, found: JSON.stringify(id), expected: "ids of origins in this file" });
    }
  }
  return problems;
}

/** The roles, each with all that it grants: its own patterns and those of the roles that it extends. */
export function resolveRoles(roles: Readonly<Record<string, RoleConfig>>): ReadonlyMap<string, Role> {
  const resolved = new Map<string, Role>();
  for (const [name, { scopes }] of Object.entries(roles)) {
    const grants = [...lineOf(roles, name)].map((each) => grantOf(roles[each]!));
    // The scopes are those of the role alone: who is granted the one that it extends is not granted this one.
    resolved.set(name, { grants, scopes });
  }
  return resolved;
}

function grantOf({ tools = [], resources = [], prompts = [], origins }: RoleConfig): Grant {
  return { tools, resources, prompts, origins };
}

function parentsOf({ extends: parents = [] }: RoleConfig): readonly string[] {
  return typeof parents === "string" ? [parents] : parents;
}

/** The role, and all that it extends, however far away. */
function lineOf(roles: Readonly<Record<string, RoleConfig>>, name: string): Set<string> {
  const line = new Set([name]);
  // A set goes on with what is added to it on the way, and has each once.
  for (const one of line) for (const parent of parentsOf(roles[one] ?? {})) line.add(parent);
  return line;
}

function leadsBack(roles: Readonly<Record<string, RoleConfig>>, name: string): boolean {
  return parentsOf(roles[name]!).some((parent) => lineOf(roles, parent).has(name));
}
