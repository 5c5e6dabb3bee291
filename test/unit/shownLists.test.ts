import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Rights } from "../../src/access/Rights.ts";
import type { Entry } from "../../src/cache/entry.ts";
import { neutralise } from "../../src/cache/neutralise.ts";
import { shownEntry } from "../../src/cache/shownEntry.ts";
import { tell } from "../../src/cache/tell.ts";
import { PROTOCOL_RULE } from "../../src/config/resolve.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { entryFor } from "../../src/lanes/withinRights.ts";
import { shownEvent, shownReply } from "../../src/mcp/shownReply.ts";
import type { Era } from "../../src/mcp/versions.ts";
import { runs } from "../support/runs.ts";

const T0 = 1_800_000_000_000;
const LISTS = [
  ["tools/list", "tools", "name"],
  ["prompts/list", "prompts", "name"],
  ["resources/list", "resources", "uri"],
  ["resources/templates/list", "resourceTemplates", "uriTemplate"],
] as const;

function entryOf(reply: string, method: string, era: Era): Entry {
  const rule = { ...PROTOCOL_RULE, ttlMs: 60_000 };
  const at = { method, era, rule, hints: true, tags: [], askedAt: T0, random: 0.5, maxBytes: 1_000_000 };
  const made = neutralise(reply, { ...at, isLegacyOnly: true });
  if (typeof made === "string") throw new Error(`not kept: ${made}`);
  return { ...made, hash: reply, savedAt: T0 };
}

const resultOf = (reply: string) => (JSON.parse(reply) as { result: Record<string, unknown[]> }).result;
const toldTo = (entry: Entry, era: Era) =>
  resultOf(tell(entry, { era, id: 1, status: "hit", hints: true, isLimited: true, now: T0 }));

/** Names with an `o` in them are shown. */
const isShown = (_: string, name: string) => name.includes("o");

const name = fc.oneof(
  fc.constantFrom(
    "one",
    "two",
    "three",
    "__proto__",
    "constructor",
    "",
    "o\u0000",
    "\u{1F600}o",
    '"],"o',
    "\\o",
    "}{[",
  ),
  fc.string({ unit: "binary", maxLength: 6 }),
);
const schema = fc.constantFrom(
  undefined,
  { type: "object", properties: {} },
  { type: "array", items: { type: "object" } },
  { anyOf: [{ type: "object" }, { type: "string" }] },
);
const thing = (key: string) =>
  fc
    .oneof(
      { weight: 9, arbitrary: fc.tuple(name, schema, fc.boolean(), fc.boolean(), fc.jsonValue({ maxDepth: 2 })) },
      { weight: 1, arbitrary: fc.constantFrom(null, 7, "o", [], {}, { [key]: 7 }, { [key]: null }) },
    )
    .map((made) => {
      if (!Array.isArray(made) || made.length !== 5) return made;
      const [called, outputSchema, hasExecution, isFirst, other] = made;
      const more = { outputSchema, other, ...(hasExecution && { execution: { taskSupport: "optional" } }) };
      return isFirst ? { [key]: called, ...more } : { ...more, [key]: called };
    });
const isSeen = (key: string) => (one: any) =>
  one !== null && typeof one === "object" && typeof one[key] === "string" && one[key].includes("o");

describe("a list of which only some is shown (property)", () => {
  test.each(LISTS)(
    "%s: in both eras, whoever asked, it is what a filter of the parsed list is",
    (method, list, key) => {
      const eras = fc.constantFrom<Era>("modern", "legacy");
      fc.assert(
        fc.property(
          fc.array(thing(key), { maxLength: 6 }),
          eras,
          fc.constantFrom(0, 1, "\t"),
          (things, era, indent) => {
            const result = {
              ...(era === "modern" && { resultType: "complete" }),
              before: [1],
              [list]: things,
              nextCursor: "n",
            };
            const reply = JSON.stringify({ jsonrpc: "2.0", id: 1, result }, null, indent);
            const entry = entryOf(reply, method, era);
            const seen = shownEntry(entry, method, isShown);
            for (const to of ["modern", "legacy"] as const) {
              const [all, some] = [toldTo(entry, to), toldTo(seen, to)];
              expect(some).toEqual({ ...all, [list]: all[list]!.filter(isSeen(key)) });
            }
            const cut = shownReply(reply, method, isShown)!;
            const kept = (JSON.parse(reply) as typeof result & any).result[list].filter(isSeen(key));
            expect(resultOf(cut)).toEqual({ ...resultOf(reply), [list]: kept });
            // What stays is as the origin wrote it, and its patches are those of a list that was never longer.
            if (indent !== 0) return;
            const shorter = JSON.stringify({ jsonrpc: "2.0", id: 1, result: { ...result, [list]: kept } });
            expect(cut).toBe(shorter);
            expect({ ...seen, hash: "" }).toEqual({ ...entryOf(shorter, method, era), hash: "" });
          },
        ),
        { numRuns: runs(150, 10_000) },
      );
    },
  );
});

