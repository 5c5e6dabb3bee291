import * as z from "zod";
import { isMember, isPointer, MEMBER_SHAPE, POINTER_SHAPE } from "./member.ts";
import { COLUMN_KINDS, type CollectionConfig, type MirrorConfig } from "./mirrorTypes.ts";
import { durationOf, tag, wholeNumber } from "./values.ts";

/** How often something is pulled. */
const every = durationOf("10s", "7d");

const MAX_DEPTH = 32;

/** Something that JSON can say. */
export const json = z.custom<unknown>(
  (value) => isJson(value),
  "JSON: text, numbers, true, false, null, arrays, objects",
);

function isJson(value: unknown, depth = 0): boolean {
  if (value === null || typeof value !== "object") {
    return value === null || typeof value === "string" || typeof value === "boolean" || Number.isFinite(value);
  }
  return depth < MAX_DEPTH && Object.values(value).every((one) => isJson(one, depth + 1));
}

/** A JSON Pointer. */
export const pointer = z.string().max(512, "at most 512 characters").refine(isPointer, POINTER_SHAPE);
/** A member of a row. */
export const member = z.string().max(512, "at most 512 characters").refine(isMember, MEMBER_SHAPE);

const NAME =
  "a collection's name of at most 40 characters: a lower-case letter, then letters, digits, hyphens, underscores";
/** The name of a collection. */
export const collectionName = z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, NAME);

const text = z.string().min(1, "at least one character").max(1_024, "at most 1024 characters");
const tool = text.regex(/^[^*]*$/, "the exact name of a tool");
const args = z.record(z.string(), json);
const column = z.union(
  [member, z.strictObject({ at: member, as: z.enum(COLUMN_KINDS) })],
  `${MEMBER_SHAPE}, or { at, as }`,
);
const searched = z.array(member).min(1, "at least one member").max(8, "at most 8 members");
const roles = z.array(z.string()).min(1, "at least one role").max(100, "at most 100 roles");

const collection = z.strictObject({
  from: z.union(
    [
      z.strictObject({
        tool,
        arguments: args.optional(),
        rows: pointer.optional(),
        cursor: z.strictObject({ argument: text, next: pointer }).optional(),
        total: pointer.optional(),
      }),
      z.strictObject({ resources: text, each: collectionName.optional() }),
    ],
    "one of { tool } and { resources }",
  ),
  key: z.union(
    [member, z.array(member).min(1, "at least one member").max(8, "at most 8 members")],
    `${MEMBER_SHAPE}, or several in an array`,
  ),
  index: z
    .array(z.union([column, z.array(column).min(1, "at least one column")], `${MEMBER_SHAPE}, or several in an array`))
    .max(16, "at most 16 indexes")
    .optional(),
  search: z
    .union(
      [searched, z.strictObject({ columns: searched, match: z.enum(["words", "contains"]).optional() })],
      "an array of members, or { columns, match }",
    )
    .optional(),
  scope: z.literal("public").optional(),
  roles: roles.optional(),
  every: every.optional(),
  maxRows: wholeNumber(1, 1_000_000).optional(),
  staleIfError: durationOf("0s", "30d").optional(),
  tags: z.array(tag).max(32, "at most 32 tags").optional(),
  row: z
    .union(
      [z.strictObject({ tool, arguments: args, at: pointer.optional() }), z.strictObject({ resource: text })],
      "one of { tool, arguments } and { resource }",
    )
    .optional(),
}) satisfies z.ZodType<CollectionConfig>;

/** The shape of an origin's collections. */
export const collectionsShape = z
  .record(collectionName, collection)
  .refine((value) => Object.keys(value).length <= 50, "at most 50 collections");

/** The shape of `mirror` of resources. */
export const mirrorShape = z.union(
  [
    z.literal(true),
    z.strictObject({ scope: z.literal("public").optional(), roles: roles.optional(), every: every.optional() }),
  ],
  "true, or { scope } or { roles }",
) satisfies z.ZodType<true | MirrorConfig>;
