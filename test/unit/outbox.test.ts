import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { originSync } from "../../src/origin/originSync.ts";
import type { Outbox } from "../../src/outbox/Outbox.ts";
import type { Submission, SubmissionEvent, Submitted } from "../../src/outbox/Submission.ts";
import type { OutboxWord } from "../../src/sync/OutboxWord.ts";
import { answerForOrigins, LIMITS, until, WritingOrigin } from "./support/writing.ts";

let stop: () => void;
const origins: WritingOrigin[] = [];
const warned = vi.spyOn(console, "warn");
beforeAll(() => {
  stop = answerForOrigins();
  warned.mockImplementation(() => {});
});
afterAll(async () => {
  for (const { outbox } of origins) await runInDurableObject(outbox, (_, { storage }) => storage.deleteAlarm());
  stop();
  warned.mockRestore();
});

function originOf(more: ConstructorParameters<typeof WritingOrigin>[0] = {}) {
  const origin = new WritingOrigin(more);
  origins.push(origin);
  return origin;
}

const TEXT = { content: [{ type: "text", text: "done" }] };
const alarmOf = (origin: WritingOrigin) => runInDurableObject(origin.outbox, (_, { storage }) => storage.getAlarm());
const stateOf = async (origin: WritingOrigin, { id }: Pick<Submission, "id">) => (await origin.outbox.show(id))?.state;
/** How it has ended, in a few words. */
function shown(submitted: Submitted): unknown {
  if (submitted.kind === "refused") return submitted.why;
  const { state, reason } = submitted.operation;
  return [submitted.kind, state, ...(reason === undefined ? [] : [reason])];
}

describe("an origin that answers", () => {
  test("is called once, and its answer is the caller's as it was written", async () => {
    const origin = originOf();
    origin.script = () =>
      new Response(
        `{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete", "content":[],"structuredContent":{"x":1.50}}}`,
        {
          headers: { "content-type": "application/json" },
        },
      );
    const submission = origin.submission(1);
    const submitted = await origin.outbox.submit(submission);
    expect(submitted).toMatchObject({
      kind: "settled",
      isReplay: false,
      operation: {
        state: "done",
        attempts: 1,
        outcome: {
          kind: "result",
          era: "modern",
          text: `{"resultType":"complete", "content":[],"structuredContent":{"x":1.50}}`,
        },
      },
    });
    expect(origin.calls).toHaveLength(1);
    const [{ headers, meta, args }] = origin.calls as [WritingOrigin["calls"][0]];
    expect(args).toEqual({ n: 1 });
    // The trace is the operation's; nothing is declared, and no progress asked for.
    expect(headers.get("traceparent")).toMatch(new RegExp(`^00-${submission.id.slice(-32)}-[0-9a-f]{16}-01$`));
    expect(meta["io.modelcontextprotocol/clientCapabilities"]).toEqual({});
    expect(meta).not.toHaveProperty("progressToken");
  });

  const breakOff = () => {
    throw new TypeError("connection lost");
  };
  const endings: [string, WritingOrigin["script"], unknown][] = [
    ["a tool's own error", () => ({ result: { ...TEXT, isError: true } }), ["settled", "done"]],
    ["a JSON-RPC error", () => ({ error: { code: -32602, message: "no" } }), ["settled", "done"]],
    ["a connection that breaks", breakOff, ["settled", "ambiguous", "no-answer"]],
    ["HTTP 500", () => new Response("oh", { status: 500 }), ["settled", "ambiguous", "origin-failed"]],
    ["what is no JSON", () => new Response("<html>"), ["settled", "ambiguous", "unusable-answer"]],
    [
      "more than is read",
      () => ({ result: { content: [{ type: "text", text: "x".repeat(4 * 2 ** 20) }] } }),
      ["settled", "ambiguous", "unusable-answer"],
    ],
    ["HTTP 422 without a word", () => new Response("no", { status: 422 }), ["settled", "dead", "origin-refused"]],
    ["a question", () => ({ result: { resultType: "input_required" } }), ["settled", "dead", "unfinished"]],
    ["a task", () => ({ result: { resultType: "task", taskId: "t" } }), ["settled", "ambiguous", "unfinished"]],
  ];
  test.each(endings)("%s ends a write that must not be sent twice", async (_, script, expected) => {
    const origin = originOf();
    origin.script = script;
    const submitted = await origin.outbox.submit(origin.submission(1));
    expect(shown(submitted)).toEqual(expected);
    expect(origin.calls).toHaveLength(1);
  });

  test("an answer that takes too long is not waited for", async () => {
    const origin = originOf({ timeout: { firstByte: "100ms", total: "100ms" } });
    let isOver = false;
    origin.script = async () => {
      await until(() => isOver);
      return { result: TEXT };
    };
    const submitted = await origin.outbox.submit(origin.submission(1));
    isOver = true;
    expect(shown(submitted)).toEqual(["settled", "ambiguous", "timeout"]);
  });

  test("what it refuses to execute now is sent again, and what may be repeated is sent again with the same key", async () => {
    const origin = originOf();
    const answers = [
      () => new Response("", { status: 429, headers: { "retry-after": "1" } }),
      () => new Response("", { status: 500 }),
      () => ({ result: TEXT }),
    ];
    origin.script = () => answers.shift()!();
    const submission = origin.submission(1, { idempotency: { kind: "header", name: "Idempotency-Key", key: "k1" } });
    const submitted = origin.outbox.submit(submission);
    for (const calls of [1, 2]) {
      await expect.poll(() => [origin.calls.length, origin.atOnce]).toEqual([calls, 0]);
      await expect.poll(() => stateOf(origin, submission)).not.toBe("leased");
      expect(await alarmOf(origin)).toBeGreaterThan(0);
      await origin.outbox.drain();
    }
    expect(shown(await submitted)).toEqual(["settled", "done"]);
    expect(origin.calls.map(({ headers }) => headers.get("idempotency-key"))).toEqual(["k1", "k1", "k1"]);
  });
});

