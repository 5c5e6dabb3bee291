import { knownScopes } from "../access/scopes.ts";
import type { Replica } from "../config/replica.ts";
import { METADATA } from "./challenge.ts";
import { guard } from "./guard.ts";
import { nobody } from "./nobody.ts";
import { placeOf } from "./place.ts";
import { answerPreflight, isPreflight } from "./preflight.ts";
import { respondTrouble } from "./respond.ts";

/** Where it is served: for each endpoint, and for clients that know no paths. */
export const METADATA_PATHS = [METADATA, `${METADATA}/mcp`, `${METADATA}/mcp/:origin`] as const;

/** What a path of an endpoint looks like, whether or not there is one. */
const ENDPOINT = /^\/mcp(\/[a-z][a-z0-9-]{0,39})?$/;

/** In s. Whoever changes issuers waits as long for clients to notice. */
const MAX_AGE = 300;

/**
 * Says where tokens for an endpoint are to be had (RFC 9728). For anybody, as nobody can have a token yet; so it is the
 * same for each path that could be an endpoint, and tells nobody which origins there are.
 */
export function serveMetadata({ access, hosts }: Replica, request: Request): Response {
  const place = placeOf(request.url);
  const page = request.headers.get("origin");
  const turnedAway = guard(place, page, hosts);
  if (turnedAway) return respondTrouble(turnedAway, nobody()).response;
  if (page !== null && isPreflight(request)) return answerPreflight(page, request.headers);
  if (request.method !== "GET" && request.method !== "HEAD")
    return respondTrouble({ kind: "get-only" }, nobody()).response;
  // Clients that know no paths are sent to the endpoint that has no name.
  const endpoint = place.pathname.slice(METADATA.length) || "/mcp";
  if (!ENDPOINT.test(endpoint)) return respondTrouble({ kind: "unknown-path", known: KNOWN }, nobody()).response;
  const scopes = knownScopes(access);
  const metadata = {
    resource: place.base + endpoint,
    authorization_servers: access.jwt?.map(({ issuer }) => issuer),
    ...(scopes.length > 0 && { scopes_supported: scopes }),
    bearer_methods_supported: ["header"],
  };
  const headers = {
    "cache-control": `public, max-age=${MAX_AGE}`,
    vary: "Origin",
    ...(page !== null && { "access-control-allow-origin": page }),
  };
  return Response.json(metadata, { headers });
}

const KNOWN = [`${METADATA}/mcp`, `${METADATA}/mcp/<origin>`];
