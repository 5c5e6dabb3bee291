import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request for a token that has come. */
export interface TokenRequest {
  grant: string;
  params: Record<string, string>;
  headers: IncomingMessage["headers"];
}

/** What a token stands for. */
export interface Grant {
  subject: string;
  resource: string | undefined;
  /** Epoch ms. */
  expiresAt: number;
}

/** How a token endpoint answers otherwise than it should. */
export type Trouble = (response: ServerResponse) => void;

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";

/**
 * A token endpoint with the grants `client_credentials`, `refresh_token` and token exchange (RFC 6749, 8693, 8707). Each
 * refresh token is good once: who uses one again ends all that came of it.
 */
export class TokenServer {
  readonly clientId = "the replica: 50% of it";
  readonly clientSecret = `s3cret+of/the&replica=${randomBytes(6).toString("hex")}`;
  seen: TokenRequest[] = [];
  /** How long tokens are good for, in s. */
  lifetimeS = 3_600;
  trouble: Trouble | undefined;
  /** What requests wait for. */
  hold: Promise<void> | undefined;
  /** Whose token it is that is to be exchanged; throws where that is nobody's. */
  subjectOf: (token: string) => Promise<string> = async () => {
    throw new Error("no tokens are exchanged here");
  };
  #tokens = new Map<string, Grant>();
  #refresh: string | undefined;
  #spent = new Set<string>();
  #server: Server | undefined;
  #port = 0;

  get tokenEndpoint(): string {
    return `http://127.0.0.1:${this.#port}/token`;
  }

  get host(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** All tokens that it has given, and what they were asked for with: for the search for secrets. */
  get secrets(): string[] {
    return [...this.#tokens.keys(), ...this.#spent, ...(this.#refresh ? [this.#refresh] : []), this.clientSecret];
  }

  count(grant: string): number {
    return this.seen.filter((one) => one.grant === grant).length;
  }

  /** What a token stands for; `undefined` where it is not good. */
  verify(token: string): Grant | undefined {
    const grant = this.#tokens.get(token);
    return grant && grant.expiresAt > Date.now() ? grant : undefined;
  }

  /** Ends all access tokens. */
  revoke(): void {
    for (const grant of this.#tokens.values()) grant.expiresAt = 0;
  }

  /** As a login would give: a refresh token, as the secret has it. */
  login(resource: string): string {
    this.#refresh = `refresh-${randomBytes(12).toString("hex")}`;
    const { tokenEndpoint, clientId, clientSecret } = this;
    return JSON.stringify({ tokenEndpoint, clientId, clientSecret, refreshToken: this.#refresh, resource });
  }

  /** Forgets what was seen, and how it was to behave. */
  reset(): void {
    this.seen = [];
    this.trouble = this.hold = undefined;
    this.lifetimeS = 3_600;
  }

  /** Starts it, after `stop` on the same port as before. */
  async start(): Promise<this> {
    const server = createServer((request, response) => void this.#answer(request, response));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    return this;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const params = Object.fromEntries(new URLSearchParams(Buffer.concat(parts).toString()));
    this.seen.push({ grant: params["grant_type"]!, params, headers: request.headers });
    await this.hold;
    if (this.trouble) return this.trouble(response);
    const refuse = (error: string, status = 400) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify({ error, error_description: `not with ${this.clientSecret}` }));
    };
    if (request.url !== "/token" || request.method !== "POST") return refuse("invalid_request", 404);
    if (!this.#isClient(request.headers.authorization)) return refuse("invalid_client", 401);
    switch (params["grant_type"]) {
      case "client_credentials":
        return this.#give(response, "the replica", params["resource"]);
      case "refresh_token": {
        const given = params["refresh_token"]!;
        if (given !== this.#refresh) {
          if (this.#spent.has(given)) this.#refresh = undefined;
          return refuse("invalid_grant");
        }
        this.#spent.add(given);
        this.#refresh = `refresh-${randomBytes(12).toString("hex")}`;
        return this.#give(response, "who logged in", params["resource"], this.#refresh);
      }
      case EXCHANGE:
        try {
          const subject = await this.subjectOf(params["subject_token"]!);
          return this.#give(response, subject, params["resource"]);
        } catch {
          return refuse("invalid_grant");
        }
      default:
        return refuse("unsupported_grant_type");
    }
  }

  /** RFC 6749, 2.3.1: both are form-encoded before they are put together. */
  #isClient(authorization = ""): boolean {
    const decoded = Buffer.from(authorization.replace(/^Basic /, ""), "base64").toString();
    const [id, secret] = decoded.split(":").map((part) => decodeURIComponent(part.replaceAll("+", " ")));
    return id === this.clientId && secret === this.clientSecret;
  }

  #give(response: ServerResponse, subject: string, resource: string | undefined, refreshToken?: string): void {
    const token = `access-${randomBytes(12).toString("hex")}`;
    this.#tokens.set(token, { subject, resource, expiresAt: Date.now() + this.lifetimeS * 1_000 });
    response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
    response.end(
      JSON.stringify({
        access_token: token,
        token_type: "Bearer",
        issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
        expires_in: this.lifetimeS,
        ...(refreshToken !== undefined && { refresh_token: refreshToken }),
      }),
    );
  }
}
