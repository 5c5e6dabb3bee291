import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Rate-limit bindings by name: so many calls of each key in so many seconds. */
export type RateLimits = Readonly<Record<string, { limit: number; period: 10 | 60 }>>;

const WRANGLER_TOML = path.join(fileURLToPath(new URL("../..", import.meta.url)), "wrangler.toml");

/** The rate-limit bindings of `wrangler.toml`, read without wrangler, which takes seconds to load. */
export function wranglerRateLimits(toml = readFileSync(WRANGLER_TOML, "utf8")): RateLimits {
  const limits: Record<string, RateLimits[string]> = {};
  for (const table of toml.split(/^\s*\[\[\s*ratelimits\s*\]\]\s*$/m).slice(1)) {
    // The numbers may stand in a table of their own, as wrangler writes them.
    const [own = ""] = table.split(/^\s*\[(?!\s*ratelimits\s*\.)/m);
    const value = (name: string) => new RegExp(`\\b${name}\\s*=\\s*["']?(\\w+)`).exec(own)?.[1];
    const name = value("name");
    if (name)
      limits[name] = { limit: Number(value("limit")?.replaceAll("_", "")), period: value("period") === "10" ? 10 : 60 };
  }
  return limits;
}