describe("what is shown of a reply", () => {
  const reply = (result: string) => `{"jsonrpc":"2.0","id":1,"result":${result}}`;
  const shown = (text: string, method: string | undefined = "tools/list") => shownReply(text, method, isShown);

  test("is none of what is hidden under a name or a list of the same name beside it", () => {
    expect(shown(reply('{"tools":[{"name":"x"}],"tools":[{"name":"o"}]}'))).toBe(
      reply('{"tools":[],"tools":[{"name":"o"}]}'),
    );
    expect(shown(reply('{"to\\u006fls":[{"name":"x"}]}'))).toBe(reply('{"to\\u006fls":[]}'));
    expect(shown(reply('{"tools":[{"name":"x","name":"o"},{"n\\u0061me":"x"},{"name":"\\u006f"}]}'))).toBe(
      reply('{"tools":[{"name":"\\u006f"}]}'),
    );
    const two = '{"result":{"tools":[{"name":"x"}]},"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"y"}]}}';
    expect(shown(two)).toBe('{"result":{"tools":[]},"jsonrpc":"2.0","id":1,"result":{"tools":[]}}');
  });

  test("is called private", () => {
    expect(shown(reply('{"tools":[],"ttlMs":5,"cacheScope":"public"}'))).toBe(
      reply('{"tools":[],"ttlMs":5,"cacheScope":"private"}'),
    );
  });

  test("is all where it is no list of the method, an error, or no list at all", () => {
    for (const text of [
      reply('{"prompts":[{"name":"x"}]}'),
      reply("7"),
      '{"error":{"code":1,"data":{"tools":[{}]}}}',
    ]) {
      expect(shown(text)).toBe(text);
    }
    expect(shownReply(reply('{"prompts":[{"name":"x"}]}'), undefined, isShown)).toBe(reply('{"prompts":[]}'));
    expect(["", "[]", "{", "7"].map((text) => shown(text))).toEqual([undefined, undefined, undefined, undefined]);
  });

  test("does not tell in events of what may not be read, one by one or in batches", () => {
    const updated = (uri: unknown) => JSON.stringify({ method: "notifications/resources/updated", params: { uri } });
    const event = (text: string) => shownEvent(text, undefined, isShown);
    expect([event(updated("o")), event(updated("x")), event(updated(7))]).toEqual([updated("o"), undefined, undefined]);
    const changed = '{"method":"notifications/resources/list_changed"}';
    expect([event(changed), event("no JSON"), event("[no JSON"), event("[]")]).toEqual([
      changed,
      "no JSON",
      "[no JSON",
      "[]",
    ]);
    expect(event(`[${updated("x")} , ${changed}]`)).toBe(`[${changed}]`);
    expect(event(`[${updated("o")} , ${changed}]`)).toBe(`[${updated("o")} , ${changed}]`);
    expect(event(`[${updated("x")}]`)).toBeUndefined();
    expect(event(`[${reply('{"tools":[{"name":"x"}]}')}]`)).toBe(`[${reply('{"tools":[]}')}]`);
  });
});

test("an entry is not cut again for the same rights, nor for others in their place", () => {
  const tools = [{ name: "a" }, { name: "b" }];
  const x = { origin: { outbox: undefined } } as unknown as Exchange;
  const result = { resultType: "complete", tools };
  const entry = entryOf(JSON.stringify({ jsonrpc: "2.0", id: 1, result }), "tools/list", "modern");
  const rights = (tool: string) => new Rights(`only ${tool}`, { tools: [tool], resources: [], prompts: [] });
  const [a, b] = [rights("a"), rights("b")];
  const first = entryFor(x, a, "tools/list", entry);
  expect(entryFor(x, a, "tools/list", entry)).toBe(first);
  expect([first.body, entryFor(x, b, "tools/list", entry).body]).toEqual([
    '"tools":[{"name":"a"}]',
    '"tools":[{"name":"b"}]',
  ]);
  // What says the same at another time has its own times.
  const later = entryFor(x, a, "tools/list", { ...entry, storedAt: T0 + 1 });
  expect(later).toEqual({ ...first, storedAt: T0 + 1 });
});
