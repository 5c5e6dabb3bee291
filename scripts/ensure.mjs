// Runs before `npm start` and `npm test`, on whatever Node the machine has, so it is plain JavaScript without imports
// from npm: installs the dependencies where they are missing or older than the lock file.
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const installed = `${root}node_modules/.package-lock.json`;
const isCurrent = existsSync(installed) && statSync(installed).mtimeMs >= statSync(`${root}package-lock.json`).mtimeMs;

// A link leads to another project's modules, which npm ci would delete: whoever made it keeps them up to date.
const isLink = lstatSync(`${root}node_modules`, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;

if (!isCurrent && !isLink) {
  console.error("Installing the dependencies (npm ci) ...");
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
  if (status !== 0) {
    console.error("npm ci failed: the lines above say why.");
    process.exit(1);
  }
}
