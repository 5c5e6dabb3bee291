import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { withBudgets } from "../../src/mcp/withBudgets.ts";
import { Meter } from "../../src/origin/Meter.ts";

describe("Meter", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const chunks = (...lengths: number[]) =>
    new Response(
      new ReadableStream<Uint8Array>({
        start(controller) {
          for (const length of lengths) controller.enqueue(new Uint8Array(length));
          controller.close();
        },
      }),
      { status: 201, headers: { "x-kept": "1" } },
    );
  const lengthOf = async (response: Response) => {
    let length = 0;
    try {
      for await (const chunk of response.body!) length += (chunk as Uint8Array).length;
      return { length, ends: true };
    } catch {
      return { length, ends: false };
    }
  };

  test("passes what is within the budget, to the byte, with status and headers", async () => {
    const meter = new Meter({ bytes: 10 });
    const response = meter.measured(chunks(4, 6));
    expect([response.status, response.headers.get("x-kept")]).toEqual([201, "1"]);
    expect(await lengthOf(response)).toEqual({ length: 10, ends: true });
    expect([meter.over, meter.signal.aborted]).toEqual([undefined, false]);
  });

  test("breaks off before what is too much, and ends the call", async () => {
    const meter = new Meter({ bytes: 10, timeMs: 1_000 });
    expect(await lengthOf(meter.measured(chunks(4, 7, 1)))).toEqual({ length: 4, ends: false });
    expect(meter.over).toEqual({ kind: "over-budget", of: "bytes", most: 10 });
    expect(meter.signal.aborted).toBe(true);
    // What was first too much stays so.
    vi.advanceTimersByTime(5_000);
    expect(meter.over).toMatchObject({ of: "bytes" });
  });

  test("counts a token as four bytes, and names the bound that is met first", async () => {
    for (const [budget, most] of [
      [{ tokens: 3 }, { of: "tokens", most: 3 }],
      [
        { tokens: 3, bytes: 100 },
        { of: "tokens", most: 3 },
      ],
      [
        { tokens: 100, bytes: 12 },
        { of: "bytes", most: 12 },
      ],
    ] as const) {
      expect(await lengthOf(new Meter(budget).measured(chunks(12)))).toEqual({ length: 12, ends: true });
      const meter = new Meter(budget);
      expect(await lengthOf(meter.measured(chunks(12, 1)))).toEqual({ length: 12, ends: false });
      expect(meter.over).toEqual({ kind: "over-budget", ...most });
    }
  });

  test("ends the call when its time is over, but not once the answer is there", async () => {
    const late = new Meter({ timeMs: 5_000 });
    vi.advanceTimersByTime(4_999);
    expect(late.over).toBeUndefined();
    vi.advanceTimersByTime(1);
    expect([late.over, late.signal.aborted]).toEqual([{ kind: "over-budget", of: "time", most: 5_000 }, true]);
    const done = new Meter({ timeMs: 5_000 });
    expect(await lengthOf(done.measured(chunks(1)))).toMatchObject({ ends: true });
    const stopped = new Meter({ timeMs: 5_000 });
    stopped.stop();
    vi.advanceTimersByTime(10_000);
    expect([done.over, stopped.over]).toEqual([undefined, undefined]);
  });
});

describe("withBudgets", () => {
  const KEY = "edge-replica/budget";
  const budget = { bytes: 65_536 };
  const only = (name: string) => (name === "big" ? budget : undefined);
  const list = (tools: unknown[]) => JSON.stringify({ jsonrpc: "2.0", id: 1, result: { tools, nextCursor: "n" } });

  test("shows the budgets of the tools that have one, beside what the origin says of them", () => {
    const told = withBudgets(list([{ name: "a" }, { name: "big" }, { name: "b", _meta: { [KEY]: "its own" } }]), only);
    expect(JSON.parse(told).result).toEqual({
      tools: [{ name: "a" }, { name: "big", _meta: { [KEY]: budget } }, { name: "b", _meta: { [KEY]: "its own" } }],
      nextCursor: "n",
    });
  });

  test("keeps a tool's own _meta, but for what stands there under that name; one that is no object goes", () => {
    const metaOf = (_meta: unknown) =>
      JSON.parse(withBudgets(list([{ _meta, name: "big" }]), only)).result.tools[0]._meta;
    expect(metaOf({ x: 1, [KEY]: { bytes: 1 } })).toEqual({ x: 1, [KEY]: budget });
    expect(metaOf({})).toEqual({ [KEY]: budget });
    expect(metaOf(null)).toEqual({ [KEY]: budget });
    expect(metaOf([1])).toEqual({ [KEY]: budget });
  });

  test("leaves what is beside them as it is written, and everything where no tool has one", () => {
    const written = '{ "jsonrpc":"2.0", "id":1, "result":{"tools":[ {"name" : "big", "n": 1.0e2 } ,\n{"name":"a"}]}}';
    expect(withBudgets(written, only)).toBe(written.replace("1.0e2 }", `1.0e2 ,"_meta":{"${KEY}":{"bytes":65536}}}`));
    for (const text of [
      written.replace("big", "small"),
      '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}',
      '{"jsonrpc":"2.0","id":1,"result":{"tools":{"name":"big"}}}',
      '[{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"big"}]}}]',
    ])
      expect(withBudgets(text, only)).toBe(text);
  });

  test("whatever tools say, only the budgets differ", () => {
    const tool = fc.record(
      {
        name: fc.constantFrom("big", "a", 'b"{'),
        _meta: fc.dictionary(fc.string(), fc.jsonValue()),
        more: fc.jsonValue(),
      },
      { requiredKeys: ["name"] },
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(tool, fc.jsonValue())), fc.constantFrom(0, 2), (tools, indent) => {
        const text = JSON.stringify({ jsonrpc: "2.0", id: 1, result: { tools } }, null, indent);
        const told = JSON.parse(withBudgets(text, only)).result.tools;
        const wanted = JSON.parse(text).result.tools.map((one: any) =>
          one?.name === "big" ? { ...one, _meta: { ...one._meta, [KEY]: budget } } : one,
        );
        expect(told).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });
});
