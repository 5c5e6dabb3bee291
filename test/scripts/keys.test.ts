import { writeFileSync } from "node:fs";
import path from "node:path";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { UsageError } from "../../scripts/commandLine.ts";
import { callReplica } from "../../scripts/replica/callReplica.ts";
import { keys, keysText } from "../../scripts/replica/keys.ts";
import { serve, type Served } from "../../scripts/serve/serve.ts";
import { runScript, tempFolder } from "./runScript.ts";

const TOKEN = "s3cret";
let served: Served;

beforeAll(async () => {
  const config = path.join(tempFolder(), "config.mjs");
  const origins = { catalog: { url: "http://127.0.0.1:1/mcp" } };
  writeFileSync(
    config,
    `export default ${JSON.stringify({ origins, access: { keys: true, roles: { reader: { tools: ["*"] } } } })};`,
  );
  served = await serve({ config, vars: { ADMIN_TOKEN: TOKEN, KEY_PEPPER: "a pepper" } });
});
afterAll(() => served?.close());

beforeEach(() => vi.stubEnv("REPLICA_ADMIN_TOKEN", TOKEN));
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** Runs a command here: what it prints. */
async function run(...args: string[]) {
  const out: string[] = [];
  const aside: string[] = [];
  vi.spyOn(console, "log").mockImplementation((line: string) => void out.push(line));
  vi.spyOn(console, "error").mockImplementation((line: string) => void aside.push(line));
  await keys([...args, "--url", served.url]);
  return { out: out.join("\n"), aside: aside.join("\n") };
}

async function statusWith(key: string): Promise<number> {
  const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  const response = await fetch(`${served.url}/mcp`, {
    method: "POST",
    headers: { ...headers, authorization: `Bearer ${key}` },
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  });
  return response.status;
}

test("a key is made, listed, rotated and revoked, and nothing but the key goes to standard output", async () => {
  const asked = ["create", "--name", "agent one", "--tenant", "acme", "--expires", "90d", "--url", served.url];
  const made = runScript("scripts/replica/main.ts", ["keys", ...asked], { REPLICA_ADMIN_TOKEN: TOKEN });
  expect(await made.ended, made.output()).toBe(0);
  const [, key = "", id = ""] = /^(erk_([0-9a-f]{12})_[0-9a-f]{64})\n$/.exec(made.stdout())!;
  expect(made.output()).toMatch(
    new RegExp(`Key "agent one" \\(id ${id}\\) is made\\..*\nIt expires at \\d{4}-\\d\\d-`),
  );
  expect(made.output()).toContain("It has none of the roles in access.roles, so it may use nothing");
  expect(await statusWith(key)).toBe(200);

  const listed = await run("list");
  expect(listed.out).toMatch(
    new RegExp(`^${id} +agent one +- +acme +active +\\d.* UTC +\\d.* UTC +(-|\\d+ s ago)$`, "m"),
  );
  expect(listed.out).not.toContain(key.split("_")[2]);

  const rotated = await run("rotate", id, "--overlap", "2h");
  expect(rotated.out).toMatch(/^erk_\S+$/);
  expect(rotated.aside).toContain(`Key "agent one" (id ${id}) has a new secret.`);
  expect(rotated.aside).toMatch(/The old one works until \d{4}-\d\d-\d\d \d\d:\d\d UTC\./);
  expect([await statusWith(key), await statusWith(rotated.out)]).toEqual([200, 200]);
  const json = JSON.parse((await run("list", "--json")).out);
  expect(json.keys).toEqual([expect.objectContaining({ id, name: "agent one", state: "rotating" })]);

  expect((await run("rotate", id, "--overlap", "0s")).aside).toContain(
    "The old one is refused everywhere within two minutes.",
  );

  const withRole = await run("create", "--name", "other", "--role", "reader", "--json");
  expect(withRole.aside).not.toContain("nothing");
  const third = JSON.parse(withRole.out);
  expect((await run("revoke", third.id)).out).toBe(
    `Key "other" (id ${third.id}) is revoked: within two minutes it is refused everywhere.`,
  );
  expect(await statusWith(third.key)).toBe(401);
});

