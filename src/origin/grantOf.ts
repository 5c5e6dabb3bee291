import { isAskable } from "../config/address.ts";
import type { OwnTokenAuth } from "../config/originAuth.ts";
import { textsIn, type TokenClient } from "./askToken.ts";
import type { Bindings } from "./callOrigin.ts";
import type { OriginFailure } from "./failure.ts";

/** How a token of the replica's own is asked for. */
export interface Grant {
  client: TokenClient;
  params: Readonly<Record<string, string | undefined>>;
  /** What everything depends on that comes of it. Secret. */
  secret: string;
  /** What else it depends on. */
  purpose: string;
}

/** How the token is asked for; or which secret is not there, or is none. */
export function grantOf(auth: OwnTokenAuth, bindings: Bindings): Grant | { failure: OriginFailure } {
  const secret = bindings[auth.secret];
  if (typeof secret !== "string" || secret === "") return misconfigured(`the secret ${auth.secret} is not set`);
  if (auth.kind === "client-credentials") {
    const { tokenEndpoint, clientId, scope, resource } = auth;
    return {
      client: { tokenEndpoint, clientId, clientSecret: secret },
      params: { grant_type: "client_credentials", scope, resource },
      secret,
      purpose: JSON.stringify(auth),
    };
  }
  const { tokenEndpoint = "", clientId, clientSecret, refreshToken, resource } = textsIn(secret) ?? {};
  if (!clientId || !refreshToken || !isAskable(tokenEndpoint, auth.allowPrivate)) {
    return misconfigured(`the secret ${auth.secret} is not what npm run replica -- login makes`);
  }
  return {
    client: { tokenEndpoint, clientId, ...(clientSecret && { clientSecret }) },
    params: { grant_type: "refresh_token", refresh_token: refreshToken, resource },
    secret,
    purpose: auth.kind,
  };
}

function misconfigured(detail: string): { failure: OriginFailure } {
  return { failure: { kind: "misconfigured", detail } };
}
