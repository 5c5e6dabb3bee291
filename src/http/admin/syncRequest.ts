import * as z from "zod";
import { name } from "./namedTags.ts";
import { parseShaped } from "./parseShaped.ts";

/** What an operator wants to be pulled. */
export interface SyncRequest {
  /** Absent where it goes without saying. */
  origin?: string | undefined;
  /** Absent: all. */
  collection?: string | undefined;
}

const shape = z.strictObject({ origin: name.optional(), collection: name.optional() });

/** Reads the body of a request to pull; what is wrong with it is said as a text. None is an empty one. */
export function parseSync(body: string): SyncRequest | { detail: string } {
  const parsed = parseShaped(shape, body === "" ? "{}" : body);
  return "detail" in parsed ? parsed : parsed.data;
}
