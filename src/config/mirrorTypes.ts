import type { Duration } from "./duration.ts";

/** Rows of the origin that the replica holds a copy of, in D1. */
export interface CollectionConfig {
  /** Where the rows come from. */
  from: ToolRowsConfig | ResourceRowsConfig;
  /** What no two rows have in common: a member of a row, by name or JSON Pointer, or several. Strings and numbers. */
  key: string | string[];
  /** What tools may filter and order by: names or JSON Pointers, by which the conditions call them too. In an array: several, that one index has in this order. At most 16 columns. Default: the key alone. */
  index?: (ColumnConfig | ColumnConfig[])[];
  /** What tools may search: members of a row that are strings, or arrays of strings. At most 8. Default: nothing. */
  search?: string[] | SearchConfig;
  /** Who may be answered from it: `"public"`, every caller who may use the tool. Either this or `roles`: the rows were pulled with the replica's own credential. */
  scope?: "public";
  /** Who may be answered from it: callers that have one of these roles. Others are answered by the origin. */
  roles?: string[];
  /** How often it is pulled, ±10 %; `"10s"` to `"7d"`. A version is fresh for three times as long. Default: `"5m"`. */
  every?: Duration;
  /** A pull that brings more is given up, and the version before it kept. 1 to 1,000,000. Default: 200,000. */
  maxRows?: number;
  /** How long a version that is not fresh may be answered while the origin fails. At most `"30d"`. Default: `"7d"`. */
  staleIfError?: Duration;
  /** Tags that the rows have, templates over a row (`product:{sku}`): what invalidates them has the row, or the collection, asked for again. Default: none. */
  tags?: string[];
  /** How one row is asked for again. Default: the resource that it came from; else the whole collection is pulled. */
  row?: RowConfig;
}

/** The pages of a tool that lists. */
export interface ToolRowsConfig {
  tool: string;
  /** With what it is called, for every page. Default: nothing. */
  arguments?: Record<string, unknown>;
  /** JSON Pointer (RFC 6901) to the array of rows, in the structured content or the JSON of the only text block. Default: `""`, all of it. */
  rows?: string;
  /** How the next page is asked for. Default: there is one page. */
  cursor?: {
    /** The argument that takes the cursor. */
    argument: string;
    /** JSON Pointer to the cursor of the next page: a string or number; absent, null or empty on the last. */
    next: string;
  };
  /** JSON Pointer to how many rows there are in all, for the progress line; a pull that comes to fewer is given up. Default: not known. */
  total?: string;
}

/** Resources whose JSON is a row each. */
export interface ResourceRowsConfig {
  /** Those listed by the origin that match this pattern (`catalog://products/*`); with `each`, a URI template (`catalog://products/{sku}`). */
  resources: string;
  /** Another collection: the template is filled from each of its rows. */
  each?: string;
}

/** How one row is asked for. Templates over the row's key, by the names that `key` gives it (`{sku}`). */
export type RowConfig =
  /** `at`: JSON Pointer to the row in the answer. Default: `""`, all of it. */
  { tool: string; arguments: Record<string, unknown>; at?: string } | { resource: string };

/** A member of a row, by name or JSON Pointer; and as what it is compared. Default: as the string, number or boolean that it is. */
export type ColumnConfig = string | { at: string; as: ColumnKind };

/** What a column may be compared as. */
export const COLUMN_KINDS = ["value", "version", "lower"] as const;

/** `version`: by its numbers, 9 before 16.4 before 16.10; what is no version is null. `lower`: strings in lower case. */
export type ColumnKind = (typeof COLUMN_KINDS)[number];

/** How text is searched. */
export interface SearchConfig {
  columns: string[];
  /** `"words"`: whole words, whatever their case and accents, the best first. `"contains"`: every part of the query must occur somewhere, whatever its case. Default: `"words"`. */
  match?: "words" | "contains";
}

/** How a tool is answered from a collection. Strings such as `{sku}` or `{filter.category}` stand for arguments of the call. */
export interface AnswerConfig {
  /** The collection. */
  from: string;
  /** One row, by its key: as many values as the key has. Not together with `where` and what follows. */
  key?: string | string[];
  /** Which rows, by column: all of these. A condition whose argument the call does not have counts for nothing. Default: all rows. */
  where?: Record<string, ConditionConfig>;
  /** Which rows, by their text. Where the call has no such argument, it counts for nothing. */
  search?: string | { text: string; prefix?: boolean };
  /** The order: columns or `key`, `-` before one that falls. Or by an argument (`{sort}`): another value than those is the origin's. Ties go by key. Default: the best found first, else the key. */
  orderBy?: string | string[] | { argument: string; when: Record<string, string | string[]> };
  /** How many rows at most: 1 to 1,000, or an argument. Default: 100, or what the tool's schema says is the argument's. */
  limit?: number | string;
  /** The argument that takes the cursor of the next page (`{cursor}`), which `{next}` is. Default: there is one page. */
  cursor?: string;
  /** Rows of other collections, or of this, that are looked up as well, in this order, by names of their own. */
  with?: Record<string, LookupConfig>;
  /** What is said where no row has the key. Default: the origin is asked. */
  notFound?: RefusalConfig;
  /** Arguments, by their names, that change nothing in the answer. A call with one that is named nowhere is the origin's. Default: none. */
  ignore?: string[];
}

/** A value, or an argument, to be equal to; or more than one condition on a column. */
export type ConditionConfig =
  | string
  | number
  | boolean
  | {
      eq?: string | number | boolean;
      in?: string | (string | number | boolean)[];
      gt?: string | number;
      gte?: string | number;
      lt?: string | number;
      lte?: string | number;
      /** Begins with. */
      prefix?: string;
      /** Whether it is absent, or null. */
      null?: boolean | string;
      /** With others: or it is absent, or null. */
      orNull?: true;
    };

/** A row that is looked up: one by its key, or of all rows a member of each. */
export type LookupConfig =
  | { from: string; key: string | string[]; otherwise?: RefusalConfig }
  /** In the order of their keys, at most 1,000. */
  | { from: string; every: string };

/** What a caller is told instead. */
export interface RefusalConfig {
  /** Text with `{args.id}` and `{name.member}` of what was looked up; `|json` as JSON has it, `|join` an array's values, `|keys` an object's names. */
  text: string;
  /** Default: `true`. */
  isError?: boolean;
}

/** How the origin words its answers. */
export interface ShapeConfig {
  /**
   * The answer as JSON. A string that is one of these alone stands for the value, within other text for its text; what is
   * not there is left out: `{row}` and `{row.name}`, `{args.name}`, `{total}` of all rows found, `{count}` of those here,
   * `{next}` cursor, `{name.member}` of what was looked up. `{ each: … }` is an array: that, for each row. Default for an
   * answer by key: `"{row}"`.
   */
  value?: unknown;
  /** Whether it is the structured content. Default: `true`. */
  structured?: boolean;
  /** The one text block: the value as JSON, the same indented by two, none, or text of its own as in `value`. Default: `"json"`. */
  text?: "json" | "indented" | "none" | { template: string };
}

/** Resources that are mirrored: the lists, and of those listed the ones that the pattern names. */
export interface MirrorConfig {
  /** As for collections. */
  scope?: "public";
  /** As for collections. */
  roles?: string[];
  /** As for collections; the shortest of all counts. */
  every?: Duration;
}