test("all keys are listed, however many pages they take", async () => {
  const kv = await served.kv();
  const record = { name: "many", hmac: "0".repeat(64), createdAt: 0 };
  const ids = Array.from({ length: 120 }, (_, nth) => nth.toString(16).padStart(12, "0"));
  await Promise.all(ids.map((id) => kv.put(`key/${id}`, JSON.stringify(record))));
  const { keys } = JSON.parse((await run("list", "--json")).out) as { keys: { id: string; name: string }[] };
  const many = keys.filter(({ name }) => name === "many");
  expect(many.map(({ id }) => id).toSorted()).toEqual(ids);
});

test("what the replica refuses is told in its words", async () => {
  await expect(run("create", "--name", "x", "--role", "writer")).rejects.toThrow("[unknown_role]");
  await expect(run("create", "--name", "bad\nname")).rejects.toThrow("[bad_key]");
  await expect(run("revoke", "f".repeat(12))).rejects.toThrow("[unknown_key]");
  vi.stubEnv("REPLICA_ADMIN_TOKEN", "another");
  await expect(run("list")).rejects.toThrow("[admin_unauthorized]");
});

test("who has asked too often asks again when it is told to, unless that is long", async () => {
  const waits = ["0", "0", "3600"];
  const asked: string[] = [];
  const busy = createServer(({ url = "" }, response) => {
    asked.push(url);
    const wait = url === "/once" && asked.length === 3 ? undefined : waits[asked.length - 1];
    response.writeHead(wait === undefined ? 200 : 429, wait === undefined ? {} : { "retry-after": wait });
    response.end("{}");
  });
  await new Promise<void>((resolve) => busy.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(busy.address() as AddressInfo).port}`;
  expect(await callReplica(url, "/once", { method: "GET" })).toBe("{}");
  expect(asked).toHaveLength(3);
  asked.length = 2;
  await expect(callReplica(url, "/long", { method: "GET" })).rejects.toThrow("refused (HTTP 429)");
  expect(asked).toHaveLength(3);
  await new Promise((resolve) => busy.close(resolve));
});

test.each([
  [[]],
  [["steal"]],
  [["create"]],
  [["create", "me", "--name", "x"]],
  [["list", "all"]],
  [["list", "--name", "x"]],
  [["list", "--nonsense"]],
  [["rotate"]],
  [["rotate", "a", "b"]],
  [["revoke", "a", "--overlap", "1h"]],
])("keys %j is refused as a mistake of the command line", async (args) => {
  await expect(run(...args)).rejects.toThrow(UsageError);
});

test("the table is for people: what each may, when it ends, and nothing that a terminal would obey", () => {
  const now = Date.UTC(2026, 10, 26, 12);
  const text = keysText(
    [
      {
        id: "0".repeat(12),
        name: "a\u001b[31m",
        createdAt: now,
        state: "rotating",
        oldUntil: now,
        usedAt: now - 7_200_000,
      },
      {
        id: "1".repeat(12),
        name: "b",
        createdAt: now,
        roles: ["reader", "w"],
        expiresAt: now,
        state: "expired",
        usedAt: null,
      },
      { id: "2".repeat(12), state: "unreadable", usedAt: null },
    ],
    now,
  );
  expect(text.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
    ["id", "name", "roles", "tenant", "state", "made", "expires", "last used"],
    [
      "0".repeat(12),
      "a?[31m",
      "-",
      "-",
      "rotating, the old one works until 2026-11-26 12:00 UTC",
      "2026-11-26 12:00 UTC",
      "never",
      "2 h ago",
    ],
    ["1".repeat(12), "b", "reader, w", "-", "expired", "2026-11-26 12:00 UTC", "2026-11-26 12:00 UTC", "-"],
    ["2".repeat(12), "-", "-", "-", "unreadable", "-", "never", "-"],
  ]);
  expect(keysText([], now)).toContain("npm run replica -- keys create");
});
