import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { readConfig } from "../../scripts/serve/bundle.ts";
import { readMigrations } from "../../scripts/serve/migrations.ts";
import { ROOT, runScript, tempFolder } from "./runScript.ts";

const read = (file: string) => readFileSync(path.join(ROOT, file), "utf8");

test("the config in the README is one that the replica takes", async () => {
  const [, code = ""] = /```ts\n([\s\S]*?)```/.exec(read("README.md")) ?? [];
  const file = path.join(tempFolder(), "readme.config.ts");
  writeFileSync(file, code);
  const { defaultOrigin, hosts } = resolve(await readConfig(file));
  expect(defaultOrigin?.tools.find("get_anything")?.exact).toBe(false);
  const denied = Object.entries(defaultOrigin?.settings.denied ?? {}).filter(([, isDenied]) => isDenied);
  expect(denied).toEqual([["admin_*", true]]);
  expect(defaultOrigin?.tools.find("get_product")?.value.cache?.strict).toBe(true);
  expect([...hosts]).toEqual(["replica.example.com"]);
});

test("every piece of a config in the documentation is one that the replica takes", () => {
  const text = ["README.md", "docs/configuration.md"].map(read).join("\n");
  const pieces = [...text.matchAll(/```js\n(\w+): ([\s\S]*?),?\n```/g)];
  expect(pieces.length).toBeGreaterThan(4);
  for (const [, name = "", code = ""] of pieces) {
    const value: unknown = runInNewContext(`(${code})`);
    const [origin, access] = [{ url: "https://mcp.example.com/mcp" }, { keys: true }];
    const file: object = {
      origins: { catalog: name === "tools" ? { ...origin, tools: value } : origin },
      access: name === "roles" ? { ...access, roles: value } : access,
      ...(name !== "tools" && name !== "roles" && { [name]: value }),
    };
    expect(() => resolve(structuredClone(file)), `${name}: ${code}`).not.toThrow();
  }
});

