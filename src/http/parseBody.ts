import { scan, type Scan } from "../mcp/scan.ts";

/** What a request says. */
export interface Parsed {
  /** The body as it came. */
  text: string;
  /** The body parsed. */
  body: unknown;
  scan: Scan;
}

/** Of a request without a body. */
export const NO_BODY: Parsed = {
  text: "",
  body: undefined,
  scan: { tooDeep: false, exact: false, duplicates: false },
};

/** Parses a body, for the only time. Its depth is known before anything recursive meets it. */
export function parseBody(
  text: string,
  maxDepth: number,
): Parsed | { trouble: { kind: "too-deep"; maxDepth: number } | { kind: "not-json" } } {
  const scanned = scan(text, maxDepth);
  if (scanned.tooDeep) return { trouble: { kind: "too-deep", maxDepth } };
  try {
    return { text, body: JSON.parse(text), scan: scanned };
  } catch {
    return { trouble: { kind: "not-json" } };
  }
}
