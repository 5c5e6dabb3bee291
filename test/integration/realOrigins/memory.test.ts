import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Replica, startReplica } from "../support/replica.ts";
import { actOf, titleOf, toolsOf } from "./support/calls.ts";
import { ALL_CLIENTS } from "./support/clients.ts";
import { expectSame, type Sides } from "./support/exchange.ts";
import { contentOf, refill } from "./support/files.ts";
import { type RealOrigin, startMemory } from "./support/origins.ts";
import type { Party } from "./support/party.ts";
import { expectSameMeeting, expectSameSurface } from "./support/surface.ts";
import { CALLS, SURFACE } from "./tables/memory.ts";

let own: RealOrigin;
let behind: RealOrigin;
let replica: Replica;
beforeAll(async () => {
  [own, behind] = await Promise.all([startMemory("sessions"), startMemory("sessions")]);
  // What the origin tells reaches callers of the modern revision by the replica's own stream.
  const sync = { listen: "auto", pulse: "250ms" } as const;
  replica = await startReplica({ origins: { memory: { url: behind.url, sync } } });
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([own?.close(), behind?.close()]);
});

describe.each(ALL_CLIENTS)("the memory server and the client %s", (_, connect) => {
  let sides: Sides;
  beforeAll(async () => {
    await Promise.all([refill(own.folder, {}), refill(behind.folder, {})]);
    const [direct, through] = await Promise.all([connect(own.url), connect(replica.mcp)]);
    sides = { direct, through };
  });
  afterAll(() => Promise.all([sides?.direct.close(), sides?.through.close()]));

  test("has a table of all its tools", async () => {
    for (const { client } of [sides.direct, sides.through]) {
      const { tools } = await client.listTools();
      expect(toolsOf(CALLS)).toEqual(tools.map(({ name }) => name).sort());
    }
  });

  test("meet alike", () => expectSameMeeting(sides));

  test.each(CALLS.map((call) => [titleOf(call), call] as const))("answer the same to %s", (_, call) =>
    expectSame(sides, actOf(call)),
  );

  test("list and read the same", () => expectSameSurface(sides, SURFACE));

  test("leave the same file behind", async () => {
    const content = await contentOf(own.folder);
    expect(Object.keys(content)).toEqual(["memory.jsonl"]);
    expect(Buffer.from(content["memory.jsonl"]!, "base64").toString()).toContain("first program");
    expect(await contentOf(behind.folder)).toEqual(content);
  });

  test("tell the same of a change", async () => {
    const uri = "memory://knowledge-graph";
    const watch = async ({ client, isModern }: Party): Promise<() => Promise<unknown>> => {
      if (isModern) {
        const subscription = await client["listen"]({ resourceSubscriptions: [uri] });
        return () => subscription.close();
      }
      await client["subscribeResource"]({ uri });
      return () => client["unsubscribeResource"]({ uri });
    };
    const ends = await Promise.all([watch(sides.direct), watch(sides.through)]);
    const entities = [{ name: "Babbage", entityType: "person", observations: [] }];
    const create = { name: "create_entities", arguments: { entities } };
    const brings = ["notifications/resources/updated"];
    await expectSame(sides, { do: (client) => client.callTool(create), brings });
    await Promise.all(ends.map((end) => end()));
  });
});
