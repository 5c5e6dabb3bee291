import * as z from "zod";
import { isObject } from "../../mcp/isObject.ts";
import { parseBody } from "../parseBody.ts";
import { name } from "./namedTags.ts";
import { parseShaped } from "./parseShaped.ts";

/** What an operator wants to be kept before anybody asks. */
export interface Warming {
  /** Absent where it goes without saying. */
  origin?: string | undefined;
  tool: string;
  /** Those of one call each. */
  arguments: Record<string, unknown>[];
}

/** How many calls may be asked for at once: each takes subrequests. */
const MAX_CALLS = 50;

const calls = `1 to ${MAX_CALLS} of them`;
// As they came: a record would be written anew, without some names.
const args = z.custom<Record<string, unknown>>(isObject, "an object");
const shape = z.strictObject({
  origin: name.optional(),
  tool: name,
  arguments: z.array(args).min(1, calls).max(MAX_CALLS, calls),
});

/** Reads the body of a warming; what is wrong with it is said as a text. */
export function parseWarm(body: string, maxDepth: number): Warming | { detail: string } {
  const scanned = parseBody(body, maxDepth);
  if ("trouble" in scanned) {
    return {
      detail:
        scanned.trouble.kind === "too-deep" ? `the body nests deeper than ${maxDepth} levels` : "the body is not JSON",
    };
  }
  // Nobody else would ask for what this would be taken for.
  if (!scanned.scan.exact) return { detail: "two keys of one object are the same, or a number is not held exactly" };
  const parsed = parseShaped(shape, body);
  return "data" in parsed ? parsed.data : parsed;
}
