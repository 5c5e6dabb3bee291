import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Rate-limit bindings by name: so many calls of each key in so many seconds. */
export type RateLimits = Readonly<Record<string, { limit: number; period: 10 | 60 }>>;

const WRANGLER_TOML = path.join(fileURLToPath(new URL("../..", import.meta.url)), "wrangler.toml");

/** The rate-limit bindings of `wrangler.toml`, read without wrangler, which takes seconds to load. */
export function wranglerRateLimits(toml = readFileSync(WRANGLER_TOML, "utf8")): RateLimits {
  const limits: Record<string, RateLimits[string]> = {};
  for (const table of toml.split(/^\[\[ratelimits\]\]$/m).slice(1)) {
    const [own = ""] = table.split(/^\[/m);
    const value = (name: string) => new RegExp(`\\b${name}\\s*=\\s*"?(\\w+)`).exec(own)?.[1];
    const name = value("name");
    if (name) limits[name] = { limit: Number(value("limit")), period: value("period") === "10" ? 10 : 60 };
  }
  return limits;
}