describe("in order", () => {
  test("writes of one key go one after the other, of others at most five at once", async () => {
    const origin = originOf();
    let isOpen = false;
    origin.script = async () => {
      await until(() => isOpen);
      return { result: TEXT };
    };
    const all = Array.from({ length: 12 }, (_, n) =>
      origin.outbox.submit(origin.submission(n, { orderKey: n < 4 ? "key:a" : null })),
    );
    await expect.poll(() => origin.atOnce).toBe(5);
    isOpen = true;
    expect((await Promise.all(all)).map(shown)).toEqual(all.map(() => ["settled", "done"]));
    expect(origin.mostAtOnce).toBe(5);
    expect(origin.numbers.filter((n) => (n as number) < 4)).toEqual([0, 1, 2, 3]);
    expect(origin.calls).toHaveLength(12);
  });

  test("no more than the origin is to see at once", async () => {
    const origin = originOf({ concurrency: 2 });
    let isOpen = false;
    origin.script = async () => {
      await until(() => isOpen);
      return { result: TEXT };
    };
    const all = Array.from({ length: 6 }, (_, n) => origin.outbox.submit(origin.submission(n, { orderKey: null })));
    await expect.poll(() => origin.atOnce).toBe(2);
    isOpen = true;
    await Promise.all(all);
    expect(origin.mostAtOnce).toBe(2);
  });

  test("one of which nobody knows holds up its key, until the operator says what to do, or is passed over", async () => {
    const origin = originOf();
    origin.script = ({ args }) => {
      if (args["n"] === 1) throw new TypeError("connection lost");
      return { result: TEXT };
    };
    warned.mockClear();
    const stuck = origin.submission(1);
    const [one, two, other] = await Promise.all([
      origin.outbox.submit(stuck),
      origin.outbox.submit(origin.submission(2)),
      origin.outbox.submit(origin.submission(3, { orderKey: "key:else" })),
    ]);
    expect([one, two, other].map(shown)).toEqual([
      ["settled", "ambiguous", "no-answer"],
      ["queued", "accepted"],
      ["settled", "done"],
    ]);
    const refused = await origin.outbox.submit(origin.submission(4, { otherwise: "drop" }));
    expect(refused).toEqual({ kind: "refused", why: "parked", id: stuck.id });
    expect(await origin.outbox.redrive(["er-op-0"])).toMatchObject({ refused: [{ why: "unknown" }] });
    const events = warned.mock.calls.map(([text]) => String(text)).filter((text) => text.includes("outbox-stuck"));
    expect(events.map((text) => JSON.parse(text))).toEqual([
      {
        type: "outbox-stuck",
        origin: origin.settings.id,
        tool: "note",
        id: stuck.id,
        state: "ambiguous",
        reason: "no-answer",
      },
    ]);
    expect(await origin.outbox.discard([stuck.id], "seen there")).toMatchObject({ done: [{ why: "seen there" }] });
    await expect.poll(async () => (await origin.outbox.status()).counts).toMatchObject({ done: 2, discarded: 1 });
    expect(origin.numbers.toSorted()).toEqual([1, 2, 3]);

    const lenient = originOf();
    lenient.script = origin.script;
    const skipped = await Promise.all(
      [1, 2].map((n) => lenient.outbox.submit(lenient.submission(n, { ifStuck: "skip" }))),
    );
    expect(skipped.map(shown)).toEqual([
      ["settled", "ambiguous", "no-answer"],
      ["settled", "done"],
    ]);
  });

  test("one that is redriven is sent again, and takes those behind it along", async () => {
    const origin = originOf();
    origin.script = () => {
      if (origin.calls.length === 1) throw new TypeError("connection lost");
      return { result: TEXT };
    };
    const first = origin.submission(1);
    await origin.outbox.submit(first);
    await origin.outbox.submit(origin.submission(2));
    await origin.outbox.redrive([first.id]);
    await expect.poll(async () => (await origin.outbox.status()).counts.done).toBe(2);
    expect(origin.numbers).toEqual([1, 1, 2]);
  });
});

