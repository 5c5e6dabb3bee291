import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { COMPATIBILITY } from "../../scripts/serve/compatibility.ts";

test("the replica is served here with the runtime's behaviour that it is deployed with", async () => {
  const toml = await readFile(new URL("../../wrangler.toml", import.meta.url), "utf8");
  const value = (name: string): unknown => JSON.parse(new RegExp(`^${name} *= *(.+)$`, "m").exec(toml)![1]!);
  expect(COMPATIBILITY).toEqual({
    compatibilityDate: value("compatibility_date"),
    compatibilityFlags: value("compatibility_flags"),
  });
});
