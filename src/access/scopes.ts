import type { Access } from "../config/replica.ts";

/** What every token needs, whoever has issued it: what a newcomer is told to ask for. Sorted. */
export function commonScopes({ jwt = [] }: Access): string[] {
  const [first, ...rest] = jwt;
  return first?.scopes.filter((scope) => rest.every(({ scopes }) => scopes.includes(scope))) ?? [];
}

/** All that a token may be granted that means something here. Sorted. */
export function knownScopes({ jwt = [], roles = new Map() }: Access): string[] {
  const ofRoles = [...roles.values()].flatMap(({ scopes = [] }) => scopes);
  return [...new Set([...jwt.flatMap(({ scopes }) => scopes), ...ofRoles])].sort();
}
