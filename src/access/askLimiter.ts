import { digest } from "../cache/key.ts";
import { reasonOf, type Reporter } from "../telemetry/events.ts";

/** One more call, to be counted at a rate-limit binding. Plain data: it crosses to the Coalescer. */
export interface Toll {
  /** The binding's name. */
  limiter: string;
  /** Under what it is counted: a digest, which says nothing of who pays. */
  key: string;
}

/** What a limiter says: `unbound`, nothing, as there is no binding of that name. */
export type Ruling = "within" | "over" | "unbound";

/** What every isolate needs again and again. Plain data. */
const REMEMBERED = 1_000;
const keys = new Map<string, string>();

/** The toll for a payer: what is counted for one thing is not counted for another, though both name the same binding. */
export async function tollOf(limiter: string, what: readonly string[], payer: string): Promise<Toll> {
  const text = JSON.stringify([...what, payer]);
  let key = keys.get(text);
  if (key === undefined) {
    key = await digest(text);
    if (keys.size >= REMEMBERED) keys.clear();
    keys.set(text, key);
  }
  return { limiter, key };
}

/**
 * Counts a call, and says whether it is one too many. Never throws: a limiter that fails lets the call pass, and that is
 * reported, for it only ever counts about right (it is per location, and eventually consistent).
 */
export async function askLimiter(
  bindings: Readonly<Record<string, unknown>>,
  { limiter, key }: Toll,
  report: Reporter,
): Promise<Ruling> {
  const binding = bindings[limiter] as RateLimit | undefined;
  if (!isLimiter(binding)) return "unbound";
  try {
    return (await binding.limit({ key })).success ? "within" : "over";
  } catch (error) {
    report({ type: "limiter-failed", limiter, reason: reasonOf(error) });
    return "within";
  }
}

/** Whether a binding is one that limits. */
export function isLimiter(binding: unknown): binding is RateLimit {
  return typeof (binding as Partial<RateLimit> | undefined)?.limit === "function";
}
