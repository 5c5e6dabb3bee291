import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { ROOT, tempFolder } from "./runScript.ts";

/** What the project's lint says of some files. */
function lint(files: Record<string, string>): string {
  const folder = tempFolder();
  cpSync(path.join(ROOT, ".oxlintrc.json"), path.join(folder, ".oxlintrc.json"));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return spawnSync(path.join(ROOT, "node_modules/.bin/oxlint"), [], { cwd: folder, encoding: "utf8" }).stdout;
}

const uses = (name: string) => `import { x } from "${name}";\nexport const y = x;\n`;

test.each([
  ["src/mcp/a.ts", "../cache/key.ts"],
  ["src/mcp/a.ts", "cloudflare:workers"],
  ["src/config/a.ts", "../lanes/answer.ts"],
  ["src/config/a.ts", "../mcp/scan.ts"],
  ["src/telemetry/a.ts", "../http/app.ts"],
  ["src/cache/a.ts", "../lanes/answer.ts"],
  ["src/cache/key.ts", "../origin/failure.ts"],
  ["src/cache/key.ts", "cloudflare:workers"],
  ["src/origin/a.ts", "../http/app.ts"],
  ["src/access/a.ts", "../lanes/answer.ts"],
  ["src/sync/a.ts", "../lanes/answer.ts"],
  ["src/mcp/a.ts", "../sync/ChangeLog.ts"],
  ["src/config/a.ts", "../sync/ChangeLog.ts"],
  ["src/cache/key.ts", "../sync/ChangeLog.ts"],
  ["src/lanes/a.ts", "../http/app.ts"],
  ["src/lanes/a.ts", "hono"],
])("%s may not import %s", (file, imported) => {
  expect(lint({ [file]: uses(imported) })).toContain("no-restricted-imports");
});

test.each([
  ["src/lanes/a.ts", "../cache/key.ts"],
  ["src/http/a.ts", "../lanes/answer.ts"],
  ["src/cache/KvStore.ts", "../mcp/scan.ts"],
  ["src/sync/a.ts", "../origin/readReply.ts"],
])("%s may import %s", (file, imported) => {
  expect(lint({ [file]: uses(imported) })).toContain("Found 0 warnings and 0 errors");
});

test("a circle of imports is found", () => {
  expect(
    lint({ "src/lanes/a.ts": uses("./b.ts"), "src/lanes/b.ts": `import { y } from "./a.ts";\nexport const x = y;\n` }),
  ).toContain("no-cycle");
});

test("the pure parts have no clock and no randomness of their own", () => {
  expect(lint({ "src/cache/freshness.ts": "export const now = Date.now();\n" })).toContain("no-restricted-properties");
  expect(lint({ "src/mcp/a.ts": "export const now = Date.now();\n" })).toContain("no-restricted-globals");
  expect(lint({ "src/sync/ChangeLog.ts": "export const now = Date.now();\n" })).toContain("no-restricted-properties");
  expect(lint({ "src/config/a.ts": "export const r = Math.random();\n" })).toContain("no-restricted-properties");
});
