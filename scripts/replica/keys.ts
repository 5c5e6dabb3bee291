import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync } from "node:fs";
import path from "node:path";
import { keyHmac, keyRecord, newKey, type StoredKey } from "../../src/access/keys.ts";
import { options, UsageError } from "../commandLine.ts";
import { DEV_VARS, localVars } from "../serve/localVars.ts";
import { openLocalKv } from "./openLocalKv.ts";

export const KEYS_USAGE = "npm run replica -- keys create --name NAME [--state DIR | --remote]";

/** `replica keys create`: makes an API key, prints it once, and stores its HMAC in the replica's KV, local or deployed. */
export async function keys(args: string[]): Promise<void> {
  const { values, positionals } = options({
    args,
    allowPositionals: true,
    options: { name: { type: "string" }, state: { type: "string", default: ".replica" }, remote: { type: "boolean" } },
  });
  if (positionals.join(" ") !== "create") throw new UsageError("The command is: keys create");
  const { name } = values;
  if (name === undefined || !/^[\w.@ -]{1,64}$/.test(name))
    throw new UsageError("--name: 1 to 64 letters, digits, spaces or . _ @ -");
  const pepper = values.remote ? remotePepper() : localPepper();
  const { id, key } = newKey((bytes) => new Uint8Array(randomBytes(bytes)));
  const record: StoredKey = { name, hmac: await keyHmac(key, pepper), createdAt: Date.now() };
  if (values.remote) putRemote(keyRecord(id), record);
  else await putLocal(path.join(path.resolve(values.state), "worker"), keyRecord(id), record);
  console.error(`Key "${name}" (id ${id}) made. It is shown this once; send it as Authorization: Bearer.`);
  console.log(key);
}

/** The secret that makes the stored HMACs useless by themselves. Made on first use. */
function localPepper(): string {
  const known = localVars()["KEY_PEPPER"];
  if (known) return known;
  const pepper = randomBytes(32).toString("hex");
  // The file may be anybody's, and end without a line break.
  appendFileSync(DEV_VARS, `${existsSync(DEV_VARS) ? "\n" : ""}KEY_PEPPER=${pepper}\n`, { mode: 0o600 });
  console.error("Wrote a new KEY_PEPPER to .dev.vars; restart a running replica so that it knows it.");
  return pepper;
}

function remotePepper(): string {
  const pepper = process.env["KEY_PEPPER"];
  if (!pepper)
    throw new UsageError(
      "With --remote, set KEY_PEPPER in the environment to the value of the deployed secret KEY_PEPPER.",
    );
  return pepper;
}

async function putLocal(state: string, name: string, record: StoredKey): Promise<void> {
  const { kv, close } = await openLocalKv(state);
  try {
    await kv.put(name, JSON.stringify(record));
  } finally {
    await close();
  }
}

function putRemote(name: string, record: StoredKey): void {
  const { status } = spawnSync(
    "wrangler",
    ["kv", "key", "put", "--binding", "KV", "--remote", name, JSON.stringify(record)],
    { stdio: ["inherit", "ignore", "inherit"] },
  );
  if (status !== 0) throw new Error("wrangler could not store the key: the lines above say why.");
}
