import type { Call } from "./recognise.ts";

/**
 * Of the capabilities that a caller declares, those on which the answer may depend: they are in the key. The origin is
 * told of no others where the answer is for many, or it would be the first one's who asks.
 */
export function keyedCapabilities({ shape, capabilities }: Pick<Call, "shape" | "capabilities">): Call["capabilities"] {
  if (shape.capabilities === "all") return capabilities;
  const { extensions } = capabilities;
  return shape.capabilities === "extensions" && extensions !== undefined ? { extensions } : {};
}
