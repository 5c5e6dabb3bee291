import * as z from "zod";
import { name, namedTags } from "./namedTags.ts";
import { parseShaped } from "./parseShaped.ts";

/** What an origin says that has changed. */
export interface WebhookNews {
  tags: string[];
  hard: boolean;
}

const MAX_NAMES = 100;

const names = z.array(name).optional();
const shape = z.strictObject({
  tags: names,
  tools: names,
  resources: names,
  prompts: names,
  lists: z.array(z.enum(["tools", "prompts", "resources"], "one of tools, prompts, resources")).optional(),
  hard: z.boolean().optional(),
});

/** Reads the body of a delivery; what is wrong with it is said as a text. */
export function parseWebhook(body: string): WebhookNews | { detail: string } {
  const parsed = parseShaped(shape, body);
  if ("detail" in parsed) return parsed;
  const { hard = false, ...named } = parsed.data;
  const tags = namedTags(named);
  if (tags.length === 0) return { detail: "it names no tag, tool, resource, prompt or list" };
  if (tags.length > MAX_NAMES) return { detail: `it names ${tags.length} things, and may name ${MAX_NAMES}` };
  return { tags, hard };
}
