import * as z from "zod";
import { cut, listTag, promptTag, resourceTag, toolTag } from "../../cache/implicitTags.ts";

/** A name of something that is to be forgotten. */
export const name = z.string().min(1, "a name").max(8_192, "a name of at most 8192 characters");

/** What is to be forgotten, by names. */
export interface Named {
  /** As entries carry them. */
  tags?: readonly string[] | undefined;
  tools?: readonly string[] | undefined;
  resources?: readonly string[] | undefined;
  prompts?: readonly string[] | undefined;
  /** Of the protocol: `tools`, `prompts`, `resources`. */
  lists?: readonly string[] | undefined;
}

/** The tags that stand for what is named. */
export function namedTags({ tags = [], tools = [], resources = [], prompts = [], lists = [] }: Named): string[] {
  return [
    ...tags.map(cut),
    ...tools.map(toolTag),
    ...resources.map(resourceTag),
    ...prompts.map(promptTag),
    ...lists.map(listTag),
  ];
}
