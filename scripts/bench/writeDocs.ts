import { readFile, writeFile } from "node:fs/promises";

const DOCS = new URL("../../docs/", import.meta.url);
const BEGIN = "<!-- bench:begin -->";
const END = "<!-- bench:end -->";

/** Puts the tables between the markers in a file of `docs/`. What stands around them stays. */
export async function writeDocs(name: string, text: string): Promise<void> {
  const file = new URL(name, DOCS);
  const document = await readFile(file, "utf8");
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`docs/${name} lacks ${BEGIN} and ${END}.`);
  await writeFile(file, `${document.slice(0, begin + BEGIN.length)}\n${text}\n${document.slice(end)}`);
}
