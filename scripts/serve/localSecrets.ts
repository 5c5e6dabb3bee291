import { randomBytes } from "node:crypto";
import { appendFileSync, chmodSync, existsSync } from "node:fs";
import { DEV_VARS, localVars } from "./localVars.ts";

/** The secrets that a replica on this machine makes for itself: nobody else has to know them. */
export type LocalSecret = "KEY_PEPPER" | "ENTRY_SECRET";

/**
 * The local vars, with these secrets among them: what neither the environment nor the file has is made, 256 random bits
 * in hex, and kept in the file, as `wrangler dev` wants it. Says so on standard error.
 */
export function localSecrets(names: readonly LocalSecret[], file: string = DEV_VARS): Record<string, string> {
  const known = localVars(file);
  const made = names.filter((name) => !known[name]).map((name) => [name, randomBytes(32).toString("hex")] as const);
  if (made.length === 0) return known;
  const lines = made.map(([name, secret]) => `${name}=${secret}\n`).join("");
  // Who else is on this machine is not to read them, whoever made the file.
  if (existsSync(file)) chmodSync(file, 0o600);
  // It may end without a line break.
  appendFileSync(file, `${existsSync(file) ? "\n" : ""}${lines}`, { mode: 0o600 });
  console.error(`Wrote ${made.map(([name]) => name).join(" and ")} to ${file}: secrets of this machine.`);
  return { ...known, ...Object.fromEntries(made) };
}
