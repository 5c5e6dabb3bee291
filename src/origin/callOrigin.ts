import type { OriginSettings } from "../config/replica.ts";
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
}

/** The origin's response as it starts, or why there is none. */
export type OriginResponse =
  /** `cancel` ends the call, with what is still to come of the body. */
  { response: Response; cancel?: () => void } | { failure: OriginFailure };

/** Where a service binding is asked: the host says nothing there. */
const SERVICE_URL = "https://origin.internal/mcp";

/**
 * Asks the origin with the replica's own credential, and waits for the first byte. Redirects are not followed: the
 * configuration says where the origin is. Never throws.
 */
export async function callOrigin(
  origin: OriginSettings,
  bindings: Bindings,
  request: OriginRequest,
): Promise<OriginResponse> {
  const headers = { ...request.headers };
  if (origin.auth) {
    const secret = bindings[origin.auth.secret];
    if (typeof secret !== "string" || secret === "") {
      return misconfigured(`the secret ${origin.auth.secret} is not set`);
    }
    headers[origin.auth.header] = origin.auth.prefix + secret;
  }
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
