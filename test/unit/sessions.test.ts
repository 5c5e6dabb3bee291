import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { elementsOf } from "../../src/mcp/elements.ts";
import { isModern, metaOf } from "../../src/mcp/envelope.ts";
import { seal, unseal, type Session } from "../../src/mcp/Session.ts";
import { unpromising } from "../../src/mcp/unpromising.ts";
import { readSome } from "../../src/origin/readSome.ts";
import { retryAfterMs } from "../../src/origin/retryAfter.ts";

const IV = new Uint8Array(12);
const key = (byte = 1) =>
  crypto.subtle.importKey("raw", new Uint8Array(32).fill(byte), "AES-GCM", false, ["encrypt", "decrypt"]);
const session: Session = {
  name: "n",
  originId: "the origin's own",
  principal: "key:1",
  version: "2025-11-25",
  capabilities: { elicitation: {} },
  expiresAt: 1,
};

describe("a sealed session", () => {
  test("is visible ASCII, tells nothing, and is read back by who sealed it", async () => {
    const id = await seal(await key(), session, "bound", IV);
    expect(id).toMatch(/^er1\.[A-Za-z0-9_-]+$/);
    expect(atob(id.slice(4).replaceAll("-", "+").replaceAll("_", "/"))).not.toContain("origin");
    expect(await unseal(await key(), id, "bound")).toEqual(session);
  });

  test("is nothing to another key, another use, or when it is changed", async () => {
    const id = await seal(await key(), session, "bound", IV);
    expect(await unseal(await key(2), id, "bound")).toBeUndefined();
    expect(await unseal(await key(), id, "elsewhere")).toBeUndefined();
    expect(await unseal(await key(), id.slice(0, -4), "bound")).toBeUndefined();
    const sealed = await key();
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 4, max: id.length - 3 }), async (at) => {
        const changed = id.slice(0, at) + (id[at] === "x" ? "y" : "x") + id.slice(at + 1);
        expect(await unseal(sealed, changed, "bound")).toBeUndefined();
      }),
    );
  });

  test("anything else is no session, and throws nothing", async () => {
    const any = await key();
    await fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        expect(await unseal(any, text, "bound")).toBeUndefined();
        expect(await unseal(any, `er1.${text}`, "bound")).toBeUndefined();
      }),
    );
  });
});

describe("the elements of an array", () => {
  test("are its own texts, however they are written", () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.constantFrom(0, 2), (values, indent) => {
        expect(elementsOf(JSON.stringify(values, null, indent)).map((one) => JSON.parse(one))).toEqual(
          JSON.parse(JSON.stringify(values)),
        );
      }),
    );
  });

  test("keep their spelling", () => {
    expect(elementsOf(` [ {"a" : 1.0} ,"]\\",[" ,[1,[2]] ] `)).toEqual([`{"a" : 1.0}`, `"]\\",["`, "[1,[2]]"]);
    expect(elementsOf("[]")).toEqual([]);
  });

  test("that never end are an error", () => {
    expect(() => elementsOf("[1,")).toThrow(SyntaxError);
  });
});

test("a message is modern where its envelope says so", () => {
  const version = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
  expect(isModern({ params: { _meta: version } })).toBe(true);
  for (const other of [undefined, null, [], {}, { params: 1 }, { params: { _meta: 1 } }, { params: { _meta: {} } }]) {
    expect(isModern(other)).toBe(false);
  }
  expect(metaOf({ params: { _meta: { a: 1 } } })).toEqual({ a: 1 });
});

describe("an answer to initialize", () => {
  test("loses its promises of notifications, and nothing else of its text", () => {
    const reply = `{"jsonrpc": "2.0", "id":1,"result":{"capabilities": {"tools":{"listChanged":true,"more":1},"resources":{"subscribe":true}, "logging":{}} ,"n":1.0}}`;
    expect(unpromising(reply)).toBe(
      `{"jsonrpc": "2.0", "id":1,"result":{"capabilities": {"tools":{"more":1},"resources":{},"logging":{}} ,"n":1.0}}`,
    );
  });

  test.each([
    `{"result":{"capabilities":{ "tools" : {} }}}`,
    `{"error":{"code":1,"message":"no"}}`,
    `{"result":{"capabilities":7}}`,
    `{"result":{}}`,
  ])("without any stays as it is: %s", (reply) => {
    expect(unpromising(reply)).toBe(reply);
  });
});

describe("Retry-After", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  test.each([
    ["7", 7_000],
    [" 0 ", 0],
    ["999999999", 86_400_000],
    ["Thu, 01 Jan 2026 00:00:30 GMT", 30_000],
    ["Wed, 31 Dec 2025 23:00:00 GMT", 0],
    ["soon", undefined],
    [null, undefined],
  ])("%s is %s ms", (value, expected) => {
    expect(retryAfterMs(value, now)).toBe(expected);
  });
});

describe("some of a body", () => {
  const body = (...chunks: string[]) => new Response(new Blob(chunks).stream());
  const textOf = (chunks: Uint8Array[]) => new Blob(chunks as Uint8Array<ArrayBuffer>[]).text();

  test("is all of it, where it is short enough", async () => {
    const some = await readSome(body("abc", "def"), 6, 1_000);
    expect("whole" in some && (await textOf(some.whole))).toBe("abcdef");
    expect(await readSome(new Response(null), 6, 1_000)).toEqual({ whole: [] });
  });

  test("is its beginning, and where to read on", async () => {
    const some = await readSome(body("x".repeat(100_000)), 10, 1_000);
    if (!("rest" in some)) throw new Error("All of it was read.");
    let length = some.begun.reduce((sum, chunk) => sum + chunk.length, 0);
    expect(length).toBeGreaterThan(10);
    for (;;) {
      const { done, value } = await some.rest.read();
      if (done) break;
      length += value.length;
    }
    expect(length).toBe(100_000);
  });

  test("is a failure, where it breaks off or does not come", async () => {
    const broken = new ReadableStream<Uint8Array>({ start: (controller) => controller.error(new Error("gone")) });
    expect(await readSome(new Response(broken), 10, 1_000)).toEqual({ failure: { kind: "unreachable" } });
    const silent = new ReadableStream<Uint8Array>({});
    expect(await readSome(new Response(silent), 10, 5)).toEqual({ failure: { kind: "timeout", afterMs: 5 } });
  });
});
