import { afterEach, expect, test } from "vitest";
import { type Origin, type OriginOptions, startOrigin } from "../../scripts/origin/startOrigin.ts";
import { type AnyClient, call, connectModern, refusal } from "./clients.ts";

const ID = "api.AbortController";
let opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.toReversed()) await each.close();
  opened = [];
});

async function start(options: OriginOptions) {
  const origin: Origin = await startOrigin({ only: "api.Abort", ...options });
  opened.push(origin);
  const client = await connectModern(origin.url);
  opened.push(client);
  return { origin, modern: client, client: client as unknown as AnyClient };
}

test("what is edited shows everywhere, in this origin alone, and those who listen are told", async () => {
  const { client, modern } = await start({ editable: true });
  const told: string[] = [];
  modern.setNotificationHandler("notifications/resources/updated", ({ params }) => void told.push(params.uri));
  const uri = `bcd://feature/${ID}`;
  await modern.listen({ resourceSubscriptions: [uri, "bcd://feature/api.AbortSignal"] });
  const { total, nextCursor } = await call(client, "list_features", { limit: 1 });
  const described = await call(client, "set_description", { id: ID, description: " Blue Sirens " });
  expect(described).toEqual({ id: ID, description: "Blue Sirens" });
  expect(await call(client, "get_feature", { id: ID })).toMatchObject(described);
  expect(await call(client, "search_features", { query: "blue siren" })).toEqual({ features: [described], total: 1 });
  expect(await refusal(client, "list_features", { cursor: nextCursor })).toContain("not valid here");
  const later = await call(client, "list_features", { limit: 1 });
  expect(later.total).toBe(total);
  expect(await call(client, "remove_feature", { id: ID })).toEqual({ id: ID, total: total - 1 });
  expect(await refusal(client, "get_feature", { id: ID })).toContain("There is no feature");
  expect(await refusal(client, "remove_feature", { id: ID })).toContain("There is no feature");
  expect(await refusal(client, "set_description", { id: ID, description: "x" })).toContain("There is no feature");
  expect(await refusal(client, "list_features", { cursor: later.nextCursor })).toContain("not valid here");
  expect((await call(client, "list_features", {})).total).toBe(total - 1);
  await expect.poll(() => told).toEqual([uri, uri]);
  const other = await start({});
  expect((await call(other.client, "get_feature", { id: ID })).description).not.toBe("Blue Sirens");
});

test("without the option there are no such tools, and edits from within tell nobody", async () => {
  const { client, origin, modern } = await start({});
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).not.toContain("remove_feature");
  await expect(client.callTool({ name: "set_description", arguments: { id: ID, description: "x" } })).rejects.toThrow();
  const told: string[] = [];
  modern.setNotificationHandler("notifications/resources/updated", ({ params }) => void told.push(params.uri));
  await modern.listen({ resourceSubscriptions: [`bcd://feature/${ID}`] });
  expect(origin.catalog.describe(ID, "Quiet")).toBe(true);
  expect(origin.catalog.describe("api.Nope", "Quiet")).toBe(false);
  expect((await call(client, "get_feature", { id: ID })).description).toBe("Quiet");
  // What is told of comes in order, so that by the note's the edit's would have come.
  await call(client, "add_note", { id: ID, text: "x" });
  await expect.poll(() => told).toEqual([`bcd://feature/${ID}`]);
});

test("the tools that edit say that they destroy", async () => {
  const { client } = await start({ editable: true });
  const { tools } = await client.listTools();
  for (const name of ["set_description", "remove_feature"]) {
    const annotations = tools.find((tool) => tool.name === name)?.annotations;
    expect(annotations).toMatchObject({ readOnlyHint: false, destructiveHint: true, idempotentHint: true });
  }
});

test("a part of the data can be served alone", async () => {
  const { client } = await start({});
  const { features } = await call(client, "list_features", { limit: 2_000 });
  expect(features.length).toBeGreaterThan(5);
  expect(features.every(({ id }: { id: string }) => id.startsWith("api.Abort"))).toBe(true);
});
