import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { startOrigin } from "../../scripts/origin/startOrigin.ts";
import { configFile } from "../../scripts/replica/configFile.ts";
import { wranglerRateLimits } from "../../scripts/serve/rateLimits.ts";
import { propose } from "../../scripts/replica/propose.ts";
import { readConfig } from "../../scripts/serve/bundle.ts";
import { runScript, tempFolder } from "./runScript.ts";

const replica = (...args: string[]) => runScript("scripts/replica/main.ts", args);

test.each([["--help"], ["help"], ["status", "--help"]])(
  "%s shows the usage, and that is no mistake",
  async (...args) => {
    const script = replica(...args);
    expect(await script.ended).toBe(0);
    expect(script.output()).toMatch(/^npm run replica -- init URL/m);
  },
);

describe("init", () => {
  test("writes a config file that the replica takes, with reads cached and writes not, and a reason for each", async () => {
    const origin = await startOrigin({});
    const file = path.join(tempFolder(), "replica.config.ts");
    try {
      const script = replica("init", origin.url, "--write", file);
      expect(await script.ended, script.output()).toBe(0);
      const { origins, limits } = resolve(await readConfig(file));
      // What it names is bound in the file that is deployed with it.
      expect(wranglerRateLimits()).toMatchObject({ [limits.edge!]: { limit: 600 }, [limits.origin!]: { limit: 50 } });
      const tools = origins.get("browser-compat-origin")!.tools;
      expect(tools.find("get_feature")?.value.cache?.ttlMs).toBe(60_000);
      expect(tools.find("add_note")).toBeUndefined();
      const text = readFileSync(file, "utf8");
      expect(text).toContain("// add_note: not cached: the origin marks it readOnlyHint: false.");
      expect(text).toMatch(/get_feature: .* \/\/ the origin marks it readOnlyHint: true\./);
      // A second run keeps the first file.
      await replica("init", origin.url, "--write", file).ended;
      expect(readFileSync(`${file}.old`, "utf8")).toBe(text);
    } finally {
      await origin.close();
    }
  });

  test("without --write prints the file, and nothing else, to standard output", async () => {
    const origin = await startOrigin({});
    try {
      const script = replica("init", origin.url);
      expect(await script.ended).toBe(0);
      const file = path.join(tempFolder(), "printed.ts");
      writeFileSync(file, script.output());
      expect(resolve(await readConfig(file)).defaultOrigin?.settings.id).toBe("browser-compat-origin");
    } finally {
      await origin.close();
    }
  });

  test("a server that is not there is a clear error", async () => {
    const script = replica("init", "http://127.0.0.1:1/mcp");
    expect(await script.ended).toBe(1);
    expect(script.output()).toContain("Cannot list the tools of http://127.0.0.1:1/mcp");
  });

  test("no URL, or no such command, shows the usage", async () => {
    for (const args of [["init"], ["init", "nowhere"], ["dance"], []]) {
      const script = replica(...args);
      expect(await script.ended).toBe(2);
      expect(script.output()).toContain("npm run replica -- init URL");
    }
  });
});

describe("a proposal", () => {
  test.each([
    ["delete_everything", { readOnlyHint: true }, true, "readOnlyHint: true"],
    ["get_user", { readOnlyHint: false }, false, "readOnlyHint: false"],
    ["get_user", { destructiveHint: true }, false, "destructiveHint: true"],
    ["get_user", {}, true, '"get" reads'],
    ["getUserById", undefined, true, '"get" reads'],
    ["github.list-issues", undefined, true, '"list" reads'],
    ["get_or_create_user", undefined, false, '"create" writes'],
    ["sendEmail", undefined, false, '"send" writes'],
    ["magic", undefined, false, "does not say"],
    ["__proto__", undefined, false, "does not say"],
  ])("for %s with %j: cached %s, because %s", (name, annotations, cached, reason) => {
    const proposal = propose({ name, annotations });
    expect(proposal.cache !== undefined).toBe(cached);
    expect(proposal.reason).toContain(reason);
  });

  test("names that could break out of the file do not", async () => {
    const names = ['x" } }, evil: { "', "a\n} process.exit(1) //", "__proto__", "constructor", "has-dash", "\u2028"];
    const proposals = names.map((tool, index) => ({
      tool,
      cache: index % 2 ? undefined : { ttl: "1m" as const },
      reason: "r\n}",
    }));
    const file = path.join(tempFolder(), "hostile.ts");
    writeFileSync(file, configFile({ id: "o", url: "https://a.test/mcp", proposals }));
    const config = (await readConfig(file)) as { origins: { o: { tools: object } } };
    expect(Object.keys(config.origins.o.tools)).toEqual([names[0], names[2], names[4]]);
  });
});
