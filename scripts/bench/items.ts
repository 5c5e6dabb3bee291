/** The rows that are mirrored and looked for, and the calls that do so. They are made of their numbers alone. */

/** How a row is found. Each is a tool. */
export const LOOKUPS = ["get_item", "find_items", "search_items", "search_all_items"] as const;
export type LookupTool = (typeof LOOKUPS)[number];

/** One of so many rows is of one category, and has one of the frequent words. */
export const CATEGORIES = 100;
/** So many rows have one of the rare words, however many there are. */
export const WITH_RARE_WORD = 5;
/** What a filter and a search give at most. */
export const LIMIT = 10;

const TEXT =
  "Made of oak and steel, for rooms in which people work and rest; delivered within a week, returned within two.";

/** The key of a row. */
export function keyOf(nth: number): string {
  return `item-${String(nth).padStart(7, "0")}`;
}

/** A row, as JSON text of about 230 bytes. `edition` changes what it says. */
export function itemText(nth: number, size: number, edition = 0): string {
  const words = `frequent${nth % CATEGORIES} rare${nth % rareWords(size)}`;
  const price = (nth * 7_919) % 100_000;
  return `{"id":"${keyOf(nth)}","name":"Item ${nth} ${words}","category":"c${nth % CATEGORIES}","price":${price},"edition":${edition},"description":"${TEXT}"}`;
}

/** The arguments of the call of that number. */
export function argumentsOf(tool: LookupTool, nth: number, size: number): Record<string, unknown> {
  // A prime: the calls are scattered over the rows.
  const at = (nth * 104_729) % size;
  switch (tool) {
    case "get_item":
      return { id: keyOf(at) };
    case "find_items":
      return { category: `c${at % CATEGORIES}`, maxPrice: 50_000 };
    case "search_items":
      return { query: `rare${at % rareWords(size)}` };
    case "search_all_items":
      return { query: `frequent${at % CATEGORIES}` };
  }
}

function rareWords(size: number): number {
  return Math.ceil(size / WITH_RARE_WORD);
}
