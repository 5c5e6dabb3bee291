/** What stands between braces, such as `{row.price|json}`. */
export interface Reference {
  /** A name, and those of members below it. */
  path: readonly string[];
  /** How its value is written. Default: text as it is, else JSON. */
  as: Filter | undefined;
}

/** How a value is written: as JSON, an array's values, or an object's names, with ", " between them. */
export type Filter = "json" | "join" | "keys";

/** Text and references, as they follow each other. No two texts do, and none is empty. */
export type Template = readonly (string | Reference)[];

const PIECE = /\{\{|\}\}|\{([^{}|\s]+)(?:\|(json|join|keys))?\}|[^{}]+|[{}]/g;

/** Reads a template: `{a.b}` stands for something, `{{` and `}}` for braces. `undefined` where a brace stands alone, or what it holds is no reference. */
export function parseTemplate(text: string): Template | undefined {
  const pieces: (string | Reference)[] = [];
  for (const [piece, name, as] of text.matchAll(PIECE)) {
    if (name !== undefined) {
      const path = name.split(".");
      if (path.includes("")) return undefined;
      pieces.push({ path, as: as as Filter | undefined });
      continue;
    }
    if (piece === "{" || piece === "}") return undefined;
    const written = piece === "{{" || piece === "}}" ? piece.slice(1) : piece;
    const before = pieces.at(-1);
    if (typeof before === "string") pieces[pieces.length - 1] = before + written;
    else pieces.push(written);
  }
  return pieces;
}

/** The names in a text that has values put in their places (`x://{sku}`): there is nothing else to it. `undefined` where a brace stands alone. */
export function placesIn(text: string): string[] | undefined {
  const names = [...text.matchAll(/\{([^{}]+)\}/g)].map(([, name]) => name!);
  return /[{}]/.test(text.replace(/\{[^{}]+\}/g, "")) ? undefined : names;
}

/** Of a part of a shape that stands for an array, what each row is worded as; `undefined` of all others. */
export function eachOf(part: unknown): { each: unknown } | undefined {
  if (part === null || typeof part !== "object" || Array.isArray(part)) return undefined;
  return Object.keys(part).length === 1 && "each" in part ? part : undefined;
}
