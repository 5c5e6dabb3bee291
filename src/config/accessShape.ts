import * as z from "zod";
import { isAskable } from "./address.ts";
import { parseDuration, type Duration } from "./duration.ts";
import { ALGORITHMS, unsound, type JwtAlgorithm } from "./publicJwk.ts";
import { rolesShape } from "./roleShape.ts";
import { MAX_TENANT_LENGTH } from "./tenant.ts";

/** Clocks that are further apart than this are wrong. */
const MAX_TOLERANCE_MS = 300_000;
const AUDIENCES = "a text, or 1 to 16 of them";

const name = z.string().regex(/^[\x20-\x7e]{1,256}$/, "1 to 256 printable characters");
/** As OAuth has it (RFC 6749, 3.3). */
const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/, "a scope: printable, without spaces");
const scopes = z.array(scope).max(64, "at most 64 scopes").optional();
const url = (isUrl: (text: string) => boolean, expected: string) => z.string().refine(isUrl, expected);
const issuer = url(
  // A name only: nobody is asked there, so it may be one that only a private network knows.
  (text) => isPlain(text, true) && !text.includes("?"),
  "the issuer as its tokens have it: an https URL, or an http one on loopback, without query or fragment",
);
const jwksUrl = url(
  (text) => isPlain(text),
  "an https URL, or an http one on loopback, without user, password or fragment",
);
const key = z.custom<object>().superRefine((value, context) => {
  const expected = unsound(value);
  if (expected !== undefined) context.addIssue({ code: "custom", message: expected });
});
const keys = z.strictObject({ keys: z.array(key).min(1, "at least one key").max(100, "at most 100 keys") });
const tolerance = z.custom<Duration>((value) => {
  const ms = parseDuration(value);
  return ms !== undefined && ms <= MAX_TOLERANCE_MS;
}, '"0s" to "5m"');

const jwt = z.strictObject({
  issuer,
  audience: z.union([name, z.array(name).min(1, AUDIENCES).max(16, AUDIENCES)], AUDIENCES).optional(),
  jwks: z.union([jwksUrl, keys]),
  algorithms: z
    .array(z.enum(Object.keys(ALGORITHMS) as JwtAlgorithm[]))
    .min(1, "at least one algorithm")
    .optional(),
  typ: z
    .string()
    .regex(/^[\w+./-]{1,64}$/, 'a type of tokens, such as "at+jwt" or "JWT"')
    .optional(),
  claims: z.strictObject({ roles: name.optional(), scopes: name.optional(), tenant: name.optional() }).optional(),
  scopes,
  clockTolerance: tolerance.optional(),
});

const devToken = z.string().regex(/^[\x21-\x7e]{1,128}$/, "a token of 1 to 128 printable characters without spaces");
const dev = z.strictObject({
  tokens: z.record(
    devToken,
    z.strictObject({
      subject: name,
      roles: z.array(name).max(64, "at most 64 roles").optional(),
      tenant: name.max(MAX_TENANT_LENGTH, "1 to 128 printable characters").optional(),
      scopes,
    }),
  ),
});

/** The shape of what the operator says of tokens and roles. */
export const accessShape = {
  jwt: z.union([jwt, z.array(jwt).min(1, "at least one issuer").max(16, "at most 16 issuers")]).optional(),
  dev: dev.optional(),
  roles: rolesShape,
};

function isPlain(text: string, allowPrivate = false): boolean {
  return text.length <= 1_024 && isAskable(text, allowPrivate);
}
