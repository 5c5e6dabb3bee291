import { readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "vitest";

/** The pieces of JSON that a page in `docs/` shows: each an object that stands on several lines, or one a line. Throws where one is none. */
export function jsonOnPage(page: string): any[] {
  const text = readFileSync(path.join(import.meta.dirname, "../../docs", page), "utf8");
  const fences = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, inside = ""]) => inside.trim());
  return fences.flatMap((inside) => inside.split(/\n(?=\{)/)).map((one) => JSON.parse(one) as unknown);
}

/** What is like a piece of a page: with its members, and more; `…` is anything, and so are ids, times and numbers that are no codes. */
export function likePiece(piece: unknown): any {
  if (Array.isArray(piece)) return piece.map(likePiece);
  if (typeof piece === "object" && piece !== null) {
    const members = Object.entries(piece).map(([name, value]) => [name, likePiece(value)] as const);
    return expect.objectContaining(Object.fromEntries(members));
  }
  if (typeof piece === "number") return piece < 0 ? piece : expect.any(Number);
  if (typeof piece !== "string") return piece;
  if (piece.startsWith("er-op-")) return expect.stringMatching(/^er-op-[0-9a-f]{32}$/);
  if (/^\d{4}-\d\d-\d\dT/.test(piece)) return expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  return piece.endsWith("…") ? expect.stringContaining(piece.slice(0, -1)) : piece;
}
