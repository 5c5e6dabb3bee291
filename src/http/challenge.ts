import { commonScopes } from "../access/scopes.ts";
import type { Access } from "../config/replica.ts";
import type { Trouble } from "./errors.ts";
import type { Place } from "./place.ts";

/** Where the description of a protected resource is found: before its path (RFC 9728, 3.1). */
export const METADATA = "/.well-known/oauth-protected-resource";

/** How one gets in, and where that was asked. */
export interface Door {
  access: Access;
  place: Place;
}

/** What those get told who are kept out: `WWW-Authenticate` (RFC 6750, 3; RFC 9728, 5.1). Where no token would help it says no more than that a key is needed. */
export function challenge(trouble: Trouble, door: Door | undefined): string {
  const told: string[] = [];
  const isOfTokens = door?.access.jwt !== undefined;
  const tell = (name: string, value: string) => void (value && told.push(`${name}="${value}"`));
  if (trouble.kind === "insufficient-scope") {
    tell("error", "insufficient_scope");
    tell("scope", trouble.scopes.join(" "));
  } else if ((trouble.kind === "unauthorized" || trouble.kind === "token-needed") && isOfTokens) {
    // Whoever has sent nothing, or another credential, has made no mistake yet (RFC 6750, 3.1).
    if (trouble.kind === "unauthorized" && trouble.reason !== undefined) tell("error", "invalid_token");
    tell("scope", commonScopes(door.access).join(" "));
  } else return "Bearer";
  if (isOfTokens) tell("resource_metadata", `${door.place.base}${METADATA}${door.place.pathname}`);
  return told.length === 0 ? "Bearer" : `Bearer ${told.join(", ")}`;
}
