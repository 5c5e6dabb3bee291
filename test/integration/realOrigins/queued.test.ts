import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../../scripts/serve/freePort.ts";
import { tempFolder } from "../../scripts/runScript.ts";
import { type Cutting, startCutting } from "../support/cutting.ts";
import { type Killable, killable } from "../support/killable.ts";
import { type Replica, startReplica } from "../support/replica.ts";
import { call, modern, said, until } from "../support/wire.ts";
import { command } from "./support/child.ts";
import { connectFirst } from "./support/clients.ts";

const file = path.join(tempFolder(), "memory.jsonl");
const TASKS = { capabilities: { extensions: { "io.modelcontextprotocol/tasks": {} } } };
let passing: Cutting;
let origin: Killable;
let replica: Replica;

beforeAll(async () => {
  const port = await freePort();
  const own = ["--host", "127.0.0.1", "--port", String(port), "--server", "stream"];
  const args = [command("mcp-proxy"), ...own, "--", process.execPath, command("mcp-server-memory")];
  origin = killable(args, () => fetch(`http://127.0.0.1:${port}`).then(() => true), { MEMORY_FILE_PATH: file });
  passing = await startCutting(port);
  const write = { queue: "when-down", unlessTask: "notify" } as const;
  const tools = { create_entities: { write }, add_observations: { write } };
  await origin.start();
  replica = await startReplica({ origins: { memory: { url: passing.url, modernize: "always", tools } } });
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([origin?.kill(), passing?.close()]);
});

/** What the memory server has in its file: the judge. */
async function entities(): Promise<[name: string, observations: string[]][]> {
  const lines = (await readFile(file, "utf8")).split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line)).map(({ name, observations }) => [name, observations]);
}

const create = (name: string) => ({
  name: "create_entities",
  arguments: { entities: [{ name, entityType: "person", observations: [] }] },
});
const observe = (entityName: string, ...contents: string[]) => ({
  name: "add_observations",
  arguments: { observations: [{ entityName, contents }] },
});

test(
  "the memory server is sent what came while it was down, once each and in order, and its callers are told what it says",
  { timeout: 60_000 },
  async () => {
    const { client } = await connectFirst(replica.mcp);
    expect((await client.callTool({ name: "read_graph", arguments: {} })).isError).toBeFalsy();
    await origin.kill();

    // In a session of the server's, which it will have forgotten: a notice. Of who knows tasks: tasks.
    const notices = [await client.callTool(create("Ada")), await client.callTool(observe("Ada", "first", "second"))];
    const asTask = async (what: ReturnType<typeof create | typeof observe>): Promise<string> => {
      const { body } = await call(replica.mcp, what.name, what.arguments, TASKS);
      expect(body.result).toMatchObject({ resultType: "task", status: "working" });
      return body.result.taskId;
    };
    const tasks = [
      await asTask(observe("Babbage", "too early")),
      await asTask(create("Babbage")),
      await asTask(observe("Babbage", "third")),
    ];
    const told = notices.map(({ isError, _meta }: any) => [isError, _meta["edge-replica/error"].code]);
    expect(told).toEqual([
      [true, "write_queued"],
      [true, "write_queued"],
    ]);
    const get = async (taskId: string) => {
      const ask = { ...TASKS, headers: { "mcp-name": taskId } };
      return (await modern(replica.mcp, "tasks/get", { taskId }, ask)).body.result;
    };
    expect(await Promise.all(tasks.map(get))).toEqual(tasks.map(() => expect.objectContaining({ status: "working" })));
    expect(passing.passed.map(({ tool }) => tool)).toEqual(["read_graph"]);

    const [underWay, most] = [new Set<object>(), { at: 0 }];
    passing.cuts = {
      before: (one) => (underWay.add(one), (most.at = Math.max(most.at, underWay.size)), false),
      after: (one) => (underWay.delete(one), false),
    };
    await origin.start();
    await until(
      async () => {
        const asked = await fetch(`${replica.url}/admin/jobs`, { method: "POST", body: '{"drain":true}' });
        return asked.status === 429 ? undefined : ((await asked.json()) as { counts: { done: number } }).counts.done;
      },
      (done) => done === 5,
      20_000,
    );
    expect(await entities()).toEqual([
      ["Ada", ["first", "second"]],
      ["Babbage", ["third"]],
    ]);
    // The server takes no name twice: what reached it says that nothing was sent twice.
    expect(passing.passed.slice(1).map(({ tool, args }) => ({ name: tool, arguments: args }))).toEqual([
      create("Ada"),
      observe("Ada", "first", "second"),
      observe("Babbage", "too early"),
      create("Babbage"),
      observe("Babbage", "third"),
    ]);
    expect(most.at).toBe(1);
    const [early, , last] = await Promise.all(tasks.map(get));
    expect(early).toMatchObject({ status: "completed", result: { isError: true } });
    expect(early.result.content[0].text).toContain("Babbage");
    expect(last).toMatchObject({ status: "completed" });
    expect(JSON.parse(last.result.content[0].text)).toEqual([{ entityName: "Babbage", addedObservations: ["third"] }]);

    // And now that it is there, what it answers comes at once.
    const now = await call(replica.mcp, "create_entities", create("Lovelace").arguments);
    expect(said(now)).toContain("Lovelace");
    expect((await entities()).map(([name]) => name)).toEqual(["Ada", "Babbage", "Lovelace"]);
    await client.close();
  },
);
