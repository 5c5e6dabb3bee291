import { placeOf } from "../../../src/http/place.ts";
import type { Incoming } from "../../../src/http/Incoming.ts";
import { serveMcp } from "../../../src/http/serveMcp.ts";
import type { Filled } from "./replicas.ts";

const ADDRESS = "http://127.0.0.1:8787/mcp";

/**
 * A request that hits the entry of that number. Its body is there at once, as often as it is asked for: what remains is
 * the replica's own work.
 */
export function requestOf({ callOf, credentials }: Filled, index: number): Request {
  const { headers, body } = callOf(index);
  const fields = new Headers({ ...headers, "content-length": String(body.length) });
  const { headers: shown, address } = credentials;
  if (shown.length > 0) fields.set("authorization", shown[index % shown.length]!);
  if (address !== undefined) fields.set("cf-connecting-ip", address);
  const request = { url: ADDRESS, method: "POST", headers: fields, text: async () => body };
  return request as unknown as Request;
}

/** A request as the lanes get it. */
export function incomingOf({ serving, feed, tally, credentials }: Filled, request: Request): Incoming {
  const { headers } = request;
  return {
    request,
    headers,
    place: placeOf(request.url),
    page: headers.get("origin"),
    origin: serving.replica.defaultOrigin,
    feed,
    tally,
    // Everything a hit does not touch is not there: a miss throws, and is seen.
    env: credentials.env as Cloudflare.Env,
    waitUntil: () => {},
  };
}

/** One hit, from the request to the response. */
export function hit(filled: Filled, request: Request): Promise<Response> {
  return serveMcp(filled.serving, incomingOf(filled, request));
}
