import { setTimeout as wait } from "node:timers/promises";
import { UsageError } from "../commandLine.ts";
import { printable } from "./printable.ts";

/** Where `npm start` serves. */
export const LOCAL_URL = "http://127.0.0.1:8787";

/** Who asks too often is told how long to wait, in s: that is done so often, and for so long. */
const TRIES = 5;
const MAX_WAIT_S = 10;

/** How much is shown of what a replica says, or what is none. */
const MAX_WORDS = 1_000;

/**
 * Asks a replica, local or deployed, for something that only its operator may: its answer. The admin token is, unless it is
 * given, taken from `REPLICA_ADMIN_TOKEN`. Throws the replica's own words where it refuses, and a `UsageError` where `url` is none.
 */
export async function callReplica(
  url: string,
  path: string,
  {
    method,
    body,
    token = process.env["REPLICA_ADMIN_TOKEN"],
  }: { method: "GET" | "POST"; body?: object; token?: string },
): Promise<string> {
  if (!URL.canParse(url)) throw new UsageError("--url: the address of a replica, such as https://replica.example.com");
  const target = new URL(path, url);
  // What `fetch` says of one that is no header has the token in it.
  if (token && !/^[!-~]+$/.test(token))
    throw new Error("REPLICA_ADMIN_TOKEN: a token has neither blanks nor line breaks, and is of ASCII.");
  const headers = {
    ...(body && { "content-type": "application/json" }),
    ...(token && { authorization: `Bearer ${token}` }),
  };
  const sent: RequestInit = { method, headers, redirect: "error", ...(body && { body: JSON.stringify(body) }) };
  for (let tries = 1; ; tries++) {
    const response = await reach(target, sent);
    const text = await response.text();
    if (response.ok) return text;
    const waitS = Number(response.headers.get("retry-after") ?? Infinity);
    if (response.status !== 429 || !(waitS <= MAX_WAIT_S) || tries === TRIES)
      throw new Error(`${target.origin} refused (HTTP ${response.status}): ${wordsIn(text)}`);
    await wait(waitS * 1_000);
  }
}

async function reach(target: URL, sent: RequestInit): Promise<Response> {
  try {
    return await fetch(target, sent);
  } catch (error) {
    const { cause, message } = error as Error;
    throw new Error(`Cannot reach a replica at ${target.origin}: ${cause instanceof Error ? cause.message : message}`, {
      cause: error,
    });
  }
}

function wordsIn(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error: { message: string; data: { code: string } } };
    return printable(`${error.message} [${error.data.code}]`, MAX_WORDS);
  } catch {
    return "its answer is none of a replica's. Set REPLICA_ADMIN_TOKEN? Is --url right?";
  }
}
