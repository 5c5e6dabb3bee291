import { timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** What an authorization server sends a browser back with. */
export interface Returned {
  code: string;
  /** Who says that it sends it (RFC 9207), where it says so. */
  iss?: string;
}

/** Where a browser is to come back to. */
export interface Awaiting {
  redirectUrl: string;
  /** What it came back with, and with this `state`. Fails where the authorization server refused, or nobody came in time. */
  returned: (state: string, withinMs: number) => Promise<Returned>;
  close: () => void;
}

/** Listens on a free port of 127.0.0.1 (RFC 8252, 7.3) for the browser that comes back from an authorization server. */
export async function awaitCode(): Promise<Awaiting> {
  let settle: (query: URLSearchParams) => boolean = () => false;
  const server = createServer((request, response) => {
    const isDone =
      request.method === "GET" && isOwn(request) && settle(new URL(request.url!, "http://127.0.0.1").searchParams);
    response.writeHead(isDone ? 200 : 400, { "content-type": "text/plain", "cache-control": "no-store" });
    response.end(isDone ? "Done: this window can be closed.\n" : "This is not what was waited for.\n");
  });
  const isOwn = ({ url, headers }: IncomingMessage) =>
    url!.startsWith("/callback?") && headers.host === new URL(redirectUrl).host;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const redirectUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/callback`;
  return {
    redirectUrl,
    returned: (state, withinMs) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(
          () => reject(new Error("Nobody has logged in in time. Run the command again.")),
          withinMs,
        );
        settle = (query) => {
          // What comes without it is somebody else's (RFC 6749, 10.12): it is waited on for the right one.
          if (!isSame(query.get("state") ?? "", state)) return false;
          settle = () => false;
          clearTimeout(late);
          const [code, error, iss] = [query.get("code"), query.get("error"), query.get("iss")];
          if (code !== null) resolve({ code, ...(iss !== null && { iss }) });
          else
            reject(
              new Error(
                `The authorization server has refused: ${/^\w{1,64}$/.exec(error ?? "")?.[0] ?? "without a word"}.`,
              ),
            );
          return true;
        };
      }),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
