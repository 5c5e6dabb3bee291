import * as z from "zod";

const name = z
  .string()
  .regex(
    /^[a-z][a-z0-9_-]{0,39}$/,
    "a role's name of at most 40 characters: a lower-case letter, then letters, digits, hyphens, underscores",
  );
const patterns = z
  .array(z.string().min(1, "a name or a pattern").max(1_024, "at most 1024 characters"))
  .max(1_000, "at most 1000 patterns")
  .optional();
const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/, "a scope: printable, without spaces");

const role = z.strictObject({
  extends: z.union([name, z.array(name).max(32, "at most 32 roles")], "a role's name, or several").optional(),
  tools: patterns,
  resources: patterns,
  prompts: patterns,
  // Of no scopes everybody has all, and patterns that count for no origin are a mistake.
  scopes: z.array(scope).min(1, "at least one scope").max(32, "at most 32 scopes").optional(),
  origins: z.array(z.string()).min(1, "at least one origin").max(1_000, "at most 1000 origins").optional(),
});

/** The shape of what the operator says of roles. */
export const rolesShape = z
  .record(name, role)
  .refine((value) => Object.keys(value).length <= 100, "at most 100 roles")
  .optional();
