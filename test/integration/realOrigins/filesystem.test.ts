import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Replica, startReplica } from "../support/replica.ts";
import { actOf, titleOf, toolsOf } from "./support/calls.ts";
import { ALL_CLIENTS } from "./support/clients.ts";
import type { Changing } from "./support/comparable.ts";
import { expectSame, type Sides } from "./support/exchange.ts";
import { contentOf, refill } from "./support/files.ts";
import { type RealOrigin, startFilesystem } from "./support/origins.ts";
import { expectSameMeeting, expectSameSurface } from "./support/surface.ts";
import { callsIn, FILES, SURFACE } from "./tables/filesystem.ts";

let own: RealOrigin;
let behind: RealOrigin;
let replica: Replica;
let changing: Changing[];
beforeAll(async () => {
  [own, behind] = await Promise.all([startFilesystem("stateless"), startFilesystem("stateless")]);
  replica = await startReplica({ origins: { files: { url: behind.url } } });
  // Two servers have two folders, and answers name them.
  changing = [[new RegExp(`${own.folder}|${behind.folder}`, "g"), "<folder>"]];
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([own?.close(), behind?.close()]);
});

describe.each(ALL_CLIENTS)("the file server and the client %s", (_, connect) => {
  let sides: Sides;
  beforeAll(async () => {
    await Promise.all([refill(own.folder, FILES), refill(behind.folder, FILES)]);
    const [direct, through] = await Promise.all([connect(own.url), connect(replica.mcp)]);
    sides = { direct, through, changing };
  });
  afterAll(() => Promise.all([sides?.direct.close(), sides?.through.close()]));

  const table = callsIn("/");

  test("has a table of all its tools", async () => {
    for (const { client } of [sides.direct, sides.through]) {
      const { tools } = await client.listTools();
      expect(toolsOf(table)).toEqual(tools.map(({ name }) => name).sort());
    }
  });

  test("meet alike", () => expectSameMeeting(sides));

  test.each(table.map((call, index) => [titleOf(call), index] as const))("answer the same to %s", (_, index) => {
    const [atOwn, atBehind] = [own, behind].map(({ folder }) => actOf(callsIn(folder)[index]!));
    return expectSame(sides, {
      ...atOwn!,
      do: (client, party) => (party === sides.direct ? atOwn! : atBehind!).do(client, party),
    });
  });

  test("list the same", () => expectSameSurface(sides, SURFACE));

  test("leave the same files behind", async () => {
    const content = await contentOf(own.folder);
    expect(Object.keys(content)).toEqual(expect.arrayContaining(["made/moved.txt", "made/of/folders", "notes.txt"]));
    expect(await contentOf(behind.folder)).toEqual(content);
  });
});
