import { askLimiter, type Toll } from "../access/askLimiter.ts";
import type { Reporter } from "../telemetry/events.ts";
import type { Bindings } from "./callOrigin.ts";
import type { OriginFailure } from "./failure.ts";

/** A limiter does not say when it will let somebody pass again; its window is 10 s or a minute. */
const RETRY_MS = 10_000;

/** Counts a call; why it may not be made, where it may not. A binding that is not there lets nobody pass. */
export async function charge(bindings: Bindings, toll: Toll, report: Reporter): Promise<OriginFailure | undefined> {
  switch (await askLimiter(bindings, toll, report)) {
    case "within":
      return undefined;
    case "over":
      return { kind: "limited", retryAfterMs: RETRY_MS };
    case "unbound":
      return { kind: "misconfigured", detail: `there is no rate-limit binding ${toll.limiter}` };
  }
}