test("the README names every error code, and no other", () => {
  const table = read("README.md").split("| code | what to do |")[1]!.split("\n\n")[0]!;
  const named = [...table.matchAll(/`([a-z_]+)`/g)].map(([, code]) => code!);
  const words = readdirSync(path.join(ROOT, "src/http/words")).map((file) => `src/http/words/${file}`);
  const errors = ["src/http/errors.ts", ...words].map(read).join("\n");
  const worded = [...errors.matchAll(/(?:inBand\(\s*|http\(\s*\d+,\s*)"([a-z_]+)"/g)].map(([, code]) => code!);
  const chosen = [...errors.matchAll(/\? "([a-z_]+)" : "([a-z_]+)"/g)].flatMap(([, a, b]) => [a!, b!]);
  // A defect is nothing that anybody should meet.
  const all = new Set([...worded, ...chosen].filter((code) => code !== "internal"));
  expect([...new Set(named)].toSorted()).toEqual([...all].toSorted());
});

test("every npm command that the documentation names exists", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const docs = readdirSync(path.join(ROOT, "docs")).map((file) => `docs/${file}`);
  const text = ["README.md", ...docs].map(read).join("\n");
  const named = [...text.matchAll(/npm (?:run )?(?:-s )?([a-z:]+)/g)]
    .map(([, name]) => name!)
    .filter((name) => name !== "run");
  for (const name of new Set(named)) expect(scripts, name).toHaveProperty([name]);
});

test("the schema of what is stored names every table with its columns, and no other", () => {
  const source = readdirSync(path.join(ROOT, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => read(`src/${file}`))
    .join("\n")
    .concat(
      readMigrations()
        .flatMap(({ queries }) => queries)
        .join("\n"),
    );
  const tables = [...source.matchAll(/CREATE TABLE (?:IF NOT EXISTS )?(\w+)\s*\((.*?)\)\s*STRICT/gs)].map(
    ([, name = "", columns = ""]) =>
      [name, [...columns.matchAll(/(\w+) (?:TEXT|INTEGER|REAL|BLOB)\b/g)].map(([, one]) => one!)] as const,
  );
  const rows = [...read("docs/storage-schema.md").matchAll(/^\| `(\w+)` \| (.*?) \|/gm)];
  expect(rows.map(([, name]) => name).toSorted()).toEqual(tables.map(([name]) => name).toSorted());
  for (const [name, columns] of tables) {
    // Different places may have tables of the same name.
    const told = rows.filter(([, one]) => one === name).map(([, , text = ""]) => text);
    const isWhole = (text: string) => columns.every((column) => text.includes(`\`${column}\``));
    expect(told.some(isWhole), `${name}: ${columns.join(", ")}`).toBe(true);
  }
});

test("every attack on the page on security names a test that there is, and every kind of attack has one", () => {
  const [, attacks = ""] = read("docs/security.md").split("\n## Attacks");
  const kinds = attacks.split("\n## ")[0]!.split("\n### ").slice(1);
  expect(kinds.length).toBeGreaterThan(5);
  for (const kind of kinds) {
    const rows = kind.split("\n").filter((line) => line.startsWith("|"));
    // The first two are the table's head.
    expect(rows.length, kind).toBeGreaterThan(2);
    for (const row of rows.slice(2)) {
      const [, file = "", title = ""] = /^\| .+ \| .+ \| `(test\/[^`]+\.test\.ts)`: (.+) \|$/.exec(row) ?? [];
      expect(file, row).not.toBe("");
      expect(literalsIn(file), row).toContain(title.replaceAll("\\|", "|"));
    }
  }
});

/** The strings of a module that stand on one line, as they are read. */
function literalsIn(file: string): Set<string> {
  const literals = read(file).matchAll(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\\n]|\\.)*`/g);
  return new Set([...literals].map(([text]) => text.slice(1, -1).replaceAll(/\\(.)/g, "$1")));
}

test("wrangler.toml has no comments, for wrangler could not write ids into it", () => {
  expect(read("wrangler.toml")).not.toContain("#");
});

test("the repository's own config passes check:config, and a broken one does not", async () => {
  const folder = tempFolder();
  const check = (name: string, config: object) => {
    writeFileSync(path.join(folder, name), `export default ${JSON.stringify(config)};`);
    return runScript("scripts/checkConfig.ts", ["--config", path.join(folder, name)]);
  };
  const origins = { a: { url: "https://mcp.example.com/mcp", tools: { t: { limit: "T_LIMIT" } } } };
  const own = runScript("scripts/checkConfig.ts", []);
  const broken = check("broken.ts", { origins: {}, access: { jwt: { issuer: "x" } } });
  const unbound = check("unbound.ts", { origins, limits: { edge: "EDGE_LIMIT", origin: "O_LIMIT" } });
  expect(await own.ended, own.output()).toBe(0);
  expect(own.output()).toContain("ok: bcd");
  expect(await broken.ended).toBe(1);
  expect(broken.output()).toContain("access.jwt.issuer: found a string, expected the issuer as its tokens have it");
  expect(await unbound.ended).toBe(1);
  expect(unbound.output()).toContain("would be refused: O_LIMIT, T_LIMIT.");
});

test("the demo runs to its end", { timeout: 120_000 }, async () => {
  const demo = runScript("scripts/demo/main.ts", ["--only", "css.properties."]);
  expect(await demo.ended, demo.output()).toBe(0);
  for (const words of [
    /\n {2}miss, [\d.]+ ms/,
    /\n {2}hit, [\d.]+ ms/,
    /\n {2}stale, [\d.]+ ms/,
    /cannot be reached/,
    /fresh again/,
    /features: [\d,]+ rows in version 1: [\d,]+ added, 0 changed, 0 removed; /,
    /nobody has asked before[^]*\n {2}hit, [\d.]+ ms[^]*\n {2}hit, [\d.]+ ms/,
    /in version 2: 0 added, 1 changed, 1 removed; \d+ rows written/,
    /has vanished\n {2}There is no feature/,
    /writes three notes[^]*told that 2 writes wait/,
    /in order(\n {2}er-op-[0-9a-f]{32}: completed, [^\n]*){3}\nand who reads sees them: /,
  ]) {
    expect(demo.output()).toMatch(words);
  }
});
