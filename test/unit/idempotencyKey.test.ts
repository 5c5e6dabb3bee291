import { describe, expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import type { WriteConfig } from "../../src/config/writeTypes.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { submissionOf } from "../../src/lanes/submissionOf.ts";
import { Catalogue } from "../../src/mcp/Catalogue.ts";
import { idempotencyKey } from "../../src/mcp/idempotencyKey.ts";
import type { Call } from "../../src/mcp/recognise.ts";
import type { Submission } from "../../src/outbox/Submission.ts";
import { emptyIsolate } from "./emptyIsolate.ts";

describe("a caller's key", () => {
  const long = "k".repeat(255);
  test.each([
    [undefined, null, {}],
    ["k", null, { key: "k" }],
    [undefined, "k", { key: "k" }],
    [undefined, ' "a \\"b\\\\" ', undefined],
    [undefined, '"a\\"b\\\\"', { key: 'a"b\\' }],
    [undefined, '"', { key: '"' }],
    ["k", '"k"', { key: "k" }],
    [long, long, { key: long }],
    ["k", "j", undefined],
    ["", null, undefined],
    [undefined, "", undefined],
    [undefined, '""', undefined],
    [`${long}k`, null, undefined],
    ["a b", null, undefined],
    ["ü", null, undefined],
    [7, null, undefined],
    [null, "k", undefined],
  ])("that is %j in _meta and %j in the header is %j", (meta, header, expected) => {
    const given = idempotencyKey(meta, header);
    if (expected) expect(given).toEqual(expected);
    else expect(given).toEqual({ wrong: expect.any(String) });
  });
});

describe("a call", () => {
  /** A call of a tool with such a policy, as it is submitted. */
  async function submitted(
    write: WriteConfig,
    { principal = "key:a", args = { n: 1 }, key, isIdempotent = false, capabilities = {} }: Given = {},
  ): Promise<Submission> {
    const replica = resolve({
      origins: { o: { url: "https://mcp.example.com/mcp", tools: { put: { write } } } },
      access: { keys: true },
    });
    const origin = replica.origins.get("o")!;
    const catalogue = new Catalogue();
    catalogue.learn([["put", { readOnly: false, isIdempotent, paramHeaders: [], isWrapped: false }]]);
    const x = {
      replica,
      origin,
      isolate: { ...emptyIsolate(), catalogues: new Map([["o", catalogue]]) },
      principal,
      headers: new Headers(key === undefined ? {} : { "idempotency-key": key }),
      body: {},
    } as unknown as Exchange;
    const call = { era: "modern", target: "put", variant: args, capabilities } as unknown as Call;
    const policy = origin.tools.find("put")!.value.write!;
    const made = await submissionOf(x, call, { write: policy, rule: policy.outbox!, limits: origin.outbox! });
    if ("failure" in made) throw new Error(JSON.stringify(made.failure));
    return made;
  }
  interface Given {
    principal?: string;
    args?: Record<string, unknown>;
    key?: string;
    isIdempotent?: boolean;
    capabilities?: Record<string, unknown>;
  }

  test("is its principal's, whatever that was granted: its key, its place in the order", async () => {
    const write: WriteConfig = { queue: "when-down", idempotent: { argument: "id" } };
    const token = (sub: string, scope: string) => JSON.stringify(["https://issuer", sub, [scope]]);
    const asked = [
      { principal: token("a", "one"), key: "k" },
      { principal: token("a", "two"), key: "k" },
      { principal: token("b", "one"), key: "k" },
    ];
    const [one, granted, other] = await Promise.all(asked.map((given) => submitted(write, given)));
    expect(granted).toEqual({ ...one, id: granted!.id });
    expect(new Set([one!.id, granted!.id, other!.id]).size).toBe(3);
    for (const member of ["principal", "orderKey", "args"] as const) expect(other![member]).not.toBe(one![member]);
    expect(one!.args).toBe(JSON.stringify({ n: 1, id: (one!.idempotency as { key: string }).key }));
    // Of the key, which may be a secret of the caller's, nothing goes to the origin.
    expect(one!.args).not.toContain('"k"');
    expect(other!.digest).toBe(one!.digest);
  });

  test.each<[WriteConfig, object, Partial<Submission>]>([
    [{ queue: "when-down" }, {}, { otherwise: "drop", isAtOnce: false, idempotency: { kind: "none" } }],
    [{ queue: "when-down" }, { tasks: true }, { otherwise: "queue", isAtOnce: false }],
    [{ queue: "always" }, {}, { otherwise: "drop", isAtOnce: false }],
    [{ queue: "always" }, { tasks: true }, { otherwise: "queue", isAtOnce: true }],
    [{ queue: "when-down", unlessTask: "notify" }, {}, { otherwise: "queue", isAtOnce: false }],
    [{ idempotent: true }, { tasks: true }, { otherwise: "drop", isAtOnce: false, idempotency: { kind: "same" } }],
    [{ idempotent: "annotated" }, {}, { idempotency: { kind: "none" } }],
    [{ idempotent: "annotated" }, { isIdempotent: true }, { idempotency: { kind: "same" } }],
    [{ queue: "when-down", orderBy: false }, {}, { orderKey: null }],
    [{ queue: "when-down", orderBy: "note:{n}" }, {}, { orderKey: "key:note:1" }],
    [{ queue: "when-down", ifStuck: "skip" }, {}, { ifStuck: "skip" }],
    [{ queue: "when-down", invalidates: ["note:{n}"] }, {}, { tags: ["note:1"] }],
  ])("of a tool with %j, by a caller with %j, is submitted with %j", async (write, given, expected) => {
    const { tasks, ...more } = given as Given & { tasks?: boolean };
    const capabilities = tasks ? { extensions: { "io.modelcontextprotocol/tasks": {} } } : {};
    expect(await submitted(write, { ...more, capabilities })).toMatchObject(expected);
  });

  test("has the digest of what it says, not of how that is written", async () => {
    const write: WriteConfig = { queue: "when-down" };
    const [one, same, other] = await Promise.all(
      [
        { a: 1, b: [2] },
        { b: [2], a: 1 },
        { a: 1, b: [3] },
      ].map((args) => submitted(write, { args })),
    );
    expect(same!.digest).toBe(one!.digest);
    expect(other!.digest).not.toBe(one!.digest);
  });
});
