import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair } from "jose";
import Provider from "oidc-provider";

/** A real OAuth 2.1 authorization server, in which people log in at once and consent to everything. */
export interface AuthorizationServer {
  url: string;
  /** Where its keys are. */
  jwks: string;
  /** The requests that it has had: method and path. */
  seen: string[];
  /**
   * Does what the browser of that person would: follows an authorization URL, through the login, to the redirect. The
   * parameters with which the client is called back at `redirect`.
   */
  logIn(authorizationUrl: URL, person: string, redirect?: string): Promise<URLSearchParams>;
  close(): Promise<void>;
}

/** Where clients want to be called back: nobody goes there. */
export const REDIRECT = "https://client.example.com/callback";

/** Where somebody is to log in and consent, and the header that says who does. */
const INTERACTION = "/interaction/";
const PERSON = "x-person";

/** Starts it. It issues access tokens (JWT, RFC 9068) for any resource, with the scope `mcp`, and refresh tokens. */
export async function startAuthorizationServer(): Promise<AuthorizationServer> {
  const seen: string[] = [];
  let handle: (request: IncomingMessage, response: ServerResponse) => unknown = () => {};
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url!.split("?")[0]}`);
    void handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = await makeProvider(url);
  const callback = provider.callback();
  handle = (request, response) => {
    const accountId = request.headers[PERSON];
    if (!request.url!.startsWith(INTERACTION) || typeof accountId !== "string") return callback(request, response);
    return provider.interactionFinished(request, response, { login: { accountId }, consent: {} });
  };
  return {
    url,
    jwks: `${url}/jwks`,
    seen,
    logIn: async (authorizationUrl, person, redirect = REDIRECT) => {
      const cookies = new Map<string, string>();
      for (let next = authorizationUrl, hops = 0; hops < 10; hops++) {
        if (next.href.startsWith(redirect)) return next.searchParams;
        const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
        const response = await fetch(next, { redirect: "manual", headers: { cookie, [PERSON]: person } });
        for (const set of response.headers.getSetCookie()) {
          const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
          cookies.set(name, value);
        }
        const location = response.headers.get("location");
        if (location === null)
          throw new Error(`The login ended with HTTP ${response.status}: ${await response.text()}`);
        next = new URL(location, next);
      }
      throw new Error("The login goes round in circles.");
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function makeProvider(url: string): Promise<Provider> {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: "as1", alg: "RS256", use: "sig" };
  return new Provider(url, {
    jwks: { keys: [key as never] },
    cookies: { keys: ["a secret of the tests"] },
    scopes: ["openid", "offline_access", "mcp"],
    pkce: { required: () => true },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    issueRefreshToken: () => true,
    interactions: { url: (_, { uid }) => INTERACTION + uid },
    ttl: {
      AccessToken: 3_600,
      AuthorizationCode: 60,
      Grant: 3_600,
      IdToken: 3_600,
      Interaction: 60,
      Session: 3_600,
      RefreshToken: 3_600,
    },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => ({
          scope: "mcp",
          audience: resource,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
    // Everybody has consented already.
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({ clientId: oidc.client!.clientId, accountId: oidc.session!.accountId! });
      grant.addOIDCScope("openid offline_access mcp");
      for (const resource of Object.keys(oidc.resourceServers ?? {})) grant.addResourceScope(resource, "mcp");
      await grant.save();
      return grant;
    },
  });
}
