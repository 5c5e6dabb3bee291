import type { Client } from "@modelcontextprotocol/client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Origin, startOrigin } from "../../scripts/origin/startOrigin.ts";
import { type AnyClient, call, connectLegacy, connectModern } from "./clients.ts";

let origin: Origin;
let client: Client;
beforeEach(async () => {
  origin = await startOrigin();
  client = await connectModern(origin.url);
});
afterEach(async () => {
  await client.close();
  await origin.close();
});

const note = (id: string) => call(client as unknown as AnyClient, "add_note", { id, text: "x" });

/** What the client is told from now on, and a way to wait until it is so many. */
function told() {
  const messages: string[] = [];
  let wake = () => {};
  const tell = (message: string) => {
    messages.push(message);
    wake();
  };
  client.setNotificationHandler("notifications/resources/updated", ({ params }) => tell(params.uri));
  client.setNotificationHandler("notifications/resources/list_changed", () => tell("list"));
  return async (count: number) => {
    while (messages.length < count) await new Promise<void>((resolve) => (wake = resolve));
    return messages;
  };
}

test("a listener is told of the feature it asked for, and of no other", async () => {
  const until = told();
  const uri = "bcd://feature/api.AbortController";
  const listening = await client.listen({ resourceSubscriptions: [uri] });
  expect(listening.honoredFilter).toEqual({ resourceSubscriptions: [uri] });
  await note("api.AbortSignal");
  await note("api.AbortController");
  await note("api.AbortController");
  expect(await until(2)).toEqual([uri, uri]);
});

test("both spellings of a feature's address are told", async () => {
  const until = told();
  const uris = ["bcd://feature/api.Headers.%40%40iterator", "bcd://feature/api.Headers.@@iterator"];
  await client.listen({ resourceSubscriptions: uris });
  await note("api.Headers.@@iterator");
  expect(await until(2)).toEqual(uris);
});

test("the list changes with the first note only", async () => {
  const until = told();
  await client.listen({ resourcesListChanged: true, resourceSubscriptions: ["bcd://notes"] });
  const before = (await client.listResources()).resources.length;
  await note("api.AbortController");
  await note("api.AbortSignal");
  expect(await until(3)).toEqual(["bcd://notes", "list", "bcd://notes"]);
  // The notification evicts what the client has cached, so this asks again.
  expect((await client.listResources()).resources).toHaveLength(before + 1);
});

test("a note by a legacy client is told too", async () => {
  const until = told();
  await client.listen({ resourcesListChanged: true });
  const legacy = await connectLegacy(origin.url);
  await call(legacy as unknown as AnyClient, "add_note", { id: "api.AbortController", text: "x" });
  expect(await until(1)).toEqual(["list"]);
  await legacy.close();
});

test("only what is delivered is acknowledged", async () => {
  const listening = await client.listen({
    toolsListChanged: true,
    promptsListChanged: true,
    resourcesListChanged: true,
  });
  expect(listening.honoredFilter).toEqual({ resourcesListChanged: true });
});

test("closing the origin ends open streams in good order, and at once", async () => {
  const listening = await client.listen({ resourcesListChanged: true });
  const began = performance.now();
  await origin.close();
  expect(await listening.closed).toBe("graceful");
  expect(performance.now() - began).toBeLessThan(900);
});
