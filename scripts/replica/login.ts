import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  discoverOAuthServerInfo,
  exchangeAuthorization,
  extractWWWAuthenticateParams,
  type OAuthClientInformationMixed,
  type OAuthClientProvider,
  type OAuthServerInfo,
  registerClient,
  selectResourceURL,
  startAuthorization,
} from "@modelcontextprotocol/client";
import { isAskable } from "../../src/config/address.ts";
import type { ReplicaConfig } from "../../src/config/index.ts";
import { resolve } from "../../src/config/resolve.ts";
import { options, UsageError } from "../commandLine.ts";
import { readConfig } from "../serve/bundle.ts";
import { DEV_VARS, localVars } from "../serve/localVars.ts";
import { awaitCode } from "./awaitCode.ts";
import { keepLocalSecret, keepRemoteSecret } from "./keepSecret.ts";
import { printable } from "./printable.ts";

const ASK_MS = 10_000;
/** The client helpers read whole answers; a description of a server is not larger. */
const MAX_BYTES = 1_048_576;

/** What is to be logged in to. */
interface Target {
  url: string;
  allowPrivate: boolean;
  /** The name of the secret. */
  secret: string;
  /** Whether the configuration names it already. */
  isNamed: boolean;
}

type Ask = (url: string | URL, init?: RequestInit) => Promise<Response>;

/** `replica login`: logs in at an origin's authorization server, by a browser, and keeps what renews the replica's tokens as a secret. */
export async function login(args: string[]): Promise<void> {
  const { values, positionals } = options({
    args,
    allowPositionals: true,
    allowNegative: true,
    options: {
      "client-id": { type: "string" },
      "client-secret-env": { type: "string" },
      issuer: { type: "string" },
      scope: { type: "string" },
      config: { type: "string" },
      remote: { type: "boolean", default: false },
      secrets: { type: "string", default: DEV_VARS },
      browser: { type: "boolean", default: true },
      within: { type: "string", default: "300" },
    },
  });
  const [id, ...more] = positionals;
  if (id === undefined || more.length > 0) throw new UsageError("Name one origin: login ORIGIN");
  const withinS = Number(values.within);
  if (!Number.isInteger(withinS) || withinS < 1) throw new UsageError("--within: a whole number of seconds");
  if (values["client-secret-env"] !== undefined && values.issuer === undefined)
    throw new UsageError(
      "--client-secret-env takes --issuer with it, the URL of the authorization server that knows the client: else the origin would decide who is given the secret",
    );
  const target = await targetOf((await readConfig(values.config)) as ReplicaConfig, id);
  const ask = asking(target);
  const { server, scope } = await discover(target, ask, values.scope);
  const { issuer } = server.authorizationServerMetadata;
  if (values.issuer !== undefined && bare(values.issuer) !== bare(issuer))
    throw new Error(`The origin names another authorization server than --issuer: ${printable(issuer)}`);
  const awaiting = await awaitCode();
  try {
    const { redirectUrl } = awaiting;
    const client = values["client-id"]
      ? { client_id: values["client-id"], ...secretIn(values["client-secret-env"]) }
      : await register(server, redirectUrl, scope, ask);
    const resource = await resourceOf(target, server);
    const about = { metadata: server.authorizationServerMetadata, clientInformation: client, resource };
    const state = randomBytes(32).toString("base64url");
    const { authorizationUrl, codeVerifier } = await startAuthorization(server.authorizationServerUrl, {
      ...about,
      redirectUrl,
      state,
      ...(scope && { scope }),
    });
    // What opens a browser may open anything.
    if (!isAskable(authorizationUrl.href, target.allowPrivate))
      throw new Error("It names an address to log in at that is none.");
    const returned = awaiting.returned(state, withinS * 1_000);
    show(authorizationUrl, values.browser);
    const { code, iss } = await returned;
    const tokens = await exchangeAuthorization(server.authorizationServerUrl, {
      ...about,
      authorizationCode: code,
      ...(iss !== undefined && { iss }),
      codeVerifier,
      redirectUri: redirectUrl,
      fetchFn: ask,
    });
    if (!tokens.refresh_token) {
      throw new Error(
        "It gives no refresh token, without which the replica could not go on. Try --scope offline_access.",
      );
    }
    const secret = {
      tokenEndpoint: server.authorizationServerMetadata.token_endpoint,
      clientId: client.client_id,
      ...(client.client_secret && { clientSecret: client.client_secret }),
      refreshToken: tokens.refresh_token,
      resource: String(resource),
      ...(scope && { scope }),
    };
    if (values.remote) keepRemoteSecret(target.secret, secret);
    else keepLocalSecret(values.secrets, target.secret, secret);
    const where = values.remote ? "a secret of the deployed replica" : `${values.secrets}; restart a running replica`;
    console.log(`Logged in to ${id}. ${target.secret} is in ${where}.`);
    if (!target.isNamed)
      console.log(`Write into the configuration of ${id}:\n  auth: { login: { secret: "${target.secret}" } },`);
  } finally {
    awaiting.close();
  }
}

