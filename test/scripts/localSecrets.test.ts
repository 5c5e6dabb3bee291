import { readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { localSecrets } from "../../scripts/serve/localSecrets.ts";
import { localVars } from "../../scripts/serve/localVars.ts";
import { tempFolder } from "./runScript.ts";

const told: string[] = [];

beforeEach(() => {
  for (const name of ["KEY_PEPPER", "ENTRY_SECRET"]) vi.stubEnv(name, undefined);
  vi.spyOn(console, "error").mockImplementation((line: string) => void told.push(line));
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  told.length = 0;
});

test("secrets that are missing are made once, kept for the owner alone, and not shown", () => {
  const file = path.join(tempFolder(), ".dev.vars");
  const made = localSecrets(["KEY_PEPPER", "ENTRY_SECRET"], file);
  for (const name of ["KEY_PEPPER", "ENTRY_SECRET"]) expect(made[name]).toMatch(/^[0-9a-f]{64}$/);
  expect(made["KEY_PEPPER"]).not.toBe(made["ENTRY_SECRET"]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(told).toEqual([`Wrote KEY_PEPPER and ENTRY_SECRET to ${file}: secrets of this machine.`]);
  expect(localSecrets(["KEY_PEPPER", "ENTRY_SECRET"], file)).toEqual(made);
  expect(told).toHaveLength(1);
});

test("what the file has stays as it is, though its last line does not end", () => {
  const file = path.join(tempFolder(), ".dev.vars");
  writeFileSync(file, "ADMIN_TOKEN=a\nKEY_PEPPER=mine", { mode: 0o644 });
  const made = localSecrets(["KEY_PEPPER", "ENTRY_SECRET"], file);
  expect(made).toMatchObject({ ADMIN_TOKEN: "a", KEY_PEPPER: "mine" });
  expect(localVars(file)).toEqual(made);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, "utf8")).toMatch(/^ADMIN_TOKEN=a\nKEY_PEPPER=mine\nENTRY_SECRET=[0-9a-f]{64}\n$/);
});

test("what the environment has comes first, and is not written down", () => {
  const file = path.join(tempFolder(), ".dev.vars");
  vi.stubEnv("KEY_PEPPER", "of the environment");
  vi.stubEnv("ENTRY_SECRET", "of the environment, too");
  expect(localSecrets(["KEY_PEPPER", "ENTRY_SECRET"], file)["KEY_PEPPER"]).toBe("of the environment");
  expect(() => readFileSync(file)).toThrow("ENOENT");
});
