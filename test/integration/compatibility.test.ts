import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { COMPATIBILITY } from "../../scripts/serve/compatibility.ts";
import { wranglerRateLimits } from "../../scripts/serve/rateLimits.ts";

test("npm start limits what comes from outside as wrangler.toml says", () => {
  expect(wranglerRateLimits()).toEqual({
    EDGE_LIMIT: { limit: 600, period: 60 },
    ORIGIN_LIMIT: { limit: 50, period: 60 },
  });
  const others = '[[ratelimits]]\nname = "A"\nsimple = { limit = 7, period = 10 }\n[vars]\nname = "B"\nlimit = 9\n';
  expect(wranglerRateLimits(others)).toEqual({ A: { limit: 7, period: 10 } });
  expect(wranglerRateLimits("[vars]\nA = 1\n")).toEqual({});
  // So wrangler writes them when it puts the id of a KV namespace into the file.
  const written = (name: string, limit: string) =>
    `[[ratelimits]]\nname = "${name}"\nnamespace_id = "1"\n\n[ratelimits.simple]\nlimit = ${limit}\nperiod = 60\n\n`;
  expect(wranglerRateLimits(`${written("A", "600")}${written("B", "1_000")}[vars]\nlimit = 9\n`)).toEqual({
    A: { limit: 600, period: 60 },
    B: { limit: 1_000, period: 60 },
  });
});

test("the replica is served here with the runtime's behaviour that it is deployed with", async () => {
  const toml = await readFile(new URL("../../wrangler.toml", import.meta.url), "utf8");
  const value = (name: string): unknown => JSON.parse(new RegExp(`^${name} *= *(.+)$`, "m").exec(toml)![1]!);
  expect(COMPATIBILITY).toEqual({
    compatibilityDate: value("compatibility_date"),
    compatibilityFlags: value("compatibility_flags"),
  });
});
