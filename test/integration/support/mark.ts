import { expect } from "vitest";
import type { Replica } from "./replica.ts";
import { legacy } from "./wire.ts";

let marks = 0;

/**
 * Puts a line into an open replica's log, and waits for it: what was asked before is logged by then, for lines come late
 * but in order. Tells how many lines there are up to this one, and with it.
 */
export async function mark({ mcp, lines }: Pick<Replica, "mcp" | "lines">): Promise<number> {
  const method = `mark/${++marks}`;
  const find = () => lines.findIndex((line) => line.startsWith(`${method} `));
  await legacy(mcp, method);
  await expect.poll(find).toBeGreaterThanOrEqual(0);
  return find() + 1;
}
