import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const KIB = 1_024;

/** The size of what is deployed, in bytes. */
export interface BundleSize {
  raw: number;
  gzip: number;
}

/** Builds the Worker as for a deployment, and reads what Wrangler says of its size. */
export async function bundleSize(): Promise<BundleSize> {
  const folder = await mkdtemp(path.join(tmpdir(), "bench-bundle-"));
  try {
    const wrangler = path.join(ROOT, "node_modules/wrangler/bin/wrangler.js");
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [wrangler, "deploy", "--dry-run", "--outdir", folder],
      { cwd: ROOT, env: { ...process.env, NO_COLOR: "1", WRANGLER_SEND_METRICS: "false" } },
    );
    const size = /Total Upload: ([\d.]+) KiB \/ gzip: ([\d.]+) KiB/.exec(stdout);
    if (!size) throw new Error(`Wrangler says nothing of the size:\n${stdout}`);
    return { raw: Number(size[1]) * KIB, gzip: Number(size[2]) * KIB };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
