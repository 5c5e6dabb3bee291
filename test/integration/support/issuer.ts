import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from "jose";

/** A key that signs tokens, and what is published of it. */
export interface SigningKey {
  alg: string;
  kid: string;
  privateKey: CryptoKey;
  /** As PEM. */
  pem: string;
  jwk: JWK;
}

/** Makes one. */
export async function signingKey(kid: string, alg = "RS256"): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, pem: await exportSPKI(publicKey), jwk: { ...(await exportJWK(publicKey)), kid, alg } };
}

/** Who issues tokens as a test wants them, and publishes keys. */
export class Issuer {
  url = "";
  /** The paths that somebody has asked for. */
  asked: string[] = [];
  keys: SigningKey[] = [];
  #server: Server | undefined;

  /** Where its keys are. */
  get jwks(): string {
    return `${this.url}/jwks`;
  }

  async start(): Promise<this> {
    this.keys = [await signingKey("k1")];
    const server = createServer((request, response) => {
      this.asked.push(request.url!);
      const body = JSON.stringify({ keys: this.keys.map(({ jwk }) => jwk) });
      response.writeHead(request.url === "/jwks" ? 200 : 404, { "content-type": "application/json" }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return this;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    this.#server?.closeAllConnections();
    await closed;
  }

  /** A token of `ann`, good for an hour, with what the test changes: `undefined` leaves a claim out. */
  async token(aud: string, claims: object = {}, header: object = {}, key = this.keys[0]!): Promise<string> {
    const now = Math.floor(Date.now() / 1_000);
    const all = { iss: this.url, aud, sub: "ann", iat: now, exp: now + 3_600, scope: "mcp", ...claims };
    return new SignJWT(all as never)
      .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: "at+jwt", ...header })
      .sign(key.privateKey, { crit: { x: true } });
  }
}
