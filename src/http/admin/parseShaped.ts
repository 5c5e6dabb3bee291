import type * as z from "zod";

/** Reads a JSON body of a shape; what is wrong with it is said as a text. */
export function parseShaped<T>(shape: z.ZodType<T>, body: string): { data: T } | { detail: string } {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { detail: "the body is not JSON" };
  }
  const parsed = shape.safeParse(value);
  if (parsed.success) return { data: parsed.data };
  const { path, message } = parsed.error.issues[0]!;
  return { detail: `${path.join(".") || "the body"}: ${message}` };
}
