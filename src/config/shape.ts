import * as z from "zod";
import { accessShape } from "./accessShape.ts";
import { MAX_BUDGET_BYTES, TOKEN_BYTES } from "./bounds.ts";
import { answering } from "./answerShape.ts";
import { collectionsShape, mirrorShape } from "./collectionShape.ts";
import { parseDuration } from "./duration.ts";
import { authShape } from "./originAuth.ts";
import { parseSize, SIZE_SHAPE } from "./size.ts";
import { LISTEN, LOCATION_HINTS, MODERNIZE, type ReplicaConfig } from "./types.ts";
import { duration, durationOf, tag, wholeNumber } from "./values.ts";
import { outboxShape, readPending, writeShape } from "./writeShape.ts";

/** Durable Objects and Workers wait no longer for anything than this. */
const MAX_TIMEOUT_MS = 900_000;

const timeout = duration.refine((value) => {
  const ms = parseDuration(value) ?? 0;
  return ms > 0 && ms <= MAX_TIMEOUT_MS;
}, 'more than "0s" and at most "15m"');
const pulse = durationOf("250ms", "1m");
const size = z.custom<string>((value) => parseSize(value) !== undefined, SIZE_SHAPE);
/** Secrets of the replica itself: no origin is ever to be sent one, or to share one. */
const OWN_SECRETS: ReadonlySet<string> = new Set(["ADMIN_TOKEN", "ENTRY_SECRET", "KEY_PEPPER"]);
const secretName = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]*$/, "the name of a Worker secret, such as CATALOG_TOKEN")
  .refine((name) => !OWN_SECRETS.has(name), "a secret of its own: this one is the replica's");
const secret = z.strictObject({ secret: secretName });
/** What the replica, the protocol or HTTP itself says in a request. */
const TAKEN = /^(accept|connection|content-.*|host|last-event-id|mcp-.*|te|traceparent|transfer-encoding|upgrade)$/i;
const headerName = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "an HTTP header name")
  .refine((name) => !TAKEN.test(name), "a header that says nothing else, such as X-Api-Key");

const cache = z.strictObject({
  ttl: duration.optional(),
  staleWhileRevalidate: duration.optional(),
  staleIfError: duration.optional(),
  scope: z.enum(["public", "private"]).optional(),
  tags: z.array(tag).max(32, "at most 32 tags").optional(),
  clientTtl: duration.optional(),
});
const BINDING = "the name of a rate-limit binding, such as EDGE_LIMIT; its numbers stand in wrangler.toml";
const binding = z.custom<string>((value) => typeof value === "string" && /^[A-Z][A-Z0-9_]*$/.test(value), BINDING);
const budget = z
  .strictObject({
    bytes: size
      .refine(
        (value) => parseSize(value)! > 0 && parseSize(value)! <= MAX_BUDGET_BYTES,
        'more than "0B", at most "16MB"',
      )
      .optional(),
    tokens: wholeNumber(1, MAX_BUDGET_BYTES / TOKEN_BYTES).optional(),
    time: timeout.optional(),
  })
  .refine((value) => Object.values(value).some((one) => one !== undefined), "at least one of bytes, tokens and time");
const consistency = z.enum(["strict", "bounded"]).optional();
const tool = z.strictObject({
  cache: cache.extend({ tell: z.boolean().optional() }).optional(),
  deny: z.boolean().optional(),
  write: writeShape(headerName).optional(),
  consistency,
  readPending,
  validate: z.boolean().optional(),
  limit: binding.optional(),
  budget: budget.optional(),
  expensive: z.boolean().optional(),
  ...answering,
});
const readable = z.strictObject({ cache: cache.optional(), consistency, readPending });

const origin = z
  .strictObject({
    url: z.union([z.string(), z.strictObject({ env: z.string() })], 'a URL, or { env: "NAME" }').optional(),
    service: z.string().min(1, "the name of a service binding").optional(),
    default: z.boolean().optional(),
    allowPrivate: z.boolean().optional(),
    auth: authShape(secretName, headerName).optional(),
    timeout: z.strictObject({ firstByte: timeout.optional(), total: timeout.optional() }).optional(),
    concurrency: z.int().min(1, "a whole number of 1 to 1000").max(1_000, "a whole number of 1 to 1000").optional(),
    region: z.enum(LOCATION_HINTS).optional(),
    modernize: z.enum(MODERNIZE).optional(),
    sync: z
      .strictObject({ pulse: pulse.optional(), listen: z.enum(LISTEN).optional(), webhook: secret.optional() })
      .optional(),
    lists: z.strictObject({ defaultTtl: duration.optional(), staleIfError: duration.optional() }).optional(),
    annotated: z.strictObject({ ttl: duration }).optional(),
    validate: z.boolean().optional(),
    outbox: outboxShape.optional(),
    tools: z.record(z.string(), tool).optional(),
    collections: collectionsShape.optional(),
    resources: z.record(z.string(), readable.extend({ mirror: mirrorShape.optional() })).optional(),
    prompts: z.record(z.string(), readable).optional(),
  })
  .refine((value) => (value.url === undefined) !== (value.service === undefined), "exactly one of url and service");

const originId = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,39}$/,
    "an origin id of at most 40 characters: a lower-case letter, then letters, digits, hyphens",
  );
const host = z.string().regex(/^[a-z0-9.-]+(:\d+)?$/, "a host name in lower case, such as replica.example.com");

/** The whole file. It says of each wrong value where it stands and what was expected. */
export const shape = z.strictObject({
  origins: z.record(originId, origin),
  access: z
    .strictObject({
      open: z.boolean().optional(),
      openOnPurpose: z.boolean().optional(),
      keys: z.boolean().optional(),
      ...accessShape,
    })
    .optional(),
  hosts: z.array(host).optional(),
  ignoreMeta: z.array(z.string().min(1, "a _meta key or pattern")).optional(),
  limits: z
    .strictObject({
      body: size.optional(),
      depth: z.int().min(4, "a whole number of 4 to 256").max(256, "a whole number of 4 to 256").optional(),
      // What a fill reads into memory, and what KV keeps in one value, end not far above this.
      entry: size.refine((value) => parseSize(value)! <= 16 * 1_048_576, 'at most "16MB"').optional(),
      edge: binding.optional(),
      origin: binding.optional(),
      concurrency: wholeNumber(1, 1_000).optional(),
    })
    .optional(),
  enabled: z.boolean().optional(),
}) satisfies z.ZodType<ReplicaConfig>;
