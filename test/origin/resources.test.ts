import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Origin, startOrigin } from "../../scripts/origin/startOrigin.ts";
import { type AnyClient, call, CLIENTS, connectLegacy, connectModern } from "./clients.ts";

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin();
});
afterAll(() => origin.close());

describe.each(CLIENTS)("resources and prompts, %s client", (_name, connect) => {
  let client: AnyClient;
  beforeAll(async () => {
    client = await connect(origin.url);
  });
  afterAll(() => client.close());

  const read = async (uri: string) => {
    const { contents } = await client.readResource({ uri });
    expect(contents).toMatchObject([{ uri, mimeType: "application/json" }]);
    return JSON.parse(contents[0]!.text as string);
  };

  test("the list is short: the browsers and each browser", async () => {
    const uris = (await client.listResources()).resources.map((resource) => resource.uri);
    expect(uris.slice(0, 3)).toEqual(["bcd://browsers", "bcd://browser/bun", "bcd://browser/chrome"]);
    expect(uris).toHaveLength(18);
    const { browsers } = await read("bcd://browsers");
    expect(browsers.map((browser: { uri: string }) => browser.uri)).toEqual(uris.slice(1));
    expect(await read("bcd://browser/ie")).toMatchObject({ id: "ie", title: "Internet Explorer", current: "11" });
  });

  test("a feature is read by the template, as get_feature has it", async () => {
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates.map((template) => template.uriTemplate)).toEqual(["bcd://feature/{id}"]);
    for (const id of ["api.AbortController", "api.Headers.@@iterator"]) {
      const feature = await call(client, "get_feature", { id });
      expect(await read(`bcd://feature/${id}`)).toEqual(feature);
      expect(await read(`bcd://feature/${encodeURIComponent(id)}`)).toEqual(feature);
    }
  });

  test.each([
    "bcd://feature/api.Nope",
    "bcd://feature/%E0%A4%A",
    "bcd://browser/netscape",
    "bcd://notes",
    "bcd://else",
  ])("%s is not found", async (uri) => {
    await expect(client.readResource({ uri })).rejects.toMatchObject({ code: -32602, data: { uri } });
  });

  test("the template's id is completed", async () => {
    const complete = (value: string) =>
      client.complete({
        ref: { type: "ref/resource", uri: "bcd://feature/{id}" },
        argument: { name: "id", value },
      });
    const { completion } = await complete("API.abortcontroller.");
    expect(completion.values).toContain("api.AbortController.signal");
    expect(completion.values.every((id) => id.startsWith("api.AbortController."))).toBe(true);
    const { completion: all } = await complete("");
    expect(all.values).toHaveLength(100);
    expect(all.hasMore).toBe(true);
    expect(all.total).toBeGreaterThan(15_000);
  });

  test("the prompt carries the support of a feature, and its id is completed", async () => {
    expect((await client.listPrompts()).prompts.map((prompt) => prompt.name)).toEqual(["compare_support"]);
    const { messages } = await client.getPrompt({ name: "compare_support", arguments: { id: "api.AbortController" } });
    expect(messages).toHaveLength(1);
    const { text } = messages[0]!.content as { text: string };
    expect(text).toContain("Compare how the browsers support api.AbortController.");
    expect(JSON.parse(text.slice(text.indexOf("{"))).chrome.added).toBe("66");
    const { completion } = await client.complete({
      ref: { type: "ref/prompt", name: "compare_support" },
      argument: { name: "id", value: "api.AbortController.s" },
    });
    expect(completion.values).toEqual(["api.AbortController.signal"]);
  });

  test("the prompt refuses an unknown id", async () => {
    const asked = client.getPrompt({ name: "compare_support", arguments: { id: "api.Nope" } });
    await expect(asked).rejects.toMatchObject({ code: -32602 });
  });
});

describe("what each era is told", () => {
  test("the modern era gets cache hints on all six results and may listen for resources", async () => {
    const client = await connectModern(origin.url);
    const hint = { ttlMs: 60_000, cacheScope: "public" };
    expect(client.getServerCapabilities()).toEqual({
      tools: { listChanged: false },
      prompts: { listChanged: false },
      resources: { listChanged: true, subscribe: true },
      completions: {},
    });
    expect(await client.discover()).toMatchObject({ ...hint, supportedVersions: ["2026-07-28"] });
    expect(await client.listTools()).toMatchObject(hint);
    expect(await client.listPrompts()).toMatchObject(hint);
    expect(await client.listResources()).toMatchObject(hint);
    expect(await client.listResourceTemplates()).toMatchObject(hint);
    expect(await client.readResource({ uri: "bcd://browsers" })).toMatchObject(hint);
    const called = await client.callTool({ name: "get_feature", arguments: { id: "api.AbortController" } });
    expect(called).not.toHaveProperty("ttlMs");
    await client.close();
  });

  test("the legacy era gets no hints, and no promise of notifications", async () => {
    const client = await connectLegacy(origin.url);
    expect(client.getServerCapabilities()).toEqual({
      tools: { listChanged: false },
      prompts: { listChanged: false },
      resources: { listChanged: false },
      completions: {},
    });
    for (const result of [await client.listTools(), await client.readResource({ uri: "bcd://browsers" })]) {
      expect(result).not.toHaveProperty("ttlMs");
      expect(result).not.toHaveProperty("cacheScope");
    }
    await client.close();
  });
});
