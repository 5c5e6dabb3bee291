import { accessSync, constants } from "node:fs";
import path from "node:path";
import { type Browser, chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** Starts Chromium. The names given lead to this machine, as if a site out there were served here. */
export function startBrowser(names: readonly string[]): Promise<Browser> {
  const rules = names.map((name) => `MAP ${name} 127.0.0.1`).join(", ");
  return chromium.launch({ executablePath: findChromium(), args: [`--host-resolver-rules=${rules}`] });
}

/** The file that `CHROMIUM` names, or the first that is in the `PATH`. */
function findChromium(): string {
  const named = process.env["CHROMIUM"];
  const folders = (process.env["PATH"] ?? "").split(path.delimiter);
  const files = named ? [named] : NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  const found = files.find(isExecutable);
  if (found !== undefined) return found;
  throw new Error(
    `${named ? `There is no program ${named}, which CHROMIUM names` : `There is no ${NAMES.join(", ")} in the PATH`}. ` +
      "Install Chromium (Debian, Ubuntu: apt-get install chromium), or name its file in CHROMIUM.",
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
