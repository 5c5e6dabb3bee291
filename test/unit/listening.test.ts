import { describe, expect, test } from "vitest";
import { ChangeLog, type Word } from "../../src/sync/ChangeLog.ts";
import { EventOutlet } from "../../src/sync/EventOutlet.ts";
import { listenUpstream, type UpstreamEvent, type UpstreamOptions } from "../../src/sync/listenUpstream.ts";
import { OpenStreams } from "../../src/sync/OpenStreams.ts";
import { pause } from "../../src/sync/pause.ts";
import type { OriginResponse } from "../../src/origin/callOrigin.ts";

const seen = (tag: string): Word => ({ originId: "o", kind: "told", tag, principal: undefined });
const tags = (words: Iterable<Word>) => [...words].map(({ tag }) => tag);

test("the log gives what was heard since a number, and forgets the oldest", () => {
  const log = new ChangeLog(3);
  const from = log.end;
  expect(tags(log.since(from))).toEqual([]);
  log.add(seen("a"));
  log.add(seen("b"));
  expect(tags(log.since(from))).toEqual(["a", "b"]);
  const later = log.end;
  expect(tags(log.since(later))).toEqual([]);
  log.add(seen("c"));
  log.add(seen("d"));
  expect(tags(log.since(later))).toEqual(["c", "d"]);
  expect(tags(log.since(from))).toEqual(["b", "c", "d"]);
});

test("streams are so many, and one that was lost without a word gives its place up in the end", () => {
  const streams = new OpenStreams({ streams: 2, characters: 1_000 });
  const [one, two] = [streams.open(0)!, streams.open(0)!];
  expect(one).not.toBe(two);
  expect(streams.open(60_000)).toBeUndefined();
  streams.close(one);
  const three = streams.open(60_000);
  expect(three).toBeDefined();
  expect(streams.open(60_000)).toBeUndefined();
  streams.heard(three!, 60_001);
  expect(streams.open(60_001)).toBeDefined();
  expect(streams.size).toBe(2);
});

test("streams may hold requests of so many characters, and those of one listener fewer", () => {
  const streams = new OpenStreams({ streams: 9, characters: 100 }, { streams: 9, characters: 60 });
  const ann = streams.open(0, "ann", undefined, 60)!;
  expect(streams.open(0, "ann", undefined, 1)).toBeUndefined();
  expect(streams.open(0, "bob", undefined, 41)).toBeUndefined();
  expect(streams.open(0, "bob", undefined, 40)).toBeDefined();
  streams.close(ann);
  expect(streams.open(0, undefined, undefined, 60)).toBeDefined();
});

describe("the outlet", () => {
  const read = async (outlet: EventOutlet) => new Response(outlet.stream).text();

  test("sends events and comments, and text of several lines as one event", async () => {
    const outlet = new EventOutlet(() => {});
    outlet.send(`{"a":\n1}`);
    outlet.keepAlive();
    outlet.close();
    outlet.send("late");
    outlet.close();
    expect(await read(outlet)).toBe(`event: message\ndata: {"a":\ndata: 1}\n\n: keep-alive\n\n`);
  });

  test("says when the receiver has left, at once, and sends no more", async () => {
    let left = 0;
    const outlet = new EventOutlet(() => left++);
    outlet.send("x".repeat(100_000));
    await outlet.stream.cancel();
    expect(left).toBe(1);
    outlet.send("more");
    outlet.close();
  });

  test("has room again when the receiver has caught up", async () => {
    const outlet = new EventOutlet(() => {});
    expect([outlet.hasRoom, outlet.isEmpty]).toEqual([true, true]);
    outlet.send("x");
    expect([outlet.hasRoom, outlet.isEmpty]).toEqual([true, false]);
    outlet.send("x".repeat(100_000));
    expect(outlet.hasRoom).toBe(false);
    const reader = outlet.stream.getReader();
    await reader.read();
    await reader.read();
    expect([outlet.hasRoom, outlet.isEmpty]).toEqual([true, true]);
  });
});

