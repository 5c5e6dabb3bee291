import { isPersonal } from "../config/originAuth.ts";
import type { OriginSettings } from "../config/replica.ts";
import { anotherCredential, credentialOf, type Credential } from "./credential.ts";
import type { OriginFailure } from "./failure.ts";

/** Bindings by name. */
export type Bindings = Readonly<Record<string, unknown>>;

/** One HTTP request to the origin. The caller's `Authorization` is never among the headers. */
export interface OriginRequest {
  method: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
  /** Aborted when nobody waits for the response any more. */
  abandoned?: AbortSignal;
  /** Nobody in particular asks: where each caller has a credential of its own, it goes without any. */
  isNobodys?: boolean;
}

/** The origin's response as it starts, or why there is none. */
export type OriginResponse =
  /** `cancel` ends the call, with what is still to come of the body. */
  { response: Response; cancel?: () => void } | { failure: OriginFailure };

/** Where a service binding is asked: the host says nothing there. */
const SERVICE_URL = "https://origin.internal/mcp";

/**
 * Asks the origin with the credential that the configuration gives it, and waits for the first byte. Where the origin
 * refuses a token of which another can be had (401: then it has not executed the request), it is asked once more with that.
 * Redirects are not followed: the configuration says where the origin is. Never throws.
 */
export async function callOrigin(
  origin: OriginSettings,
  bindings: Bindings,
  request: OriginRequest,
): Promise<OriginResponse> {
  const found = isBare(origin, request) ? undefined : credentialOf(origin, bindings);
  const credential = found instanceof Promise ? await found : found;
  if (credential && "failure" in credential) return credential;
  const called = await send(origin, bindings, request, credential);
  const status = "response" in called ? called.response.status : 0;
  if (!credential || (status !== 401 && status !== 403)) return called;
  const another =
    status === 401 && credential.token !== undefined
      ? await anotherCredential(origin, bindings, credential.token)
      : undefined;
  if (!another) return isPersonal(origin) ? notGranted(called) : called;
  await discard(called);
  if ("failure" in another) return another;
  const again = await send(origin, bindings, request, another);
  const isRefused = "response" in again && (again.response.status === 401 || again.response.status === 403);
  return isRefused && isPersonal(origin) ? notGranted(again) : again;
}

/** Whether the origin is asked with nothing: for nobody, where each caller has a credential of its own. */
function isBare(origin: OriginSettings, { isNobodys = false }: OriginRequest): boolean {
  return isNobodys && !origin.caller && isPersonal(origin);
}

/** What was refused is the caller, not the replica. */
async function notGranted(called: OriginResponse): Promise<OriginResponse> {
  await discard(called);
  const error = "response" in called ? `HTTP ${called.response.status}` : "";
  return { failure: { kind: "not-granted", server: "it", error } };
}

async function discard(called: OriginResponse): Promise<void> {
  if ("response" in called) await called.response.body?.cancel().catch(() => {});
}

async function send(
  origin: OriginSettings,
  bindings: Bindings,
  request: OriginRequest,
  credential: Credential | undefined,
): Promise<OriginResponse> {
  const headers = { ...request.headers };
  if (credential) headers[credential.header] = credential.value;
  const service = "service" in origin.endpoint ? (bindings[origin.endpoint.service] as Fetcher | undefined) : undefined;
  if ("service" in origin.endpoint && !service) {
    return misconfigured(`the service binding ${origin.endpoint.service} is not there`);
  }
  const controller = new AbortController();
  const { signal } = controller;
  const cancel = () => controller.abort();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    cancel();
  }, origin.firstByteMs);
  const { abandoned } = request;
  if (abandoned?.aborted) cancel();
  else abandoned?.addEventListener("abort", cancel);
  try {
    const init: RequestInit = { method: request.method, headers, redirect: "manual", signal };
    if (request.body !== undefined) init.body = request.body;
    const response =
      "url" in origin.endpoint ? await fetch(origin.endpoint.url, init) : await service!.fetch(SERVICE_URL, init);
    return { response, cancel };
  } catch {
    return { failure: isLate ? { kind: "timeout", afterMs: origin.firstByteMs } : { kind: "unreachable" } };
  } finally {
    clearTimeout(timer);
  }
}

/** Why the origin gave no response, or one that says that it is not well. */
export function failureOf(called: OriginResponse): OriginFailure | undefined {
  if ("failure" in called) return called.failure;
  const { status } = called.response;
  return status < 500 ? undefined : { kind: "status", status };
}

function misconfigured(detail: string): OriginResponse {
  return { failure: { kind: "misconfigured", detail } };
}
