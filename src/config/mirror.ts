import type { ColumnKind } from "./mirrorTypes.ts";

/** Something whose copy is held in D1, with every default filled in. Plain data: it crosses to its `MirrorSync`. */
export interface Collection {
  /** As the operator calls it; `RESOURCES` for the mirrored resources. */
  name: string;
  from: RowSource;
  /** JSON Pointers into a row. Empty for `RESOURCES`, whose rows have their keys already. */
  key: readonly string[];
  /** What `{name}` stands for in templates over a key: the names of its parts as the operator wrote them. */
  keyNames: readonly string[];
  columns: readonly Column[];
  /** Of columns, by their places in `columns`: each is one index. */
  indexes: readonly (readonly number[])[];
  search: { columns: readonly string[]; match: "words" | "contains" } | undefined;
  readers: Readers;
  everyMs: number;
  maxRows: number;
  staleIfErrorMs: number;
  /** Tag templates over a row. */
  tags: readonly string[];
  row: RowAsking | undefined;
  /** The tools that are answered from it, or look something up in it: their schemas are held with it, and what changes their answers has it pulled. */
  tools: readonly string[];
}

/** The name of the collection of an origin's mirrored resources: none of an operator's. */
export const RESOURCES = "~resources";

/** Who may be answered from it. */
export type Readers = "public" | { roles: readonly string[] };

/** Where rows come from. Pointers are JSON Pointers. */
export type RowSource =
  | {
      kind: "tool";
      tool: string;
      arguments: Readonly<Record<string, unknown>>;
      rows: string;
      cursor: { argument: string; next: string } | undefined;
      total: string | undefined;
    }
  /** Resources listed by the origin that match. */
  | { kind: "resources"; pattern: string }
  /** A URI template filled from each row of another collection, `each`. */
  | { kind: "each"; template: string; each: string }
  /** The lists of resources as they are, and what those listed say that match one of the patterns. */
  | { kind: "mirror"; patterns: readonly string[] };

/** How one row is asked for. */
export type RowAsking =
  | { tool: string; arguments: Readonly<Record<string, unknown>>; at: string }
  | { resource: string };

/** What rows are filtered and ordered by. */
export interface Column {
  /** As the operator names it. */
  name: string;
  /** JSON Pointer. */
  at: string;
  as: ColumnKind;
}

/** How a tool is answered from a collection. */
export interface AnswerRule {
  from: string;
  query: AnswerQuery;
  lookups: readonly Lookup[];
  shape: AnswerShape;
  /** The arguments that the answer goes by, or that change nothing in it: their first names. */
  covers: ReadonlySet<string>;
  /** Whether each answer is checked against the feed first, so that nobody is answered with what a write has changed. */
  strict: boolean;
}

/** Which rows. */
export type AnswerQuery =
  | { kind: "key"; key: readonly Term[]; notFound: Refusal | undefined }
  | {
      kind: "rows";
      where: readonly Condition[];
      search: { text: Term; prefix: boolean } | undefined;
      order: Order;
      limit: Term | undefined;
      cursor: Term | undefined;
    };

/** A value, or an argument by its path. */
export type Term = { value: string | number | boolean } | { argument: readonly string[] };

/** What must be so of a column, by its place in the collection's `columns`. */
export interface Condition {
  column: number;
  /** All of these, or null where `orNull`. */
  tests: readonly Test[];
  orNull: boolean;
}

/** One comparison. */
export type Test =
  | { op: "eq" | "gt" | "gte" | "lt" | "lte" | "prefix"; term: Term }
  | { op: "in"; terms: Term | readonly (string | number | boolean)[] }
  | { op: "null"; is: boolean | Term };

/** In which order. `undefined`: the best found first, else by key. */
export type Order =
  | undefined
  | readonly OrderPart[]
  | { argument: readonly string[]; when: ReadonlyMap<string, readonly OrderPart[]> };

/** A column by its place, or the key. */
export interface OrderPart {
  by: number | "key";
  falls: boolean;
}

/** Something that is looked up beside. */
export interface Lookup {
  name: string;
  from: string;
  find:
    | { key: readonly Term[]; otherwise: Refusal | undefined } /** A JSON Pointer into each row. */
    | { every: string };
}

/** What a caller is told instead. */
export interface Refusal {
  text: string;
  isError: boolean;
}

/** How an answer is worded. */
export interface AnswerShape {
  value: unknown;
  isStructured: boolean;
  text: "json" | "indented" | "none" | { template: string };
}

/** How answers are compared with the origin's. */
export interface VerifyRule {
  /** The share that is: 0 to 1. */
  share: number;
  /** The share of mismatches at which a tool is not answered from its mirror any more; `undefined`: never. */
  maxMismatch: number | undefined;
  /** JSON Pointers into the structured content (or the JSON of the text): what may differ. */
  volatile: readonly string[];
}
