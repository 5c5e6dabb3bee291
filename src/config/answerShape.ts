import * as z from "zod";
import { collectionName, json, member, pointer } from "./collectionShape.ts";
import type { AnswerConfig, ShapeConfig } from "./mirrorTypes.ts";

const template = z.string().max(4_096, "at most 4096 characters");
const scalar = z.union([template, z.number(), z.boolean()], "text, a number, true or false");
const comparable = z.union([template, z.number()], "text or a number");
const several = z.array(scalar).min(1, "at least one value").max(1_000, "at most 1000 values");
const key = z.union(
  [template, z.array(template).min(1, "at least one value").max(8, "at most 8 values")],
  'an argument such as "{id}", or several in an array',
);
const order = z.union(
  [member, z.array(member).min(1, "at least one column").max(8, "at most 8 columns")],
  "a column, or several in an array",
);

const condition = z.union(
  [
    scalar,
    z.strictObject({
      eq: scalar.optional(),
      in: z.union([template, several], 'an argument such as "{ids}", or an array of values').optional(),
      gt: comparable.optional(),
      gte: comparable.optional(),
      lt: comparable.optional(),
      lte: comparable.optional(),
      prefix: template.optional(),
      null: z.union([z.boolean(), template], 'true, false or an argument such as "{isMissing}"').optional(),
      orNull: z.literal(true).optional(),
    }),
  ],
  "a value, or conditions such as { lte: 5 }",
);

const refusal = z.strictObject({
  text: template.min(1, "at least one character"),
  isError: z.boolean().optional(),
});

const lookup = z.union(
  [
    z.strictObject({ from: collectionName, key, otherwise: refusal.optional() }),
    z.strictObject({ from: collectionName, every: member }),
  ],
  "one of { from, key } and { from, every }",
);
const lookupName = z
  .string()
  .regex(
    /^[A-Za-z][A-Za-z0-9_]{0,39}$/,
    "a name of at most 40 characters: a letter, then letters, digits, underscores",
  );

const answer = z.strictObject({
  from: collectionName,
  key: key.optional(),
  where: z
    .record(member, condition)
    .refine((value) => Object.keys(value).length <= 16, "at most 16 columns")
    .optional(),
  search: z
    .union([template, z.strictObject({ text: template, prefix: z.boolean().optional() })], "text, or { text, prefix }")
    .optional(),
  orderBy: z
    .union(
      [order, z.strictObject({ argument: template, when: z.record(z.string(), order) })],
      "a column, several in an array, or { argument, when }",
    )
    .optional(),
  limit: z.union([z.number(), template], 'a whole number of 1 to 1000, or an argument such as "{limit}"').optional(),
  cursor: template.optional(),
  with: z
    .record(lookupName, lookup)
    .refine((value) => Object.keys(value).length <= 8, "at most 8 lookups")
    .optional(),
  notFound: refusal.optional(),
  ignore: z.array(z.string().min(1, "an argument's name")).max(100, "at most 100 arguments").optional(),
}) satisfies z.ZodType<AnswerConfig>;

const shape = z.strictObject({
  value: json.optional(),
  structured: z.boolean().optional(),
  text: z
    .union(
      [z.enum(["json", "indented", "none"]), z.strictObject({ template })],
      'one of "json", "indented", "none", { template }',
    )
    .optional(),
}) satisfies z.ZodType<ShapeConfig>;

const share = z.number().min(0, "a number of 0 to 1").max(1, "a number of 0 to 1");

/** What a tool's policy says of being answered from a collection, and of being compared. */
export const answering = {
  answer: answer.optional(),
  shape: shape.optional(),
  verify: share.optional(),
  maxMismatch: share.optional(),
  volatile: z.array(pointer).max(32, "at most 32 JSON Pointers").optional(),
};
