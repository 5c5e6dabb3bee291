import { readFile, writeFile } from "node:fs/promises";

const FILE = new URL("../../docs/performance.md", import.meta.url);
const BEGIN = "<!-- bench:begin -->";
const END = "<!-- bench:end -->";

/** Puts the tables between the markers in `docs/performance.md`. What stands around them stays. */
export async function writeDocs(text: string): Promise<void> {
  const document = await readFile(FILE, "utf8");
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`docs/performance.md lacks ${BEGIN} and ${END}.`);
  await writeFile(FILE, `${document.slice(0, begin + BEGIN.length)}\n${text}\n${document.slice(end)}`);
}
