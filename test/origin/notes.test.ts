import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openNotes } from "../../scripts/origin/openNotes.ts";
import { type Origin, startOrigin } from "../../scripts/origin/startOrigin.ts";
import { type AnyClient, call, CLIENTS, connectModern, refusal } from "./clients.ts";

const ID = "api.AbortController";
let folder: string;
let opened: (Origin | AnyClient)[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "origin-"));
  opened = [];
});
afterEach(async () => {
  for (const each of opened.toReversed()) await each.close();
  await rm(folder, { recursive: true });
});

function open<T extends Origin | AnyClient>(each: T): T {
  opened.push(each);
  return each;
}

const texts = (notes: { text: string }[]) => notes.map((note) => note.text);

describe.each(CLIENTS)("add_note, %s client", (_name, connect) => {
  test("shows up in the feature, its resource and the resource of all notes", async () => {
    const origin = open(await startOrigin());
    const client = open(await connect(origin.url));
    const added = await call(client, "add_note", { id: ID, text: "  good to know " });
    expect(added).toEqual({ id: ID, note: { text: "good to know", at: expect.any(String) }, count: 1 });
    expect((await call(client, "add_note", { id: ID, text: "good to know" })).count).toBe(2);
    const { notes } = await call(client, "get_feature", { id: ID });
    expect(texts(notes)).toEqual(["good to know", "good to know"]);
    const { contents } = await client.readResource({ uri: `bcd://feature/${ID}` });
    expect(JSON.parse(contents[0]!.text as string).notes).toEqual(notes);
    expect((await client.listResources()).resources.at(-1)?.uri).toBe("bcd://notes");
    const all = await client.readResource({ uri: "bcd://notes" });
    expect(JSON.parse(all.contents[0]!.text as string)).toEqual({ notes: { [ID]: notes } });
  });

  test("refuses an unknown id and an empty text", async () => {
    const origin = open(await startOrigin());
    const client = open(await connect(origin.url));
    expect(await refusal(client, "add_note", { id: "api.Nope", text: "x" })).toContain("There is no feature");
    expect(await refusal(client, "add_note", { id: ID, text: "  " })).toContain("text");
    expect((await client.listResources()).resources.some(({ uri }) => uri === "bcd://notes")).toBe(false);
  });
});

describe.each(CLIENTS)("add_note_once, %s client", (_name, connect) => {
  test("adds one note for a request, however often and at the same time, and refuses another note for it", async () => {
    const origin = open(await startOrigin());
    const client = open(await connect(origin.url));
    const add = (text: string) => call(client, "add_note_once", { id: ID, text, request_id: "r-1" });
    const answers = await Promise.all([add("once"), add("once"), add(" once ")]);
    const note = { text: "once", at: expect.any(String), request_id: "r-1" };
    expect(answers).toEqual(Array(3).fill({ id: ID, note, count: 1 }));
    await call(client, "add_note_once", { id: ID, text: "another", request_id: "r-2" });
    expect(await add("once")).toMatchObject({ note, count: 2 });
    const reused = { id: ID, text: "something else", request_id: "r-1" };
    expect(await refusal(client, "add_note_once", reused)).toContain("Another note");
    expect(texts((await call(client, "get_feature", { id: ID })).notes)).toEqual(["once", "another"]);
  });
});

test("add_note_once takes its request's id from the header as well, and from one of both only", async () => {
  const origin = open(await startOrigin());
  const add = async (header: string | undefined, more: object = {}) => {
    const { url } = origin;
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const params = { name: "add_note_once", arguments: { id: ID, text: "x", ...more } };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
    const sent = { ...headers, ...(header !== undefined && { "idempotency-key": header }) };
    return (await fetch(url, { method: "POST", headers: sent, body })).text();
  };
  expect(await add("r-1")).toContain('"count":1');
  expect(await add("r-1")).toContain('"count":1');
  expect(await add(undefined, { request_id: "r-1" })).toContain('"count":1');
  expect(await add("r-2")).toContain('"count":2');
  expect(await add(undefined)).toContain("A request_id is needed");
  expect(await add("r-1", { request_id: "r-2" })).toContain("is not the request_id");
});

test("a request that has added a note is known after a restart", async () => {
  const once = { id: ID, text: "once", request_id: "r-1" };
  for (const _ of [1, 2]) {
    const origin = await startOrigin({ state: folder });
    const client = (await connectModern(origin.url)) as unknown as AnyClient;
    expect((await call(client, "add_note_once", once)).count).toBe(1);
    await client.close();
    await origin.close();
  }
});

test("notes outlive the origin where it has a folder, which it makes", async () => {
  const state = join(folder, "not", "there");
  const first = await startOrigin({ state });
  const writer = (await connectModern(first.url)) as unknown as AnyClient;
  await call(writer, "add_note", { id: ID, text: "kept" });
  await writer.close();
  await first.close();
  const second = open(await startOrigin({ state }));
  const reader = open((await connectModern(second.url)) as unknown as AnyClient);
  expect(texts((await call(reader, "get_feature", { id: ID })).notes)).toEqual(["kept"]);
  expect((await reader.listResources()).resources.at(-1)?.uri).toBe("bcd://notes");
});

test("calls at the same time lose no note and leave no other file", async () => {
  const origin = open(await startOrigin({ state: folder }));
  const clients = await Promise.all(CLIENTS.map(async ([, connect]) => open(await connect(origin.url))));
  const wanted = Array.from({ length: 60 }, (_, n) => `note ${n}`);
  await Promise.all(wanted.map((text, n) => call(clients[n % 3]!, "add_note", { id: ID, text })));
  const { notes } = await call(clients[0]!, "get_feature", { id: ID });
  expect(texts(notes).toSorted()).toEqual(wanted.toSorted());
  expect(await readdir(folder)).toEqual(["notes.json"]);
  expect(JSON.parse(await readFile(join(folder, "notes.json"), "utf8"))).toEqual({ [ID]: notes });
});

test("a file that holds something else stops the start, and is left as it is", async () => {
  await writeFile(join(folder, "notes.json"), "[1]");
  await expect(startOrigin({ state: folder })).rejects.toThrow("notes.json does not hold notes");
  expect(await readFile(join(folder, "notes.json"), "utf8")).toBe("[1]");
});

test("a note that cannot be stored is not there, and the next one can be", async () => {
  const state = join(folder, "state");
  const notes = await openNotes(state);
  await rm(state, { recursive: true });
  await expect(notes.add(ID, "lost")).rejects.toThrow("ENOENT");
  expect(notes.isEmpty()).toBe(true);
  const again = await openNotes(state);
  expect(texts([...(await again.add(ID, "kept")).notes])).toEqual(["kept"]);
  expect(texts([...(await notes.add(ID, "kept too")).notes])).toEqual(["kept too"]);
});
