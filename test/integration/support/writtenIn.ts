import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

/** All that is written down in a folder and below, as one text. What is on its way into a file may be gone when it is read. */
export async function writtenIn(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.endsWith(".tmp"));
  const read = files.map((file) => readFile(path.join(file.parentPath, file.name), "latin1"));
  return (await Promise.all(read)).join("\n");
}
