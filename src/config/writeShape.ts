import * as z from "zod";
import { MAX_OUTBOX_BYTES } from "./outboxLimits.ts";
import { parseSize, SIZE_SHAPE } from "./size.ts";
import type { OutboxConfig, WriteConfig } from "./writeTypes.ts";
import { durationOf, tag, wholeNumber } from "./values.ts";

/** What an origin reads of a header that is no key: who asks, from where, through what. None of these may say anything else. */
const SPOKEN =
  /^(authorization|baggage|cf-.*|cookie2?|date|expect|forwarded|keep-alive|origin|proxy-.*|referer|sec-.*|set-cookie|trailer|tracestate|user-agent|via|x-forwarded-.*|x-real-ip)$/i;

/** The shape of `write`. `headerName` is that of a header that nothing else is said in. */
export function writeShape(headerName: z.ZodType<string>) {
  const keyHeader = headerName.refine((name) => !SPOKEN.test(name), "a header of its own, such as Idempotency-Key");
  return z.strictObject({
    invalidates: z.array(tag).min(1, "at least one tag").max(32, "at most 32 tags").optional(),
    queue: z.enum(["when-down", "always"]).optional(),
    orderBy: z
      .union([z.string().regex(/^[\x21-\x7e]{1,128}$/, ORDER), z.literal(false)], `${ORDER}; or false`)
      .optional(),
    idempotent: z
      .union(
        [
          z.boolean(),
          z.literal("annotated"),
          z.strictObject({
            argument: z
              .string()
              .regex(/^[^{}./]{1,128}$/, ARGUMENT)
              .refine(isNoProto, ARGUMENT),
          }),
          z.strictObject({ header: keyHeader }),
        ],
        'true, false, "annotated", { argument: "request_id" } or { header: "Idempotency-Key" }',
      )
      .optional(),
    unlessTask: z.enum(["refuse", "notify"]).optional(),
    ifStuck: z.enum(["park", "skip"]).optional(),
  }) satisfies z.ZodType<WriteConfig>;
}

const ORDER = "a template of 1 to 128 printable characters without spaces, such as product:{sku}";
const ARGUMENT = "the name of one argument, without braces, dots and slashes";

function isNoProto(name: string): boolean {
  return name !== "__proto__";
}

const bytes = z
  .custom<string>((value) => parseSize(value) !== undefined, SIZE_SHAPE)
  .refine(
    (value) => parseSize(value)! > 0 && parseSize(value)! <= MAX_OUTBOX_BYTES,
    'more than "0B", at most "1024MB"',
  );

/** The shape of `outbox`. */
export const outboxShape = z.strictObject({
  depth: wholeNumber(1, 1_000_000).optional(),
  bytes: bytes.optional(),
  callerDepth: wholeNumber(1, 1_000_000).optional(),
  callerBytes: bytes.optional(),
  maxAge: durationOf("1m", "30d").optional(),
  retention: durationOf("24h", "30d").optional(),
}) satisfies z.ZodType<OutboxConfig>;

/** The shape of `readPending`. */
export const readPending = z.enum(["stale", "refuse"]).optional();
