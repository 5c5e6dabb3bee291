import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";

/** Makes these the only files in the folder. */
export async function refill(folder: string, files: Record<string, Buffer>): Promise<void> {
  for (const name of await readdir(folder)) await rm(path.join(folder, name), { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), content);
  }
}

/** All that is in the folder: each file with its content, and folders. */
export async function contentOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const all = entries.map(async (entry) => {
    const whole = path.join(entry.parentPath, entry.name);
    const content = entry.isDirectory() ? "a folder" : await readFile(whole, "base64");
    return [path.relative(folder, whole), content] as const;
  });
  return Object.fromEntries((await Promise.all(all)).sort(([a], [b]) => (a < b ? -1 : 1)));
}
