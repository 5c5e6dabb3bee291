import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Replica, startReplica } from "../support/replica.ts";
import { comparable } from "./support/comparable.ts";
import { inspect } from "./support/inspector.ts";
import { type RealOrigin, startEverything, startFilesystem, startMemory } from "./support/origins.ts";
import { CHANGING } from "./tables/everything.ts";

let origins: Record<"everything" | "memory" | "files", RealOrigin>;
let replica: Replica;
beforeAll(async () => {
  const [everything, memory, files] = await Promise.all([
    startEverything(),
    startMemory("stateless"),
    startFilesystem("sessions"),
  ]);
  origins = { everything, memory, files };
  const cache = { ttl: "60s", scope: "public" } as const;
  replica = await startReplica({
    origins: {
      everything: { url: everything.url, tools: { "get-sum": { cache } } },
      memory: { url: memory.url, tools: { read_graph: { cache } } },
      files: { url: files.url, tools: { list_allowed_directories: { cache } } },
    },
  });
});
afterAll(async () => {
  await replica?.close();
  for (const origin of Object.values(origins ?? {})) await origin.close();
});

const SUM = ["tools/call", "--tool-name", "get-sum", "--tool-arg", "a=2", "b=40"] as const;
const GRAPH = ["tools/call", "--tool-name", "read_graph"] as const;
const FOLDERS = ["tools/call", "--tool-name", "list_allowed_directories"] as const;
const DOCUMENT = "demo://resource/static/document/features.md";

describe("the Inspector's command line", () => {
  const same = async (name: keyof typeof origins, [method, ...args]: readonly [string, ...string[]]) => {
    const [own, through] = await Promise.all([
      inspect(origins[name].url, method, ...args),
      inspect(`${replica.mcp}/${name}`, method, ...args),
    ]);
    expect(Object.keys(own).length).toBeGreaterThan(0);
    expect(comparable(through, CHANGING)).toEqual(comparable(own, CHANGING));
  };

  test.each([
    ["everything", ["tools/list"]],
    ["everything", ["resources/read", "--uri", DOCUMENT]],
    ["everything", ["prompts/get", "--prompt-name", "args-prompt", "--prompt-args", "city=Zürich"]],
    ["memory", ["tools/list"]],
    ["memory", ["resources/list"]],
    ["files", ["tools/list"]],
  ] as const)("prints the same of the %s server: %j", same);

  test.each([
    ["everything", SUM, "get-sum"],
    ["memory", GRAPH, "read_graph"],
    ["files", FOLDERS, "list_allowed_directories"],
  ] as const)("prints the same of the %s server, the second time from the cache: %j", async (name, call, tool) => {
    await same(name, call);
    const { count } = origins[name];
    const before = count("tools/call", tool);
    const [method, ...args] = call;
    const again = await inspect(`${replica.mcp}/${name}`, method, ...args);
    expect([again["_meta"]?.["edge-replica/cache"]?.status, count("tools/call", tool) - before]).toEqual(["hit", 0]);
  });

  test("writes once for each run", async () => {
    const entities = JSON.stringify([{ name: "Ada", entityType: "person", observations: [] }]);
    const args = ["--tool-name", "create_entities", "--tool-arg", `entities=${entities}`];
    const [first, second] = [
      await inspect(`${replica.mcp}/memory`, "tools/call", ...args),
      await inspect(`${replica.mcp}/memory`, "tools/call", ...args),
    ];
    expect([first["structuredContent"].entities.length, second["structuredContent"].entities.length]).toEqual([1, 0]);
    expect(origins.memory.count("tools/call", "create_entities")).toBe(2);
  });
});
