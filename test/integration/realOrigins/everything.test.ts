import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Replica, startReplica } from "../support/replica.ts";
import { actOf, titleOf, toolsOf } from "./support/calls.ts";
import { CLIENTS, connectFirst, connectPinned } from "./support/clients.ts";
import { expectSame, type Sides } from "./support/exchange.ts";
import { type RealOrigin, startEverything } from "./support/origins.ts";
import { expectSameMeeting, expectSameSurface } from "./support/surface.ts";
import { CALLS, CHANGING, REFUSED_CALLS, SURFACE, TASK_CALLS } from "./tables/everything.ts";

let own: RealOrigin;
let behind: RealOrigin;
let replica: Replica;
beforeAll(async () => {
  [own, behind] = await Promise.all([startEverything(), startEverything()]);
  replica = await startReplica({ origins: { everything: { url: behind.url } } });
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([own?.close(), behind?.close()]);
});

describe.each(CLIENTS)("the reference server and the client %s", (name, connect) => {
  let sides: Sides;
  beforeAll(async () => {
    const [direct, through] = await Promise.all([connect(own.url), connect(replica.mcp)]);
    sides = { direct, through, changing: CHANGING };
    // The origin asks for the roots a moment after the start, and says when it has them.
    const hasRoots = (messages: object[]) =>
      messages.some((message) => JSON.stringify(message).includes("Roots updat"));
    await Promise.all([direct.until(hasRoots), through.until(hasRoots)]);
  });
  afterAll(() => Promise.all([sides?.direct.close(), sides?.through.close()]));

  const knowsTasks = name === "sdk 1";
  const table = knowsTasks ? [...CALLS, ...TASK_CALLS] : [...CALLS, ...REFUSED_CALLS];

  test("has a table of all its tools", async () => {
    for (const { client } of [sides.direct, sides.through]) {
      const { tools } = await client.listTools();
      expect(toolsOf(table)).toEqual(tools.map(({ name }) => name).sort());
    }
  });

  test("meet alike", () => expectSameMeeting(sides));

  test.each(table.map((call) => [titleOf(call), call] as const))("answer the same to %s", (_, call) =>
    expectSame(sides, actOf(call)),
  );

  test("list, read, get and complete the same", () => expectSameSurface(sides, SURFACE));

  test("refuse alike what does not exist", async () => {
    const acts: ((client: any) => Promise<unknown>)[] = [
      (client) => client.callTool({ name: "no-such-tool", arguments: {} }),
      (client) => client.readResource({ uri: "demo://resource/none" }),
      (client) => client.getPrompt({ name: "no-such-prompt" }),
      (client) => client.getPrompt({ name: "args-prompt", arguments: {} }),
    ];
    for (const act of acts) await expectSame(sides, { do: act, fails: true });
  });

  test("keep many calls at once apart", async () => {
    const messages = Array.from({ length: 20 }, (_, index) => `message ${index}`);
    const answers = await Promise.all(
      messages.map((message) => sides.through.client.callTool({ name: "echo", arguments: { message } })),
    );
    expect(answers).toEqual(messages.map((message) => ({ content: [{ type: "text", text: `Echo: ${message}` }] })));
  });

  test("are silent alike below the level of the log", async () => {
    await expectSame(sides, { do: (client) => client["setLoggingLevel"]("emergency") });
    const uri = "demo://resource/dynamic/text/2";
    await expectSame(sides, { do: (client) => client["subscribeResource"]({ uri }) });
    await expectSame(sides, { do: (client) => client["setLoggingLevel"]("debug") });
    const brings = ["notifications/message"];
    await expectSame(sides, { do: (client) => client["unsubscribeResource"]({ uri }), brings });
  });

  test("end a session alike", async () => {
    await expectSame(sides, { do: (_, party) => party.endSession() });
    expect(sides.through.isInSession).toBe(false);
    const again = { name: "echo", arguments: { message: "still there?" } };
    await expectSame(sides, { do: (client) => client.callTool(again), fails: true });
  });
});

test("a client that gives up a call tells the origin so, also through the replica", async () => {
  const outcome = async ({ url }: { url: string }) => {
    const party = await connectFirst(url);
    const giveUp = new AbortController();
    const args = { name: "trigger-long-running-operation", arguments: { duration: 0.2, steps: 2 } };
    const options = { signal: giveUp.signal, onprogress: () => giveUp.abort("enough") };
    const { code, message } = await (party.client as any)
      .callTool(args, undefined, options)
      .catch((error: any) => error);
    return { code, message, party };
  };
  const [direct, through] = await Promise.all([outcome(own), outcome({ url: replica.mcp })]);
  expect([through.code, through.message]).toEqual([direct.code, direct.message]);
  await vi.waitFor(() => expect([own, behind].map(({ count }) => count("notifications/cancelled"))).toEqual([1, 1]));
  await Promise.all([direct.party.close(), through.party.close()]);
});

test("a client of the modern era alone is refused by the replica as by the reference server itself", async () => {
  const refusal = async (url: string) => {
    const error = await connectPinned(url).then(
      () => undefined,
      (error: Error & { code?: unknown; data?: unknown }) => error,
    );
    return { code: error?.code, message: error?.message, data: error?.data };
  };
  const direct = await refusal(own.url);
  expect(direct).toMatchObject({ code: "ERA_NEGOTIATION_FAILED" });
  expect(await refusal(replica.mcp)).toEqual(direct);
});

test("where the operator wants it, such a client is served, in a session that the replica opens", async () => {
  const always = await startReplica({ origins: { everything: { url: behind.url, modernize: "always" } } });
  const opened = behind.count("initialize");
  const party = await connectPinned(always.mcp);
  const { client } = party;
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(["echo", "get-sum", "get-structured-content"]));
  const said = async (name: string, args: Record<string, unknown>) =>
    (await client.callTool({ name, arguments: args })) as any;
  expect((await said("echo", { message: "hello" })).content[0].text).toBe("Echo: hello");
  expect((await said("get-structured-content", { location: "Chicago" })).structuredContent).toMatchObject({
    conditions: expect.any(String),
  });
  const progress: unknown[] = [];
  const long = { name: "trigger-long-running-operation", arguments: { duration: 0.09, steps: 3 } };
  await (client as any).callTool(long, { onprogress: (one: unknown) => progress.push(one) });
  expect(progress).toMatchObject([{ progress: 1 }, { progress: 2 }, { progress: 3 }]);
  expect((await client.readResource({ uri: "demo://resource/dynamic/text/1" })).contents).toHaveLength(1);
  expect((await client.listPrompts()).prompts.length).toBeGreaterThan(0);
  expect((await client.getPrompt({ name: "simple-prompt", arguments: {} })).messages).toHaveLength(1);
  // One or two to learn what the origin is, and one for all calls.
  expect(behind.count("initialize") - opened).toBeLessThanOrEqual(3);
  await party.close();
  await always.close();
});
