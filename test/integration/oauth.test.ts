import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as Transport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AuthorizationServer, REDIRECT, startAuthorizationServer } from "./support/authorizationServer.ts";
import { Fixture, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";

const INFO = { name: "test", version: "1" };
const origin = new Fixture();
let server: AuthorizationServer;
let replica: Replica;

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("mine")];
  server = await startAuthorizationServer();
  const access = { jwt: { issuer: server.url, jwks: server.jwks, scopes: ["mcp"] } };
  const origins = { o: { url: origin.url, tools: { mine: { cache: { ttl: "10m" } } } } };
  replica = await startReplica({ origins, access } as never);
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([origin.stop(), server?.close()]);
});

/** What the official clients keep for somebody of what they are told, as an application would. */
class Person {
  readonly name: string;
  readonly redirectUrl = REDIRECT;
  readonly clientMetadata = {
    client_name: "test",
    redirect_uris: [REDIRECT],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };
  /** Where they were sent to log in. */
  sentTo: URL | undefined;
  registered: any;
  granted: any;
  #verifier = "";
  #discovered: any;

  constructor(name: string) {
    this.name = name;
  }

  clientInformation = () => this.registered;
  saveClientInformation = (registered: unknown) => void (this.registered = registered);
  tokens = () => this.granted;
  saveTokens = (granted: unknown) => void (this.granted = granted);
  redirectToAuthorization = (url: URL) => void (this.sentTo = url);
  saveCodeVerifier = (verifier: string) => void (this.#verifier = verifier);
  codeVerifier = () => this.#verifier;
  saveDiscoveryState = (discovered: unknown) => void (this.#discovered = discovered);
  discoveryState = () => this.#discovered;
}

interface Connected {
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(params: { name: string; arguments: Record<string, unknown> }): Promise<any>;
  close(): Promise<void>;
}

type Connect = (url: URL, person: Person) => Promise<Connected>;
type Finish = (url: URL, person: Person, callback: URLSearchParams) => Promise<void>;

const modern: [Connect, Finish] = [
  async (url, authProvider) => {
    const client = new Client(INFO, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
    await client.connect(new StreamableHTTPClientTransport(url, { authProvider }));
    return client as unknown as Connected;
  },
  (url, authProvider, callback) => new StreamableHTTPClientTransport(url, { authProvider }).finishAuth(callback),
];
const first: [Connect, Finish] = [
  async (url, authProvider) => {
    const client = new Client1(INFO);
    await client.connect(new Transport1(url, { authProvider }));
    return client as unknown as Connected;
  },
  (url, authProvider, callback) => new Transport1(url, { authProvider }).finishAuth(callback.get("code")!),
];

test.each<[string, string, Connect, Finish]>([
  ["of revision 2026-07-28", "/mcp/o", ...modern],
  ["of the revisions before", "/mcp", ...first],
])("a client %s finds the way from a 401 to an answer by itself", async (_, path, connect, finish) => {
  const url = new URL(replica.url + path);
  const [ann, bob] = [new Person(`ann${path}`), new Person(`bob${path}`)];
  const logIn = async (person: Person) => {
    await expect(connect(url, person)).rejects.toThrow(/unauthorized/i);
    await finish(url, person, await server.logIn(person.sentTo!, person.name));
    return connect(url, person);
  };
  const said = async (client: Connected) => (await client.callTool({ name: "mine", arguments: {} })).content[0].text;

  server.seen.length = 0;
  const client = await logIn(ann);
  // Discovery, registration, and a code that nobody else can use; for this endpoint, with the scope that it asks for.
  expect(server.seen).toEqual(expect.arrayContaining(["POST /reg", "GET /auth", "POST /token"]));
  const asked = ann.sentTo!.searchParams;
  expect([asked.get("resource"), asked.get("code_challenge_method")]).toEqual([url.href, "S256"]);
  expect(asked.get("scope")!.split(" ")).toContain("mcp");
  const token = ann.granted.access_token;
  expect(decodeProtectedHeader(token)).toMatchObject({ alg: "RS256", typ: "at+jwt" });
  expect(decodeJwt(token)).toMatchObject({ iss: server.url, aud: url.href, sub: ann.name });
  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(["mine"]);
  const answer = await said(client);

  // A token that is no good any more is exchanged by the client for a new one, and what is kept is still ann's.
  ann.granted = { ...ann.granted, access_token: `${token}x` };
  expect(await said(client)).toBe(answer);
  expect(ann.granted.access_token).not.toMatch(new RegExp(`^${token}`));
  const others = await logIn(bob);
  expect(await said(others)).not.toBe(answer);
  await Promise.all([client.close(), others.close()]);
});
