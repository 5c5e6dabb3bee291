import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import type { Origin } from "../origin/startOrigin.ts";
import { ask, connect, say } from "./connect.ts";

const [FIRST, SECOND] = ["css.properties.gap", "css.properties.color"];
/** Two on one key of the order, one on another. */
const WRITES = [
  { id: FIRST, text: "Written first, while the origin was down." },
  { id: SECOND, text: "Written to another feature." },
  { id: FIRST, text: "Written second." },
] as const;
const MODERN = "2026-07-28";
const TASKS = { extensions: { "io.modelcontextprotocol/tasks": {} } };

/** What is shown of a task. */
interface Task {
  taskId: string;
  status: string;
  result?: { structuredContent?: { count?: number } };
}

/** Shows that writes are kept while the origin is down, and sent once, in order. Gives the origin that runs in the end. */
export async function showOutbox(replica: string, origin: Origin, restart: () => Promise<Origin>): Promise<Origin> {
  const url = `${replica}/mcp/written`;
  const client = await connect(url);
  try {
    for (const id of [FIRST, SECOND]) await ask(client, "get_feature", { id });
    await origin.close();
    say("\nThe origin is stopped, and an agent writes three notes. It gets tasks");
    const tasks: Task[] = [];
    for (const args of WRITES) {
      const task = await request<Task>(url, "tools/call", { name: "add_note", arguments: args });
      assert.equal(task.status, "working");
      say(`  ${args.id}: ${task.status}, ${task.taskId}`);
      tasks.push(task);
    }
    const read = await client.callTool({ name: "get_feature", arguments: { id: FIRST } });
    const told = read._meta?.["edge-replica/cache"] as { pendingWrites?: number } | undefined;
    assert.equal(told?.pendingWrites, 2);
    say("Who reads meanwhile is told that 2 writes wait");

    origin = await restart();
    say("The origin is back. Each is sent, once, in order");
    const counts: (number | undefined)[] = [];
    for (const { taskId } of tasks) {
      const { status, result } = await untilOver(url, taskId);
      assert.equal(status, "completed");
      counts.push(result?.structuredContent?.count);
      say(`  ${taskId}: ${status}, the origin says that it is note ${counts.at(-1)} there`);
    }
    assert.deepEqual(counts, [1, 1, 2]);
    const { text = "" } = await ask(client, "get_feature", { id: FIRST });
    const { notes } = JSON.parse(text) as { notes: { text: string }[] };
    const wanted = WRITES.filter(({ id }) => id === FIRST).map((write) => write.text);
    assert.deepEqual(
      notes.map((note) => note.text),
      wanted,
    );
    say(`and who reads sees them: ${JSON.stringify(wanted)}`);
    return origin;
  } finally {
    await client.close();
  }
}

/** The task, when it is over. */
async function untilOver(url: string, taskId: string): Promise<Task> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await wait(250)) {
    const task = await request<Task>(url, "tasks/get", { taskId });
    if (task.status !== "working") return task;
  }
  throw new Error(`${taskId} is not over within 60 s.`);
}

/** Asks as a client does that knows tasks: those of today's libraries do not yet. */
async function request<T>(url: string, method: string, params: Record<string, unknown>): Promise<T> {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": { name: "demo", version: "0.1.0" },
    "io.modelcontextprotocol/clientCapabilities": TASKS,
  };
  const response = await fetch(url, {
    method: "POST",
    headers: {
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": MODERN,
      "mcp-method": method,
      "mcp-name": String(params["name"] ?? params["taskId"]),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: meta } }),
  });
  const text = await response.text();
  const { result } = JSON.parse(text) as { result?: T };
  assert(result, text);
  return result;
}