describe("an origin that is down", () => {
  test("is sent nothing: what may wait is promised, the rest refused; back, it gets all in order", async () => {
    const origin = originOf();
    origin.isDown = true;
    const submissions = [1, 2, 3].map((n) => origin.submission(n));
    const queued: Submitted[] = [];
    for (const submission of submissions) queued.push(await origin.outbox.submit(submission));
    expect(queued.map(shown)).toEqual(queued.map(() => ["queued", "accepted"]));
    const dropped = origin.submission(4, { otherwise: "drop" });
    const refused = await origin.outbox.submit(dropped);
    expect(refused).toMatchObject({ kind: "refused", why: "down" });
    expect((refused as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(0);
    expect(await origin.outbox.view(dropped.id, "key:one")).toBeUndefined();
    expect([origin.calls.length, await alarmOf(origin)]).toEqual([0, expect.any(Number)]);

    // Readers are told what is about to change.
    const sync = originSync(env, origin.settings);
    const since = { seq: 0, feedId: undefined };
    expect((await sync.invalidate([], {}, since)).pending).toEqual({ "note:1": 1, "note:2": 1, "note:3": 1 });

    origin.isDown = false;
    await origin.outbox.drain();
    await expect.poll(async () => (await origin.outbox.status()).counts.done).toBe(3);
    expect(origin.numbers).toEqual([1, 2, 3]);
    await expect.poll(async () => (await sync.invalidate([], {}, since)).pending).toBeUndefined();
    const { feedId } = await sync.invalidate([], {}, since);
    const news = await sync.invalidate([], {}, { seq: 0, feedId });
    expect(news.announced).toEqual([]);
    const changed = news.changes.map(({ tag }) => tag);
    for (const { id, tags } of submissions)
      expect(changed).toEqual(expect.arrayContaining([`operation:${id}`, ...tags]));
    expect(await origin.outbox.view(submissions[0]!.id, "key:one")).toMatchObject({
      state: "done",
      outcome: { kind: "result", era: "modern" },
      until: expect.any(Number),
    });
    expect(await origin.outbox.view(submissions[0]!.id, "key:two")).toBeUndefined();
  });

  test("is looked at again by the alarm, whatever became of the object", async () => {
    const origin = originOf();
    origin.isDown = true;
    const submission = origin.submission(1);
    await origin.outbox.submit(submission);
    await evictDurableObject(origin.outbox);
    origin.isDown = false;
    expect(await runDurableObjectAlarm(origin.outbox)).toBe(true);
    await expect.poll(() => stateOf(origin, submission)).toBe("done");
    expect(origin.numbers).toEqual([1]);
  });

  test("one whose health says that it is down is sent nothing, though a probe finds it", async () => {
    const origin = originOf();
    const sync = originSync(env, origin.settings);
    const outcomes = { ok: 0, failed: 20, failedAt: Date.now(), reason: "unreachable" };
    origin.isDown = true;
    await sync.pulse({ isolate: "one", origin: origin.settings, outcomes, seq: 0, feedId: undefined });
    await expect.poll(async () => (await sync.totals({ isolate: "one" })).health.state).toBe("down");
    origin.isDown = false;
    const submitted = await origin.outbox.submit(origin.submission(1));
    expect([shown(submitted), origin.calls.length]).toEqual([["queued", "accepted"], 0]);
  });

  test("one that is slow is waited for as long as its calls are, and is not taken to be away", async () => {
    const origin = originOf({ timeout: { firstByte: "10s", total: "60s" } });
    origin.isSlow = true;
    // Eight seconds pass at once: who waits for no longer has waited in vain.
    const real = globalThis.setTimeout;
    const hurried = vi
      .spyOn(globalThis, "setTimeout")
      .mockImplementation(((act: () => void, ms = 0) => real(act, ms <= 8_000 ? 0 : ms)) as typeof setTimeout);
    try {
      const submitted = origin.outbox.submit(origin.submission(1));
      await until(() => origin.probes > 0);
      await scheduler.wait(20);
      origin.isSlow = false;
      expect(shown(await submitted)).toEqual(["settled", "done"]);
    } finally {
      hurried.mockRestore();
    }
  });

  test("after a connection that broke, nothing is sent before a probe has found it", async () => {
    const origin = originOf();
    origin.script = () => {
      origin.isDown = true;
      throw new TypeError("connection lost");
    };
    const first = await origin.outbox.submit(origin.submission(1, { orderKey: null }));
    const second = await origin.outbox.submit(origin.submission(2, { orderKey: null }));
    expect([first, second].map(shown)).toEqual([
      ["settled", "ambiguous", "no-answer"],
      ["queued", "accepted"],
    ]);
    expect(origin.numbers).toEqual([1]);
  });
});

describe("callers", () => {
  test("of one that is always queued are promised at once that it will be sent", async () => {
    const origin = originOf();
    let isOpen = false;
    origin.script = async () => {
      await until(() => isOpen);
      return { result: TEXT };
    };
    const submission = origin.submission(1, { isAtOnce: true });
    const submitted = await origin.outbox.submit(submission);
    expect([shown(submitted), await alarmOf(origin)]).toEqual([["queued", "accepted"], expect.any(Number)]);
    isOpen = true;
    await expect.poll(() => stateOf(origin, submission)).toBe("done");
  });

  test("who leave before it was sent take it back; after that it goes on", async () => {
    const origin = originOf();
    let isOpen = false;
    origin.script = async () => {
      await until(() => isOpen);
      return { result: TEXT };
    };
    const [first, second] = [origin.submission(1), origin.submission(2)];
    const both = [first, second].map((one) => origin.outbox.submit(one));
    await expect.poll(() => origin.atOnce).toBe(1);
    await expect.poll(() => stateOf(origin, second)).toBe("accepted");
    await origin.outbox.leave(second.id);
    await origin.outbox.leave(first.id);
    expect((await Promise.all(both)).map(shown)).toEqual(["cancelled", "cancelled"]);
    isOpen = true;
    await expect.poll(() => stateOf(origin, first)).toBe("done");
    expect([await stateOf(origin, second), origin.numbers]).toEqual([undefined, [1]]);
    // One may be faster gone than come.
    const third = origin.submission(3);
    await origin.outbox.leave(third.id);
    expect(shown(await origin.outbox.submit(third))).toBe("cancelled");
    expect(origin.numbers).toEqual([1]);
  });

  test("wait no longer than they would for those before them, nor for an origin that puts them off", async () => {
    const origin = originOf();
    let isOpen = false;
    origin.script = async () => {
      await until(() => isOpen);
      return { result: TEXT };
    };
    const first = origin.outbox.submit(origin.submission(1));
    await expect.poll(() => origin.atOnce).toBe(1);
    const patienceMs = 20;
    const dropped = origin.submission(3, { patienceMs, otherwise: "drop" });
    const both = [origin.submission(2, { patienceMs }), dropped].map((one) => origin.outbox.submit(one));
    expect((await Promise.all(both)).map(shown)).toEqual([["queued", "accepted"], "late"]);
    expect(await stateOf(origin, dropped)).toBeUndefined();
    isOpen = true;
    expect(shown(await first)).toEqual(["settled", "done"]);
    await expect.poll(() => origin.numbers).toEqual([1, 2]);

    // It was being sent when its caller had waited for long enough.
    const busy = originOf();
    let isBusy = false;
    busy.script = async () => {
      await until(() => isBusy);
      return new Response("", { status: 429, headers: { "retry-after": "60" } });
    };
    const putOff = busy.outbox.submit(busy.submission(1, { patienceMs }));
    await expect.poll(() => busy.atOnce).toBe(1);
    await scheduler.wait(2 * patienceMs);
    isBusy = true;
    expect(await putOff).toMatchObject({
      kind: "queued",
      operation: { state: "accepted", reason: "origin-refused", isQueued: true },
    });
  });

  test("however many, who have waited in vain at the same moment leave nothing behind", async () => {
    const origin = originOf();
    let isOpen = false;
    origin.script = async () => {
      await until(() => isOpen);
      return { result: TEXT };
    };
    const first = origin.outbox.submit(origin.submission(1));
    await expect.poll(() => origin.atOnce).toBe(1);
    const all = Array.from({ length: 230 }, (_, n) =>
      origin.outbox.submit(origin.submission(n + 2, { otherwise: "drop" })),
    );
    await expect.poll(async () => (await origin.outbox.status()).counts.accepted).toBe(230);
    await runInDurableObject(origin.outbox, async (outbox: Outbox, { storage: { sql } }) => {
      sql.exec("UPDATE operation SET gives_up_at = 1 WHERE state = 'accepted'");
      await outbox.alarm();
    });
    expect(new Set((await Promise.all(all)).map(shown))).toEqual(new Set(["late"]));
    expect((await origin.outbox.status()).counts).toMatchObject({ accepted: 0, dead: 0 });
    isOpen = true;
    expect(shown(await first)).toEqual(["settled", "done"]);
  });

  test("whom the origin has put off for longer than they wait do not hold up their order, and can be redriven", async () => {
    const origin = originOf();
    let isBusy = true;
    origin.script = () =>
      isBusy ? new Response("", { status: 429, headers: { "retry-after": "120" } }) : { result: TEXT };
    const asked = (orderKey: string | null) =>
      origin.submission(1, { patienceMs: 60_000, otherwise: "drop", idempotency: { kind: "same" }, orderKey });
    const putOff = [asked("key:a"), asked(null)];
    const submitted = await Promise.all(putOff.map((one) => origin.outbox.submit(one)));
    expect(submitted.map(shown)).toEqual([
      ["settled", "dead", "too-old"],
      ["settled", "dead", "too-old"],
    ]);
    isBusy = false;
    expect(shown(await origin.outbox.submit(asked("key:a")))).toEqual(["settled", "done"]);
    await origin.outbox.redrive(putOff.map(({ id }) => id));
    await expect.poll(() => Promise.all(putOff.map((one) => stateOf(origin, one)))).toEqual(["done", "done"]);
  });

  test("may take back what was promised until it is sent, and nobody else may", async () => {
    const origin = originOf();
    origin.isDown = true;
    const submission = origin.submission(1);
    await origin.outbox.submit(submission);
    expect(await origin.outbox.cancel(submission.id, "key:two")).toBeUndefined();
    expect(await origin.outbox.cancel(submission.id, "key:one")).toMatchObject({ state: "cancelled" });
    origin.isDown = false;
    await origin.outbox.drain();
    const sent = await origin.outbox.submit(origin.submission(2));
    expect([shown(sent), origin.numbers]).toEqual([["settled", "done"], [2]]);
    const [done] = await origin.outbox.list({ states: ["done"], limit: 1 });
    expect(await origin.outbox.cancel(done!.id, "key:one")).toMatchObject({ state: "done" });
  });

  test("who come again with their key get the one outcome, also while it is under way; with other arguments nothing", async () => {
    const origin = originOf();
    let isOpen = false;
    origin.script = async () => {
      await until(() => isOpen);
      return { result: TEXT };
    };
    const key = "once";
    const again = () => origin.outbox.submit(origin.submission(1, { key }));
    const first = again();
    await expect.poll(() => origin.atOnce).toBe(1);
    const second = again();
    const other = await origin.outbox.submit(origin.submission(2, { key }));
    expect(shown(other)).toBe("key-reused");
    isOpen = true;
    const replies = [await first, await second, await again()] as Extract<Submitted, { kind: "settled" }>[];
    expect(replies.map(({ isReplay }) => isReplay)).toEqual([false, true, true]);
    expect(new Set(replies.map(({ operation }) => JSON.stringify(operation)))).toHaveProperty("size", 1);
    expect(origin.calls).toHaveLength(1);
    // Of another principal, or tool, it is another key.
    await origin.outbox.submit(origin.submission(1, { key, principal: "key:two" }));
    await origin.outbox.submit(origin.submission(1, { key, tool: "other" }));
    expect(origin.calls).toHaveLength(3);
  });

  test("whose submission comes twice have one operation", async () => {
    const origin = originOf();
    const submission = origin.submission(1);
    const both = await Promise.all([origin.outbox.submit(submission), origin.outbox.submit(submission)]);
    const later = await origin.outbox.submit(submission);
    expect([...both, later].map(shown)).toEqual([0, 1, 2].map(() => ["settled", "done"]));
    expect(origin.calls).toHaveLength(1);
  });

  test("hear of the progress that the origin tells, and of nobody else's", async () => {
    const origin = originOf();
    origin.script = ({ meta }) => {
      const progress = (progressToken: unknown, n: number) =>
        `data: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params: { progressToken, progress: n, total: 2, message: "on it" } })}\n\n`;
      const result = `data: ${JSON.stringify({ jsonrpc: "2.0", id: 1, result: { resultType: "complete", ...TEXT } })}\n\n`;
      return new Response(progress(meta["progressToken"], 1) + progress("another", 2) + result, {
        headers: { "content-type": "text/event-stream" },
      });
    };
    const submission = origin.submission(1);
    const stream = await origin.outbox.watch(submission);
    const lines = (await new Response(stream).text()).trimEnd().split("\n");
    const events = lines.map((line) => JSON.parse(line) as SubmissionEvent);
    expect(events).toMatchObject([
      { progress: { progress: 1, total: 2, message: "on it" } },
      { submitted: { kind: "settled", operation: { state: "done" } } },
    ]);
    expect(origin.calls[0]!.meta["progressToken"]).toBe(submission.id);
  });

  test("whose part of the queue is full are refused", async () => {
    const origin = originOf();
    origin.isDown = true;
    const limits = { ...LIMITS, callerDepth: 1, depth: 2 };
    const submit = (n: number, principal: string) => origin.outbox.submit(origin.submission(n, { limits, principal }));
    const replies = [await submit(1, "a"), await submit(2, "a"), await submit(3, "b"), await submit(4, "c")];
    expect(replies.map(shown)).toEqual([["queued", "accepted"], "principal-full", ["queued", "accepted"], "full"]);
  });
});

describe("what is kept", () => {
  /** All that is written in the object's storage, as text. */
  const written = (origin: WritingOrigin) =>
    runInDurableObject(origin.outbox, (_, { storage: { sql } }) => {
      const tables = sql.exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'").toArray();
      const names = tables
        .map(({ name }) => name)
        .filter((name) => !name.startsWith("_cf") && !name.startsWith("sqlite"));
      return names
        .flatMap((name) => sql.exec(`SELECT * FROM "${name}"`).toArray())
        .flatMap((row) => Object.values(row))
        .map((value) => (value instanceof ArrayBuffer ? new TextDecoder().decode(value) : String(value)))
        .join("\n");
    });

  test("arguments and outcomes are sealed, and are shown to the operator who asks for one", async () => {
    const origin = originOf();
    origin.script = () => ({ result: { content: [{ type: "text", text: "the-outcome" }] } });
    const submission = origin.submission(1, { args: `{"n":"the-argument"}` });
    await origin.outbox.submit(submission);
    const text = await written(origin);
    expect(text).toContain(submission.id);
    expect(text).not.toMatch(/the-argument|the-outcome/);
    expect(await origin.outbox.show(submission.id)).toMatchObject({
      args: `{"n":"the-argument"}`,
      outcome: { text: expect.stringContaining("the-outcome") },
    });
    const [listed] = await origin.outbox.list({ limit: 10 });
    expect(listed).toMatchObject({ id: submission.id, state: "done" });
    expect(Object.keys(listed!)).not.toEqual(expect.arrayContaining(["args"]));
    expect(listed).not.toHaveProperty("outcome");
  });

  test("what was sealed with another secret is not sent", async () => {
    const origin = originOf();
    origin.isDown = true;
    const submission = origin.submission(1);
    await origin.outbox.submit(submission);
    origin.isDown = false;
    await runInDurableObject(origin.outbox, async (_, state) => {
      const { Outbox } = await import("../../src/outbox/Outbox.ts");
      const other = { ...env, ENTRY_SECRET: "another secret, of some length as well", REPLICA_LOG: "off" };
      const outbox = new Outbox(state, other as Cloudflare.Env);
      await outbox.alarm();
      await until(() => state.storage.sql.exec("SELECT 1 FROM operation WHERE state = 'dead'").toArray().length > 0);
    });
    expect(await origin.outbox.show(submission.id)).toMatchObject({ state: "dead", reason: "sealed" });
    expect(origin.calls).toHaveLength(0);
  });

  test("what is over is forgotten after its time", async () => {
    const origin = originOf();
    const submission = origin.submission(1, { limits: { ...LIMITS, retentionMs: 0 } });
    await origin.outbox.submit(submission);
    await runDurableObjectAlarm(origin.outbox);
    await expect.poll(() => stateOf(origin, submission)).toBeUndefined();
  });
});

describe("what cannot be done", () => {
  const nobody = async (): Promise<object> => {
    throw new Error("not to be had");
  };

  /** The outbox of an origin whose `OriginSync` hears its words so; by default it is not to be had. */
  const unheard = (
    origin: WritingOrigin,
    use: (outbox: Outbox, storage: DurableObjectStorage) => Promise<void>,
    outbox: (word: OutboxWord, storage: DurableObjectStorage) => Promise<object> = nobody,
  ) =>
    runInDurableObject(origin.outbox, async (_, state) => {
      const { Outbox: Class } = await import("../../src/outbox/Outbox.ts");
      const { storage } = state;
      const ORIGIN_SYNC = {
        idFromName: (name: string) => name,
        get: () => ({ outbox: (word: OutboxWord) => outbox(word, storage) }),
      };
      await use(new Class(state, { ...env, ORIGIN_SYNC, REPLICA_LOG: "off" } as unknown as Cloudflare.Env), storage);
    });

  test("what could not be announced is not sent, where readers rely on that; else it is", async () => {
    const origin = originOf();
    await unheard(origin, async (outbox) => {
      const more = { isAwaited: true, orderKey: null };
      const kept = origin.submission(2, more);
      const replies = [
        await outbox.submit(origin.submission(1, { ...more, otherwise: "drop" })),
        await outbox.submit(kept),
      ];
      expect([replies.map(shown), origin.calls.length]).toEqual([["not-announced", ["queued", "accepted"]], 0]);
      const others = origin.submission(3, { orderKey: null, idempotency: { kind: "same" } });
      expect([shown(await outbox.submit(others)), origin.numbers]).toEqual([["settled", "done"], [3]]);
    });
  });

  test("of many that the operator gives up is told at once, for each word may wait in vain", async () => {
    const origin = originOf();
    origin.isDown = true;
    let said = 0;
    await runInDurableObject(origin.outbox, async (_, state) => {
      const { Outbox: Class } = await import("../../src/outbox/Outbox.ts");
      const outbox = async () => {
        said++;
        throw new Error("not to be had");
      };
      const ORIGIN_SYNC = { idFromName: (name: string) => name, get: () => ({ outbox }) };
      const object = new Class(state, { ...env, ORIGIN_SYNC, REPLICA_LOG: "off" } as unknown as Cloudflare.Env);
      const queued = Array.from({ length: 20 }, (_, n) => origin.submission(n));
      for (const one of queued) await object.submit(one);
      said = 0;
      const ids = queued.map(({ id }) => id);
      expect((await object.discard(ids, "not wanted")).done).toHaveLength(20);
    });
    expect(said).toBeLessThan(10);
  });

  test("one that may have been executed stays announced, though it is not sent again after all", async () => {
    const origin = originOf();
    const answers = [() => new Response("", { status: 500 }), () => ({ result: TEXT })];
    origin.script = () => answers.shift()!();
    const [first, second] = [1, 2].map((n) => origin.submission(n, { idempotency: { kind: "same" }, orderKey: null }));
    const concluded: string[] = [];
    await runInDurableObject(origin.outbox, async (_, state) => {
      const { Outbox: Class } = await import("../../src/outbox/Outbox.ts");
      const outbox = async ({ announce, conclude }: OutboxWord) => {
        const ids = announce.map(({ id }) => id);
        concluded.push(...conclude.map(({ id }) => id));
        // Given up while it is announced the second time.
        if (origin.calls.length === 1 && ids.includes(first!.id)) void object.discard([first!.id], "not wanted");
        return { seq: 0, feedId: "f", isAnnounced: ids, health: { state: "up" } };
      };
      const ORIGIN_SYNC = { idFromName: (name: string) => name, get: () => ({ outbox }) };
      const object = new Class(state, { ...env, ORIGIN_SYNC, REPLICA_LOG: "off" } as unknown as Cloudflare.Env);
      const submitted = object.submit(first!);
      await vi.waitUntil(async () => (await object.show(first!.id))?.state === "retry");
      await object.drain();
      expect(shown(await submitted)).toEqual(["settled", "discarded", "discarded"]);
      expect(shown(await object.submit(second!))).toEqual(["settled", "done"]);
    });
    expect([origin.calls.length, concluded]).toEqual([2, [second!.id]]);
  });

  test("what is about to be sent when the connection of another breaks is not sent", async () => {
    const origin = originOf();
    const [first, second] = [1, 2].map((n) => origin.submission(n, { orderKey: null })) as [Submission, Submission];
    let isBroken = false;
    origin.script = async () => {
      await until(() => isBroken);
      origin.isDown = true;
      throw new TypeError("connection lost");
    };
    const outbox = async ({ announce }: OutboxWord, { sql }: DurableObjectStorage) => {
      // While this one is being announced the other fails.
      isBroken ||= announce.some(({ id }) => id === second.id);
      const ambiguous = () => sql.exec("SELECT 1 FROM operation WHERE state = 'ambiguous'").toArray();
      if (isBroken) await until(() => ambiguous().length > 0);
      return { seq: 0, feedId: "f", floor: 0, hardFloor: 0, changes: [], isAnnounced: announce.map(({ id }) => id) };
    };
    await unheard(
      origin,
      async (object) => {
        const failing = object.submit(first);
        await until(() => origin.atOnce === 1);
        expect(shown(await object.submit(second))).toEqual(["queued", "accepted"]);
        expect([shown(await failing), origin.numbers]).toEqual([["settled", "ambiguous", "no-answer"], [1]]);
      },
      outbox,
    );
  });

  test("an answer that there is no room for is not lost silently, and nothing is sent again for it", async () => {
    const origin = originOf();
    await runInDurableObject(origin.outbox, (_, { storage }) => {
      storage.sql.exec(
        `CREATE TRIGGER no_room BEFORE INSERT ON content WHEN NEW.what = 'outcome' BEGIN SELECT RAISE(ABORT, 'full'); END`,
      );
    });
    const more = { idempotency: { kind: "same" }, ifStuck: "skip" } as const;
    const submitted = await origin.outbox.submit(origin.submission(1, more));
    expect([shown(submitted), origin.calls.length]).toEqual([["settled", "dead", "unusable-answer"], 1]);
    await runInDurableObject(origin.outbox, (_, { storage }) => void storage.sql.exec("DROP TRIGGER no_room"));
    expect(shown(await origin.outbox.submit(origin.submission(2, more)))).toEqual(["settled", "done"]);
  });
});

describe("an object that is lost", () => {
  /** Loses the object while it sends, and has the origin go on. */
  async function lose(more: Partial<Submission>, origin = originOf()) {
    let isOpen = false;
    origin.script = async () => {
      await until(() => isOpen);
      return { result: TEXT };
    };
    const submission = origin.submission(1, more);
    const submitted = origin.outbox.submit(submission).catch((error: unknown) => error);
    await expect.poll(() => origin.atOnce).toBe(1);
    const armedFor = await alarmOf(origin);
    await runInDurableObject(origin.outbox, (_, state) => state.abort("lost")).catch(() => {});
    isOpen = true;
    return { origin, submission, submitted, armedFor };
  }

  test("is not lost for having nobody who waits: it is woken while it sends", async () => {
    const origin = originOf();
    let isOpen = false;
    origin.script = async () => {
      await until(() => isOpen);
      return { result: TEXT };
    };
    const submitted = await origin.outbox.submit(origin.submission(1, { isAtOnce: true }));
    expect(shown(submitted)).toEqual(["queued", "accepted"]);
    await expect.poll(() => origin.atOnce).toBe(1);
    // An object of which nobody wants anything is ended after a minute or so.
    await expect.poll(async () => ((await alarmOf(origin)) ?? Infinity) - Date.now()).toBeLessThanOrEqual(30_000);
    await runDurableObjectAlarm(origin.outbox);
    await expect.poll(async () => ((await alarmOf(origin)) ?? Infinity) - Date.now()).toBeLessThanOrEqual(30_000);
    isOpen = true;
    await expect.poll(() => origin.atOnce).toBe(0);
  });

  test("in the middle of sending does not send again what must not be sent twice", async () => {
    const { origin, submission, submitted, armedFor } = await lose({ isAtOnce: false });
    expect(armedFor).toBeGreaterThan(0);
    expect(await submitted).toBeInstanceOf(Error);
    // The caller comes again with the same id.
    const again = await origin.outbox.submit(submission);
    expect(shown(again)).toEqual(["settled", "ambiguous", "lost"]);
    expect(origin.calls).toHaveLength(1);
  });

  test("sends again what may be sent twice", async () => {
    const { origin, submission } = await lose({ idempotency: { kind: "same" } });
    await expect.poll(() => stateOf(origin, submission)).toBe("retry");
    await origin.outbox.drain();
    await expect.poll(() => stateOf(origin, submission)).toBe("done");
    expect(origin.calls).toHaveLength(2);
  });

  test("has forgotten whom nothing was promised, and takes them in anew", async () => {
    const origin = originOf();
    const { submission: first } = await lose({ idempotency: { kind: "same" } }, origin);
    void first;
    const behind = origin.submission(2);
    const waiting = origin.outbox.submit(behind).catch((error: unknown) => error);
    await expect.poll(() => stateOf(origin, behind)).toBe("accepted");
    await runInDurableObject(origin.outbox, (_, state) => state.abort("lost")).catch(() => {});
    expect(await waiting).toBeInstanceOf(Error);
    expect(await stateOf(origin, behind)).toBeUndefined();
    const again = origin.outbox.submit(behind);
    await origin.outbox.drain();
    expect(shown(await again)).toEqual(["settled", "done"]);
  });
});

describe("an origin of an earlier revision", () => {
  test("is called in its era, and one that has changed to another is asked what it speaks", async () => {
    const origin = originOf();
    origin.era = "stateless";
    const eras = { modern: false, legacy: "stateless", version: "2025-06-18" } as const;
    const submitted = await origin.outbox.submit(origin.submission(1, { eras }));
    expect(submitted).toMatchObject({ kind: "settled", operation: { outcome: { kind: "result", era: "legacy" } } });
    expect(origin.calls[0]!.headers.get("mcp-protocol-version")).toBe("2025-06-18");
    origin.era = "modern";
    const next = await origin.outbox.submit(origin.submission(2, { eras }));
    expect(next).toMatchObject({ kind: "settled", operation: { outcome: { kind: "result", era: "modern" } } });
    expect([origin.numbers, origin.calls[1]!.isModern]).toEqual([[1, 2], true]);
  });

  test("with sessions has one for each principal, and an end of it does not end the write", async () => {
    const origin = originOf();
    origin.era = "sessions";
    const eras = { modern: false, legacy: "sessions" } as const;
    const submit = (n: number, principal: string) =>
      origin.outbox.submit(origin.submission(n, { eras, principal, orderKey: null }));
    await submit(1, "a");
    await submit(2, "b");
    await submit(3, "a");
    origin.live.clear();
    expect(shown(await submit(4, "a"))).toEqual(["settled", "done"]);
    const sessions = origin.calls.map(({ headers }) => headers.get("mcp-session-id"));
    expect([sessions[0] === sessions[2], new Set(sessions).size]).toEqual([true, 3]);
    expect(origin.numbers).toEqual([1, 2, 3, 4]);
  });

  test("mirrors arguments in headers as it lists them now", async () => {
    const origin = originOf();
    const tool = (header: string) => ({
      name: "note",
      inputSchema: { type: "object", properties: { n: { type: "number", "x-mcp-header": header } } },
    });
    origin.tools = [tool("First")];
    const mirrored = (headers: Headers) => [...headers.keys()].filter((name) => name.startsWith("mcp-param-"));
    origin.script = ({ headers }) =>
      mirrored(headers)[0] ===
      `mcp-param-${(origin.tools[0] as any).inputSchema.properties.n["x-mcp-header"].toLowerCase()}`
        ? { result: TEXT }
        : Response.json({ jsonrpc: "2.0", id: 1, error: { code: -32020, message: "mismatch" } }, { status: 400 });
    await origin.outbox.submit(origin.submission(1));
    origin.tools = [tool("Second")];
    const submitted = await origin.outbox.submit(origin.submission(2));
    expect(submitted).toMatchObject({ operation: { state: "done", outcome: { kind: "result" } } });
    expect(origin.calls.flatMap(({ headers }) => mirrored(headers))).toEqual([
      "mcp-param-first",
      "mcp-param-first",
      "mcp-param-second",
    ]);
  });
});

test("an outbox that nobody has used has nothing to do", async () => {
  const { outbox } = originOf();
  const idle: Outbox["status"] extends () => Promise<infer S> ? Partial<S> : never = { sending: 0, restMs: 0 };
  expect(await outbox.status()).toMatchObject(idle);
  expect([await outbox.view("er-op-0", "key:one"), await runDurableObjectAlarm(outbox)]).toEqual([undefined, false]);
});