describe("listening at the origin", () => {
  const events = (...messages: unknown[]) =>
    new Response(messages.map((message) => `data: ${JSON.stringify(message)}\n\n`).join(""), {
      headers: { "content-type": "text/event-stream" },
    });
  const ack = {
    method: "notifications/subscriptions/acknowledged",
    params: { notifications: { toolsListChanged: true } },
  };
  const note = { method: "notifications/tools/list_changed" };
  const json = (message: unknown, status = 200) =>
    new Response(JSON.stringify(message), { status, headers: { "content-type": "application/json" } });

  /** What happens with an origin that answers so; the last answer is given again and again. */
  async function hear(answers: ((id: string) => Response | "down")[], random = 1) {
    const pauses: number[] = [];
    const ids: string[] = [];
    const options: UpstreamOptions = {
      connect: async (id): Promise<OriginResponse> => {
        const response = answers[Math.min(ids.length, answers.length - 1)]!(id);
        ids.push(id);
        return response === "down" ? { failure: { kind: "unreachable" } } : { response };
      },
      signal: new AbortController().signal,
      newId: () => `id ${ids.length}`,
      random: () => random,
      pause: async (ms) => void pauses.push(ms),
    };
    const heard: UpstreamEvent[] = [];
    for await (const event of listenUpstream(options)) heard.push(event);
    return { heard, pauses, ids, kinds: heard.map(({ kind }) => kind) };
  }

  const done = (id: string) => events({ id, result: { resultType: "complete" } });

  test("gives what it says in its order, and listens anew when it breaks", async () => {
    const { heard, kinds, ids } = await hear([() => events(ack, note, note), (id) => events(ack, { id, result: {} })]);
    expect(kinds).toEqual(["acknowledged", "notification", "notification", "broken", "acknowledged", "ended"]);
    expect(heard.map((event) => event.kind === "acknowledged" && event.again)).toEqual([
      false,
      false,
      false,
      false,
      true,
      false,
    ]);
    expect(heard[0]).toMatchObject({ honoured: { toolsListChanged: true } });
    expect(new Set(ids).size).toBe(2);
  });

  test("tries so often, ever more slowly, with full jitter, and then no more", async () => {
    const { kinds, pauses } = await hear([() => "down"]);
    expect(kinds).toEqual([...Array<string>(21).fill("broken"), "exhausted"]);
    expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, ...Array<number>(14).fill(30_000)]);
    expect((await hear([() => "down"], 0)).pauses.every((ms) => ms === 0)).toBe(true);
  });

  test("begins with short waits again after it has listened, but not to count", async () => {
    const { pauses, ids } = await hear([() => "down", () => "down", () => events(ack), () => "down"]);
    expect(pauses.slice(0, 4)).toEqual([500, 1_000, 500, 1_000]);
    expect(ids).toHaveLength(21);
  });

  test.each([
    ["404", () => json({ error: { code: -32601 } }, 404)],
    ["a redirect", () => new Response(null, { status: 302 })],
    ["an error in band", (id: string) => json({ id, error: { code: -32601, message: "no" } })],
    ["an error in a stream", (id: string) => events({ id, error: { code: -32601, message: "no" } })],
    ["nothing", () => new Response(null, { status: 202 })],
    ["a page", () => new Response("<html>", { headers: { "content-type": "text/html" } })],
  ])("is not tried again after %s", async (_, answer) => {
    expect((await hear([answer])).kinds).toEqual(["refused"]);
  });

  test.each([
    ["503", () => json({}, 503)],
    ["429", () => json({}, 429)],
    ["a stream that ends", () => events()],
    ["a stream that is not UTF-8", () => new Response(new Uint8Array([255, 10]), events())],
    ["a message that is too large", () => events({ ...note, params: { much: "x".repeat(1_100_000) } })],
    ["a line that never ends", () => new Response(`data: ${"x".repeat(1_100_000)}`, events())],
  ])("is tried again after %s", async (_, answer) => {
    expect((await hear([answer, done])).kinds).toEqual(["broken", "ended"]);
  });

  test("does without what is no notification", async () => {
    const odd = [1, {}, { ...note, id: 1 }, { id: "other", result: {} }, { id: "other", error: {} }];
    expect((await hear([(id) => events(...odd, note, { id, result: {} })])).kinds).toEqual(["notification", "ended"]);
  });

  test("takes a result that comes without a stream", async () => {
    expect((await hear([(id) => json({ id, result: { resultType: "complete" } })])).kinds).toEqual(["ended"]);
  });

  test("stops at once when told to: while it reads, and while it waits", async () => {
    let cancelled = false;
    const reading = new AbortController();
    const body = new ReadableStream({ cancel: () => void (cancelled = true) });
    const silent = new Response(body, { headers: { "content-type": "text/event-stream" } });
    const options = { newId: () => "id", random: () => 1, pause };
    const next = listenUpstream({
      ...options,
      connect: async () => ({ response: silent }),
      signal: reading.signal,
    }).next();
    await scheduler.wait(0);
    reading.abort();
    expect(await next).toMatchObject({ done: true });
    expect(cancelled).toBe(true);

    const waiting = new AbortController();
    let calls = 0;
    const connect = async (): Promise<OriginResponse> => {
      calls++;
      return { failure: { kind: "unreachable" } };
    };
    const events = listenUpstream({ ...options, connect, signal: waiting.signal });
    expect(await events.next()).toMatchObject({ value: { kind: "broken" } });
    const after = events.next();
    waiting.abort();
    await after;
    expect((await events.next()).done).toBe(true);
    expect(calls).toBeLessThanOrEqual(2);
  });
});