async function targetOf(config: ReplicaConfig, id: string): Promise<Target> {
  const { origins } = resolve(config, { ...(await fixedVars(config)), ...localVars(), ...process.env });
  const origin = origins.get(id);
  if (!origin) throw new UsageError(`There is no origin ${printable(id)}: ${[...origins.keys()].join(", ")}.`);
  const { endpoint, auth } = origin.settings;
  if (!("url" in endpoint))
    throw new UsageError("An origin behind a service binding has no authorization server to find.");
  const { allowPrivate = false } = config.origins[id]!;
  const isNamed = auth?.kind === "login";
  const secret = isNamed ? auth.secret : `${id.toUpperCase().replaceAll("-", "_")}_LOGIN`;
  return { url: endpoint.url, allowPrivate, secret, isNamed };
}

/** The vars of the Worker, where the configuration reads any: that takes wrangler, which takes its time. */
async function fixedVars({ origins }: ReplicaConfig): Promise<Record<string, unknown>> {
  if (!Object.values(Object(origins)).some((origin) => typeof Object(origin).url === "object")) return {};
  const { wranglerVars } = await import("../serve/wranglerVars.ts");
  return wranglerVars();
}

/** Asks servers that the origin names: by the rule of the replica, and not for long. */
function asking({ allowPrivate }: Pick<Target, "allowPrivate">): Ask {
  return async (url, init) => {
    if (!isAskable(String(url), allowPrivate)) {
      throw new Error(
        `The origin names ${printable(String(url))}, which the replica does not ask: it has to be https, and public unless the origin has allowPrivate.`,
      );
    }
    const response = await fetch(url, { ...init, redirect: "manual", signal: AbortSignal.timeout(ASK_MS) });
    if (Number(response.headers.get("content-length") ?? 0) > MAX_BYTES)
      throw new Error(`${new URL(url).host} answers with too much.`);
    return response;
  };
}

type Server = OAuthServerInfo & {
  authorizationServerMetadata: NonNullable<OAuthServerInfo["authorizationServerMetadata"]>;
};

/** The origin's authorization server (RFC 9728, 8414), and what is to be asked for there. */
async function discover(
  { url }: Target,
  ask: Ask,
  wanted: string | undefined,
): Promise<{ server: Server; scope: string | undefined }> {
  const headers = { accept: "application/json, text/event-stream", "content-type": "application/json" };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" });
  const refused = await ask(url, { method: "POST", headers, body });
  await refused.body?.cancel();
  if (refused.status !== 401)
    throw new Error(`The origin lets in whoever asks (HTTP ${refused.status}): there is nothing to log in to.`);
  const { resourceMetadataUrl, scope: named } = extractWWWAuthenticateParams(refused);
  const server = await discoverOAuthServerInfo(url, {
    ...(resourceMetadataUrl && { resourceMetadataUrl }),
    fetchFn: ask,
  });
  const metadata = server.authorizationServerMetadata;
  if (!metadata) throw new Error(`${server.authorizationServerUrl} does not say what it is (RFC 8414).`);
  const own = wanted ?? named ?? server.resourceMetadata?.scopes_supported?.join(" ");
  const scopes = new Set(own?.split(" ").filter(Boolean));
  // Where there is such a scope, there is no refresh token without it.
  if (wanted === undefined && metadata.scopes_supported?.includes("offline_access")) scopes.add("offline_access");
  return { server: { ...server, authorizationServerMetadata: metadata }, scope: [...scopes].join(" ") || undefined };
}

/** What the token is to be for: the origin, as it calls itself. */
async function resourceOf({ url }: Target, { resourceMetadata }: Server): Promise<string> {
  await selectResourceURL(url, {} as OAuthClientProvider, resourceMetadata);
  return resourceMetadata?.resource ?? url;
}

/** Makes the replica a client of the authorization server, where it takes such (RFC 7591). */
async function register(
  { authorizationServerUrl, authorizationServerMetadata: metadata }: Server,
  redirectUrl: string,
  scope: string | undefined,
  ask: Ask,
): Promise<OAuthClientInformationMixed> {
  if (!metadata.registration_endpoint) {
    throw new Error(
      `${authorizationServerUrl} registers no clients by itself. Register one there with the redirect URI http://127.0.0.1/callback, and give its --client-id.`,
    );
  }
  const methods = metadata.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
  const method = ["client_secret_basic", "none"].find((one) => methods.includes(one));
  if (!method)
    throw new Error(
      `${authorizationServerUrl} takes clients in no way that the replica has (client_secret_basic, none).`,
    );
  return registerClient(authorizationServerUrl, {
    metadata,
    clientMetadata: {
      client_name: "mcp-edge-replica",
      redirect_uris: [redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      application_type: "native",
      token_endpoint_auth_method: method,
    },
    ...(scope && { scope }),
    fetchFn: ask,
  });
}

/** An issuer's name without the slash that some write at its end. */
function bare(issuer: string): string {
  return issuer.replace(/\/$/, "");
}

/** The secret of a client that was registered before. It is not given in the command line, where others can see it. */
function secretIn(name: string | undefined): { client_secret?: string } {
  if (name === undefined) return {};
  const secret = process.env[name];
  if (!secret) throw new UsageError(`--client-secret-env: ${printable(name)} is not set in the environment`);
  return { client_secret: secret };
}

function show({ href }: URL, opens: boolean): void {
  console.log(`Log in here:\n  ${href}`);
  if (!opens) return;
  const [command, ...before] =
    process.platform === "darwin" ? ["open"] : process.platform === "win32" ? ["explorer"] : ["xdg-open"];
  // Where there is none, the URL is there to be opened elsewhere on this machine.
  spawn(command!, [...before, href], { stdio: "ignore", detached: true })
    .on("error", () => {})
    .unref();
}
