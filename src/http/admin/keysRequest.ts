import * as z from "zod";
import { keyName, keyRoles, keyScopes, keyTenant } from "../../access/StoredKey.ts";
import { parseDuration } from "../../config/duration.ts";
import { parseShaped } from "./parseShaped.ts";

/** What an operator wants to be done about keys. Times in ms. */
export type KeyWish =
  | {
      do: "create";
      name: string;
      roles?: string[] | undefined;
      tenant?: string | undefined;
      scopes?: string[] | undefined;
      /** Absent: it lasts. */
      expires?: number | undefined;
    }
  | { do: "revoke"; id: string }
  /** `overlap`: for how long the old key works as well. */
  | { do: "rotate"; id: string; overlap: number };

const DAY_MS = 86_400_000;
const MAX_LIFE_MS = 3_650 * DAY_MS;
const MAX_OVERLAP_MS = 30 * DAY_MS;

const span = (min: number, max: number, words: string) =>
  z.string().transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= min && ms <= max) return ms;
    context.addIssue(words);
    return z.NEVER;
  });
const id = z.string().regex(/^[0-9a-f]{12}$/, "a key's id: 12 characters of 0-9 and a-f");
const shape = z.discriminatedUnion(
  "do",
  [
    z.strictObject({
      do: z.literal("create"),
      name: keyName,
      roles: keyRoles.optional(),
      tenant: keyTenant.optional(),
      scopes: keyScopes.optional(),
      // KV keeps nothing that is gone within a minute.
      expires: span(60_000, MAX_LIFE_MS, 'a duration of "1m" to "3650d"').optional(),
    }),
    z.strictObject({ do: z.literal("revoke"), id }),
    z.strictObject({
      do: z.literal("rotate"),
      id,
      overlap: span(0, MAX_OVERLAP_MS, 'a duration of "0s" to "30d"').default(DAY_MS),
    }),
  ],
  "one of create, revoke, rotate",
);

/** Reads what is to be done about keys; what is wrong with it is said as a text. */
export function parseKeyWish(body: string): KeyWish | { detail: string } {
  const parsed = parseShaped(shape, body);
  return "data" in parsed ? parsed.data : parsed;
}
