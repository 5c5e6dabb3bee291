import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Cell, PAIRS, TABLE } from "./table.ts";

export const ERAS_DOC = path.resolve(import.meta.dirname, "../../../../docs/eras.md");
const MARKED = /(<!-- table:begin -->\n)[\s\S]*?(<!-- table:end -->)/;

/** The text of `docs/eras.md` with the table as it is now. */
export function withTable(doc: string): string {
  return doc.replace(MARKED, (_, begin: string, end: string) => `${begin}${table()}\n${end}`);
}

function table(): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rows = Object.entries(TABLE).map(([name, cells]) => line([name, ...cells.map(textOf)]));
  return [
    line(["client, origin", ...PAIRS.map(({ title }) => title)]),
    line(["---", ...PAIRS.map(() => "---")]),
    ...rows,
  ].join("\n");
}

function textOf(cell: Cell): string {
  if (typeof cell === "string") return cell;
  return Object.entries(cell)
    .map(([client, word]) => `${client}: ${word}`)
    .join("; ");
}

if (import.meta.main) await writeFile(ERAS_DOC, withTable(await readFile(ERAS_DOC, "utf8")));
