import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { ROOT, tempFolder } from "./runScript.ts";

/** A project with one dependency of its own folder, so that nothing has to be fetched. */
function project(): string {
  const folder = tempFolder();
  mkdirSync(path.join(folder, "dependency"));
  writeFileSync(path.join(folder, "dependency/package.json"), '{"name":"dependency","version":"1.0.0"}');
  writeFileSync(
    path.join(folder, "package.json"),
    '{"name":"x","version":"1.0.0","dependencies":{"dependency":"file:dependency"}}',
  );
  cpSync(path.join(ROOT, "scripts/ensure.mjs"), path.join(folder, "scripts/ensure.mjs"));
  spawnSync("npm", ["install", "--package-lock-only", "--no-audit", "--no-fund"], { cwd: folder });
  return folder;
}

function ensure(folder: string): string {
  const { status, stderr } = spawnSync(process.execPath, [path.join(folder, "scripts/ensure.mjs")], {
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  return stderr;
}

test("dependencies are installed when they are missing or older than the lock file, and else left alone", () => {
  const folder = project();
  const dependency = path.join(folder, "node_modules/dependency");
  expect(ensure(folder)).toContain("Installing");
  expect(existsSync(dependency)).toBe(true);
  expect(ensure(folder)).toBe("");
  const later = new Date(Date.now() + 60_000);
  utimesSync(path.join(folder, "package-lock.json"), later, later);
  expect(ensure(folder)).toContain("Installing");
  rmSync(path.join(folder, "node_modules"), { recursive: true });
  expect(ensure(folder)).toContain("Installing");
});

test("modules that are linked from elsewhere are left alone, however old", () => {
  const [folder, elsewhere] = [project(), tempFolder()];
  writeFileSync(path.join(elsewhere, "precious"), "");
  symlinkSync(elsewhere, path.join(folder, "node_modules"));
  expect(ensure(folder)).toBe("");
  expect(existsSync(path.join(elsewhere, "precious"))).toBe(true);
});
