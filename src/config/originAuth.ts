import * as z from "zod";
import { isAskable, URL_SHAPE } from "./address.ts";
import type { ConfigProblem } from "./ConfigError.ts";
import type { Origin, OriginSettings } from "./replica.ts";
import type { OriginAuthConfig, OriginConfig, ReplicaConfig, TokenClientConfig } from "./types.ts";

/** With what an origin is asked. Plain data; secrets by name. */
export type OriginAuth = FixedAuth | TokenAuth | { kind: "forward" };

/** The header to send, and the name of the secret that holds its value. */
export interface FixedAuth {
  kind?: never;
  header: string;
  prefix: string;
  secret: string;
}

/** A token that is asked for. */
export type TokenAuth = OwnTokenAuth | ({ kind: "exchange"; audience?: string } & TokenClientAuth);

/** How a token is asked for, with what it is for where that is said. */
type TokenClientAuth = Omit<TokenClientConfig, "resource"> & { resource?: string };

/** A token of the replica's own, which `OriginSync` keeps. */
export type OwnTokenAuth =
  | ({ kind: "client-credentials" } & TokenClientAuth)
  /** How it is asked for, the secret says. `allowPrivate`: its URL may be a private one. */
  | { kind: "login"; secret: string; allowPrivate: boolean };

const FORMS =
  "one of { bearer: { secret } }, { header: { name, secret } }, { clientCredentials: { tokenEndpoint, clientId, secret } }, { login: { secret } }, { exchange: { tokenEndpoint, clientId, secret } }, { forward: true, sameResource: true }; secrets by their names, such as CATALOG_TOKEN";

const text = z.string().regex(/^[\x20-\x7e]{1,1024}$/, "1 to 1024 printable characters");

/** The shape of `auth`. `secretName` is that of a secret's name, `headerName` that of a header's. */
export function authShape(secretName: z.ZodType<string>, headerName: z.ZodType<string>) {
  const secret = z.strictObject({ secret: secretName });
  const client = z.strictObject({
    tokenEndpoint: z.string(),
    clientId: text,
    secret: secretName,
    scope: text.optional(),
    resource: z.union([text, z.literal(false)]).optional(),
  });
  return z.union(
    [
      z.strictObject({ bearer: secret }),
      z.strictObject({ header: secret.extend({ name: headerName }) }),
      z.strictObject({ clientCredentials: client }),
      z.strictObject({ login: secret }),
      z.strictObject({ exchange: client.extend({ audience: text.optional() }) }),
      z.strictObject({ forward: z.literal(true), sameResource: z.literal(true).optional() }),
    ],
    FORMS,
  ) satisfies z.ZodType<OriginAuthConfig>;
}

/** What of an origin's `auth` the shape alone cannot say. */
export function authProblems(config: ReplicaConfig, id: string): ConfigProblem[] {
  const { auth, allowPrivate } = config.origins[id]!;
  if (!auth) return [];
  const at = (...path: string[]) => ["origins", id, "auth", ...path].join(".");
  const problems: ConfigProblem[] = [];
  const [kind, client] = Object.entries(auth)[0]! as [string, TokenClientConfig];
  // A URL may carry a credential by mistake, so a bad one is not repeated.
  if ((kind === "clientCredentials" || kind === "exchange") && !isAskable(client.tokenEndpoint, allowPrivate)) {
    problems.push({ path: at(kind, "tokenEndpoint"), found: "another kind of URL", expected: URL_SHAPE });
  }
  if (kind !== "exchange" && kind !== "forward") return problems;
  if (config.access?.jwt === undefined) {
    const expected = "access.jwt with it: the origin is asked with the caller's own token, and no other caller has one";
    problems.push({ path: at(kind), found: "no access.jwt", expected });
  }
  if ("forward" in auth && !auth.sameResource) {
    const expected =
      "sameResource: true with it, by which you state that the replica stands on the origin's own host as part of the same resource: a token that was issued for anything else must not be sent on";
    problems.push({ path: at("sameResource"), found: "nothing", expected });
  }
  return problems;
}

/** Whether the origin is asked with a credential for each caller, so that its answers are the caller's own. */
export function isPersonal({ auth }: Pick<OriginSettings, "auth">): boolean {
  return auth?.kind === "exchange" || auth?.kind === "forward";
}

/** `auth` with its defaults filled in. */
export function authOf(
  { auth, allowPrivate = false }: OriginConfig,
  endpoint: OriginSettings["endpoint"],
): OriginAuth | undefined {
  if (!auth) return undefined;
  if ("bearer" in auth) return { header: "authorization", prefix: "Bearer ", secret: auth.bearer.secret };
  if ("header" in auth) return { header: auth.header.name.toLowerCase(), prefix: "", secret: auth.header.secret };
  const own = "url" in endpoint ? endpoint.url : undefined;
  if ("clientCredentials" in auth) return { kind: "client-credentials", ...clientAuth(auth.clientCredentials, own) };
  if ("login" in auth) return { kind: "login", secret: auth.login.secret, allowPrivate };
  if ("forward" in auth) return { kind: "forward" };
  const { audience } = auth.exchange;
  return { kind: "exchange", ...clientAuth(auth.exchange, audience === undefined ? own : undefined) };
}

function clientAuth<T extends TokenClientConfig>({ resource, ...client }: T, own: string | undefined) {
  const said = resource === false ? undefined : (resource ?? own);
  return { ...(said !== undefined && { resource: said }), ...client };
}

/** What of `auth` makes an origin's answers others: who asks, as far as the configuration says. */
export function identityOf(auth: OriginAuth | undefined): unknown[] {
  return auth?.kind === undefined ? [auth?.header ?? null, auth?.secret ?? null] : [auth];
}

/** An origin as it is asked for a caller; `undefined` where that takes a token of the caller's own, and it has none. */
export function asCaller(
  origin: Origin,
  { principal, token, lapsesAt = Number.POSITIVE_INFINITY }: { principal: string; token?: string; lapsesAt?: number },
): Origin | undefined {
  const { settings } = origin;
  if (!isPersonal(settings)) return origin;
  if (token === undefined) return undefined;
  return { ...origin, settings: { ...settings, caller: { principal, token, lapsesAt } } };
}

/** An origin's settings as they may be written down and told: nobody's in particular. */
export function impersonal({ caller: _, ...settings }: OriginSettings): OriginSettings {
  return settings;
}
