import type { Era } from "../mcp/versions.ts";
import { isLeftAlone, lacks } from "./eras.ts";
import type { Eras, Exchange } from "./Exchange.ts";

/** The era in which an origin with these eras is asked for a caller. */
export function inEraOf(x: Exchange, era: Era, eras: Eras): Exchange {
  if (era === "legacy") return lacks(eras, "legacy") ? { ...x, asksIn: "modern" } : x;
  if (!lacks(eras, "modern") || (eras.legacy ?? "none") === "none") return x;
  return isLeftAlone(x, eras.legacy === "sessions") ? x : { ...x, asksIn: "legacy" };
}
