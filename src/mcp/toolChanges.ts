import { isObject } from "./isObject.ts";

/** The tools of a list that are not as they were, by name. Bounded. */
export interface ToolChanges {
  added: string[];
  removed: string[];
  changed: string[];
}

/** The most names of a kind. */
const MAX_NAMES = 50;
const MAX_LENGTH = 200;

/** What differs between two results of `tools/list`. `canonical` gives one text for one content. */
export function toolChanges(
  before: unknown,
  after: unknown,
  canonical: (value: unknown) => string | undefined,
): ToolChanges {
  const [old, now] = [definitions(before, canonical), definitions(after, canonical)];
  return {
    added: names([...now.keys()].filter((name) => !old.has(name))),
    removed: names([...old.keys()].filter((name) => !now.has(name))),
    changed: names([...now.keys()].filter((name) => old.has(name) && old.get(name) !== now.get(name))),
  };
}

function definitions(result: unknown, canonical: (value: unknown) => string | undefined): Map<string, string> {
  const tools = isObject(result) ? result["tools"] : undefined;
  const all = new Map<string, string>();
  for (const tool of Array.isArray(tools) ? tools : []) {
    if (isObject(tool) && typeof tool["name"] === "string") all.set(tool["name"], textOf(tool, canonical));
  }
  return all;
}

function textOf(tool: unknown, canonical: (value: unknown) => string | undefined): string {
  try {
    return canonical(tool) ?? "";
  } catch {
    // What has no canonical form is compared as it was written.
    return JSON.stringify(tool);
  }
}

function names(all: string[]): string[] {
  return all.slice(0, MAX_NAMES).map((name) => name.slice(0, MAX_LENGTH));
}
