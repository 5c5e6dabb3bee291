import * as z from "zod";
import type { OperationState } from "../../outbox/Operation.ts";
import { isSoundOperationId } from "../../outbox/operationId.ts";
import { name } from "./namedTags.ts";
import { parseShaped } from "./parseShaped.ts";

/** Which operations an operator wants to see. */
export interface JobsWanted {
  /** Absent where it goes without saying. */
  origin?: string | undefined;
  /** Absent: whatever their state is. */
  states?: OperationState[] | undefined;
  tool?: string | undefined;
  limit: number;
  /** Only those accepted before this one: a `seq`. */
  before?: number | undefined;
  /** Whether it is to be said, too, which of the origin's tenants have some that are not over. */
  withTenants: boolean;
}

/** What an operator has decided: one of these. */
export type JobsDecision = { origin?: string | undefined } & (
  | { redrive: string[] }
  | { discard: string[]; why: string }
  | { drain: true }
);

const MAX_LIMIT = 1_000;
const DEFAULT_LIMIT = 50;
const MAX_IDS = 100;

const limit = `1 to ${MAX_LIMIT}`;
const whole = (text: string) =>
  z
    .string()
    .regex(/^\d{1,15}$/, text)
    .transform(Number);
const state = z.enum(["accepted", "leased", "retry", "ambiguous", "dead", "done", "cancelled", "discarded"]);
const query = z.strictObject({
  origin: name.optional(),
  state: z.array(state).optional(),
  tool: name.optional(),
  limit: whole(limit).pipe(z.number().min(1, limit).max(MAX_LIMIT, limit)).default(DEFAULT_LIMIT),
  before: whole("the seq of an operation").optional(),
  tenants: z.literal("all", 'only "all"').optional(),
});

const ids = z
  .array(z.string().refine(isSoundOperationId, "an operation's id, such as er-op- and 32 hex digits"))
  .min(1, "one id at least")
  .max(MAX_IDS, `${MAX_IDS} ids at most`);
const why = "why, for their callers to read: 1 to 1000 characters";
const decision = z.strictObject({
  origin: name.optional(),
  redrive: ids.optional(),
  discard: ids.optional(),
  why: z.string(why).min(1, why).max(1_000, why).optional(),
  drain: z.literal(true).optional(),
});

/** Reads what is asked for in a URL; what is wrong with it is said as a text. */
export function parseJobs(parameters: URLSearchParams): JobsWanted | { detail: string } {
  const given: Record<string, string | string[]> = Object.fromEntries(parameters);
  for (const one of parameters.keys())
    if (one !== "state" && parameters.getAll(one).length > 1) return { detail: `${one}: it is given twice` };
  if (parameters.has("state")) given["state"] = parameters.getAll("state");
  const parsed = parseShaped(query, JSON.stringify(given));
  if ("detail" in parsed) return parsed;
  const { state: states, tenants, ...rest } = parsed.data;
  return { ...rest, states, withTenants: tenants !== undefined };
}

/** Reads what an operator has decided; what is wrong with it is said as a text. */
export function parseDecision(body: string): JobsDecision | { detail: string } {
  const parsed = parseShaped(decision, body);
  if ("detail" in parsed) return parsed;
  const { origin, redrive, discard, why: reason, drain } = parsed.data;
  if ([redrive, discard, drain].filter((one) => one !== undefined).length !== 1)
    return { detail: "it has to name one of redrive, discard and drain" };
  if ((discard !== undefined) !== (reason !== undefined))
    return { detail: reason === undefined ? `why: ${why}` : "why: it goes with discard only" };
  if (redrive) return { origin, redrive };
  return discard ? { origin, discard, why: reason! } : { origin, drain: true };
}
