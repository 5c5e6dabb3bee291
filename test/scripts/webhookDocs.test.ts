import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { serve, type Served } from "../../scripts/serve/serve.ts";
import { ROOT, tempFolder } from "./runScript.ts";

const page = readFileSync(path.join(ROOT, "docs/webhook.md"), "utf8");
const block = (language: string) => new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(page)![1]!;
const SECRET = `whsec_${Buffer.from("some 32 bytes that nobody knows.").toString("base64")}`;
let served: Served;

beforeAll(async () => {
  // Nobody has to be there: the origin is not asked.
  const url = "http://127.0.0.1:1/mcp";
  const config = path.join(tempFolder(), "config.mjs");
  const origins = { catalog: { url, sync: { webhook: { secret: "CATALOG_WEBHOOK" } } } };
  writeFileSync(config, `export default ${JSON.stringify({ origins, access: { open: true } })};`);
  served = await serve({ config, vars: { CATALOG_WEBHOOK: SECRET } });
});
afterAll(() => served?.close());

async function example(secret: string): Promise<{ code: number | null; output: string }> {
  const env = { ...process.env, REPLICA: served.url, WEBHOOK_SECRET: secret };
  const shell = spawn("bash", ["-eu", "-c", block("bash")], { env, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  shell.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(shell, "close")) as [number | null];
  return { code, output };
}

test("the example in the shell delivers, and with another secret it does not", async () => {
  const { code, output } = await example(SECRET);
  expect(code, output).toBe(0);
  expect(JSON.parse(output)).toMatchObject({ origin: "catalog", tags: ["product:42", "tool:search_products"], seq: 1 });
  const refused = await example(`${SECRET.slice(0, -8)}AAAAAAA=`);
  expect(refused.code).toBe(22);
  expect(refused.output).toContain("webhook_signature");
});

test("the configuration is one that the replica takes", () => {
  // The page shows a part of the file.
  const file = new Function(`return { ${block("ts")} }`)() as object;
  expect(resolve(file).origins.get("catalog")!.webhookSecret).toBe("CATALOG_WEBHOOK");
});

test("the page names every code that the webhook has of its own", () => {
  const files = ["src/http/errors.ts", "src/http/words/wordOperator.ts"];
  const errors = files.map((file) => readFileSync(path.join(ROOT, file), "utf8")).join("\n");
  const codes = [...errors.matchAll(/"(webhook_[a-z_]+|bad_webhook|rate_limited)"/g)].map(([, code]) => code!);
  expect(codes.length).toBeGreaterThan(5);
  for (const code of codes) expect(page).toContain(`\`${code}\``);
});
