import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer as ModernServer } from "@modelcontextprotocol/server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ear, listen } from "./support/listening.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { startSdkFirstOrigin } from "./support/sdkFirstOrigin.ts";
import { modern, until } from "./support/wire.ts";

const TOOLS = "notifications/tools/list_changed";
const URI = "test://fixed";
const BOTH = [0, 1];

/** An origin that changes behind the replica's back. */
interface Changing {
  url: string;
  /** What reached it. */
  seen: string[];
  /** Has another tool, and says so. */
  addTool: (name: string) => void;
  /** Says that its tools have changed, though they have not. */
  cry: () => void;
  change: (uri: string) => void;
  close: () => Promise<void>;
}

async function startModern(): Promise<Changing> {
  const names = ["first"];
  let text = 0;
  const seen: string[] = [];
  const handler = createMcpHandler(
    () => {
      const server = new ModernServer(
        { name: "changing", version: "1" },
        { capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true } } },
      );
      for (const name of names) server.registerTool(name, {}, () => ({ content: [] }));
      server.registerResource("fixed", URI, {}, () => ({ contents: [{ uri: URI, text: `${text}` }] }));
      return server;
    },
    { legacy: "stateless" },
  );
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => seen.push(JSON.parse(Buffer.concat(parts).toString() || "{}").method ?? request.method));
    void toNodeHandler(handler)(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    seen,
    addTool: (name) => {
      names.push(name);
      handler.bus.publish({ kind: "tools_list_changed" });
    },
    cry: () => handler.bus.publish({ kind: "tools_list_changed" }),
    change: (uri) => {
      text++;
      handler.bus.publish({ kind: "resource_updated", uri });
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await handler.close();
    },
  };
}

async function startLegacy(): Promise<Changing> {
  const names: string[] = [];
  const add = (server: McpServer, name: string) => server.registerTool(name, {}, () => ({ content: [] }));
  const origin = await startSdkFirstOrigin({
    sessions: true,
    more: (server) => {
      for (const name of names) add(server, name);
    },
  });
  const servers = () => [...origin.open.values()].map((session) => (session as { mcp: McpServer }).mcp);
  return {
    ...origin,
    addTool: (name) => {
      names.push(name);
      // It says so in each of its sessions.
      for (const server of servers()) add(server, name);
    },
    cry: () => {
      for (const server of servers()) server.sendToolListChanged();
    },
  };
}

describe.each([
  ["of the modern revision", startModern],
  ["of the earlier ones, with sessions", startLegacy],
])("an official server %s", (_, start) => {
  let origin: Changing;
  let replica: Replica;
  let ears: Ear[];
  const list = (instance: number) => modern(`${replica.urls[instance]}/mcp`, "tools/list");

  beforeAll(async () => {
    origin = await start();
    replica = await startReplica(
      {
        origins: {
          o: {
            url: origin.url,
            sync: { pulse: "250ms", listen: "auto" },
            modernize: "always",
            lists: { defaultTtl: "10m" },
          },
        },
      },
      { instances: 2 },
    );
    for (const instance of BOTH) {
      // The first answers show what the origin is; these are kept, however long they are promised.
      await until(
        () => list(instance),
        ({ cache }) => cache !== undefined,
      );
    }
    const filter = { toolsListChanged: true, resourceSubscriptions: [URI] };
    ears = await Promise.all(BOTH.map((instance) => listen(`${replica.urls[instance]}/mcp`, filter)));
    await Promise.all(ears.map((ear) => ear.heard(1)));
  });
  afterAll(async () => {
    for (const ear of ears ?? []) ear.leave();
    await replica?.close();
    await origin?.close();
  });

  const told = () => ears.map((ear) => ear.told().slice(1));
  /** Changes the resource until all hear of it: from then on the origin is listened to for it. */
  const heard = async (count: number) => {
    await expect
      .poll(
        () => {
          origin.change(URI);
          return told().every((one) => one.filter((what) => what === URI).length >= count);
        },
        { timeout: 10_000, interval: 700 },
      )
      .toBe(true);
  };

  test("that has another tool: each listener is told once, and both instances show it", async () => {
    await heard(1);
    origin.addTool("second");
    await Promise.all(ears.map((ear) => ear.until(() => ear.told().includes(TOOLS))));
    for (const instance of BOTH) expect((await list(instance)).text).toContain("second");
    // Once it says so without reason, nobody is told.
    origin.cry();
    const so = told().map((one) => one.filter((what) => what === URI).length);
    await heard(Math.max(...so) + 1);
    expect(told().map((one) => one.filter((what) => what === TOOLS))).toEqual([[TOOLS], [TOOLS]]);
  });

  test("has one stream of the replica's open", () => {
    const streams = origin.seen.filter((method) => method === "GET" || method === "subscriptions/listen");
    // The first was from before a resource was in use, where that takes another.
    expect(streams.length).toBeLessThanOrEqual(2);
  });
});
