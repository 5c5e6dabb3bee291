import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { OriginSettings } from "../../src/config/replica.ts";
import { resolve } from "../../src/config/resolve.ts";
import { SseReader } from "../../src/mcp/SseReader.ts";
import { continueTrace, traceparentOf } from "../../src/mcp/trace.ts";
import { withId } from "../../src/mcp/withId.ts";
import { withoutTools } from "../../src/mcp/withoutTools.ts";
import { callOrigin } from "../../src/origin/callOrigin.ts";
import { readReply, type ReadLimits } from "../../src/origin/readReply.ts";

const LIMITS = { id: 1, maxBytes: 1_000, totalMs: 1_000 };
const OK = '{"jsonrpc":"2.0","id":1,"result":{}}';

function json(body: string, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(body, { status, headers: { "content-type": "application/json", ...headers } });
}

function sse(...chunks: string[]): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8" } });
}

describe("reading the origin's reply", () => {
  test("takes a JSON body as it is", async () => {
    expect(await readReply(json(OK), LIMITS)).toEqual({ status: 200, text: OK });
  });

  test("takes the response out of an event stream, and lets notifications go", async () => {
    const note = '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}';
    const response = sse(
      `: hello\nid: 1\ndata: ${note}\n\n`,
      `data: ${OK.slice(0, 9)}`,
      `${OK.slice(9)}\n\n`,
      "data: more\n\n",
    );
    expect(await readReply(response, LIMITS)).toEqual({ status: 200, text: OK });
  });

  test("says when a legacy session was minted", async () => {
    expect(await readReply(json(OK, 200, { "mcp-session-id": "s" }), LIMITS)).toMatchObject({ sessionId: "s" });
  });

  test.each([
    ["another id", json('{"jsonrpc":"2.0","id":2,"result":{}}')],
    ["an id of another type", json('{"jsonrpc":"2.0","id":"1","result":{}}')],
    ["no JSON", json("<html>")],
    ["no JSON-RPC", json("{}")],
    ["nothing", new Response(null)],
    ["a redirect", new Response(null, { status: 302, headers: { location: "https://elsewhere.test" } })],
  ])("refuses %s", async (_, response) => {
    expect(await readReply(response, LIMITS)).toMatchObject({ failure: { kind: "garbage" } });
  });

  test("a stream that ends without its answer broke off", async () => {
    expect(await readReply(sse("data: {}\n\n"), LIMITS)).toEqual({ failure: { kind: "unreachable" } });
  });

  test("what is not UTF-8 is refused, not repaired", async () => {
    const bytes = new Uint8Array([
      ...new TextEncoder().encode('{"jsonrpc":"2.0","id":1,"result":{"x":"'),
      0xff,
      0x22,
      0x7d,
      0x7d,
    ]);
    const response = new Response(bytes, { headers: { "content-type": "application/json" } });
    expect(await readReply(response, LIMITS)).toEqual({ failure: { kind: "garbage", detail: "not UTF-8" } });
  });

  test("an error whose id the origin could not read is taken", async () => {
    const text = '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}';
    expect(await readReply(json(text, 400), LIMITS)).toEqual({ status: 400, text });
  });

  test.each([[500], [503], [429]])(
    "a status of %i is a failure, with the origin's own words where it had any",
    async (status) => {
      const own = await readReply(json(OK, status, { "retry-after": "7" }), LIMITS);
      expect(own).toEqual({ failure: { kind: "status", status, retryAfterMs: 7_000, reply: OK } });
      expect(await readReply(new Response("<html>", { status }), LIMITS)).toEqual({
        failure: { kind: "status", status },
      });
    },
  );

  test.each([[401], [403]])("a status of %i says that the replica's credential was refused", async (status) => {
    expect(await readReply(json(OK, status), LIMITS)).toEqual({ failure: { kind: "refused", status } });
  });

  test("reads no more than allowed, of either form", async () => {
    const large = `{"jsonrpc":"2.0","id":1,"result":{"x":"${"a".repeat(2_000)}"}}`;
    expect(await readReply(json(large), LIMITS)).toEqual({ tooLarge: true });
    expect(await readReply(sse(`data: ${large}`), LIMITS)).toEqual({ tooLarge: true });
  });

  test("holds no more than there is room for, with what others hold, and gives the room back", async () => {
    const room = { left: 1_000 };
    const open = () => {
      let send!: (text: string) => void;
      let end!: () => void;
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          send = (text) => controller.enqueue(new TextEncoder().encode(text));
          end = () => controller.close();
        },
      });
      return { body, send, end };
    };
    const result = (length: number) => `{"jsonrpc":"2.0","id":1,"result":{"x":"${"x".repeat(length)}"}}`;
    const limits = { id: 1, maxBytes: 10_000, totalMs: 60_000, room };
    const slow = open();
    const first = readReply(new Response(slow.body, { headers: { "content-type": "application/json" } }), limits);
    slow.send(result(600).slice(0, 600));
    await expect.poll(() => room.left).toBe(400);
    const stream = { "content-type": "text/event-stream" };
    const events = `data: {"method":"notifications/x"}\n\n`.repeat(100);
    const answer = `data: ${result(500)}\n\n`;
    expect(await readReply(new Response(answer.slice(0, -2), { headers: stream }), limits)).toEqual({ tooLarge: true });
    expect(room.left).toBe(400);
    // What has been passed over takes no room.
    const small = `${events}data: ${result(10)}\n\n`;
    expect(await readReply(new Response(small, { headers: stream }), limits)).toMatchObject({ text: result(10) });
    slow.send(result(600).slice(600));
    slow.end();
    expect(await first).toMatchObject({ text: result(600) });
    expect(room.left).toBe(1_000);
  });

  test("gives up on a body that does not end", async () => {
    const endless = new Response(new ReadableStream({ pull: () => new Promise(() => {}) }), {
      headers: { "content-type": "application/json" },
    });
    expect(await readReply(endless, { ...LIMITS, totalMs: 20 })).toEqual({ failure: { kind: "timeout", afterMs: 20 } });
  });

  describe("of stated length, where the call can be cancelled,", () => {
    /** Reads it; and whether the call was cancelled. */
    const readStated = async (response: Response, limits: Partial<ReadLimits> = {}) => {
      let cancelled = false;
      const reply = await readReply(response, { ...LIMITS, ...limits, cancel: () => (cancelled = true) });
      return { reply, cancelled };
    };
    const stated = (body: BodyInit, length: number, more: Record<string, string> = {}) =>
      new Response(body, {
        headers: { "content-type": "application/json", "content-length": String(length), ...more },
      });

    test("is read at once", async () => {
      const room = { left: 1_000 };
      const { reply, cancelled } = await readStated(stated(OK, OK.length), { room });
      expect([reply, cancelled, room.left]).toEqual([{ status: 200, text: OK }, false, 1_000]);
    });

    test("is not begun where it is too large, for one or for all", async () => {
      expect((await readStated(stated(OK, 1_001))).reply).toEqual({ tooLarge: true });
      const room = { left: 20 };
      expect((await readStated(stated(OK, OK.length), { room })).reply).toEqual({ tooLarge: true });
      expect(room.left).toBe(20);
    });

    test("is held to what it unpacks to", async () => {
      const large = `{"jsonrpc":"2.0","id":1,"result":{"x":"${"a".repeat(2_000)}"}}`;
      const { reply } = await readStated(stated(large, 40, { "content-encoding": "gzip" }));
      expect(reply).toEqual({ tooLarge: true });
    });

    test("is waited for no longer than the timeout, and then cancelled", async () => {
      const endless = new ReadableStream({ pull: () => new Promise(() => {}) });
      const { reply, cancelled } = await readStated(stated(endless, OK.length), { totalMs: 20 });
      expect([reply, cancelled]).toEqual([{ failure: { kind: "timeout", afterMs: 20 } }, true]);
    });

    test("is refused where it is not UTF-8, and broken off where it ends early", async () => {
      const { reply } = await readStated(stated(new Uint8Array([0x22, 0xff, 0x22]), 3));
      expect(reply).toEqual({ failure: { kind: "garbage", detail: "not UTF-8" } });
      const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) });
      expect((await readStated(stated(broken, OK.length))).reply).toEqual({ failure: { kind: "unreachable" } });
    });
  });

  test("a body that breaks off is a broken connection", async () => {
    const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) });
    const response = new Response(broken, { headers: { "content-type": "application/json" } });
    expect(await readReply(response, LIMITS)).toEqual({ failure: { kind: "unreachable" } });
  });
});

describe("calling the origin", () => {
  const settings = (origin: object): OriginSettings => resolve({ origins: { o: origin } }).origins.get("o")!.settings;
  const request = { method: "POST", headers: { accept: "application/json" }, body: OK };

  test("goes through a service binding where the configuration names one", async () => {
    const seen: Request[] = [];
    const binding = {
      fetch: async (url: string, init: RequestInit) => {
        seen.push(new Request(url, init));
        return json(OK);
      },
    };
    const called = await callOrigin(settings({ service: "CATALOG" }), { CATALOG: binding }, request);
    expect("response" in called && (await called.response.text())).toBe(OK);
    expect(new URL(seen[0]!.url).pathname).toBe("/mcp");
    expect(await seen[0]!.text()).toBe(OK);
  });

  test("sends the credential as the configuration says, from the secret of that name", async () => {
    const seen: Headers[] = [];
    const binding = {
      fetch: async (_: string, init: RequestInit) => {
        seen.push(new Headers(init.headers));
        return json(OK);
      },
    };
    const bindings = { CATALOG: binding, TOKEN: "s3cret" };
    await callOrigin(settings({ service: "CATALOG", auth: { bearer: { secret: "TOKEN" } } }), bindings, request);
    await callOrigin(
      settings({ service: "CATALOG", auth: { header: { name: "X-Api-Key", secret: "TOKEN" } } }),
      bindings,
      request,
    );
    expect(seen.map((headers) => [headers.get("authorization"), headers.get("x-api-key")])).toEqual([
      ["Bearer s3cret", null],
      [null, "s3cret"],
    ]);
  });

  test("a secret or a binding that is not there is said by its name", async () => {
    const secret = await callOrigin(settings({ service: "S", auth: { bearer: { secret: "TOKEN" } } }), {}, request);
    expect(secret).toEqual({ failure: { kind: "misconfigured", detail: "the secret TOKEN is not set" } });
    const odd = settings({ service: "S", auth: { bearer: { secret: "TOKEN" } } });
    for (const TOKEN of ["two\nlines", "not \u{1f600} a token"])
      expect(await callOrigin(odd, { TOKEN }, request)).toEqual({
        failure: { kind: "misconfigured", detail: "the secret TOKEN has characters that no header can have" },
      });
    const service = await callOrigin(settings({ service: "S" }), {}, request);
    expect(service).toEqual({ failure: { kind: "misconfigured", detail: "the service binding S is not there" } });
  });

  test("no first byte in time is a timeout; a thrown fetch is not", async () => {
    const slow = { ...settings({ service: "S" }), firstByteMs: 20 };
    const hanging = {
      fetch: (_: string, { signal }: RequestInit) =>
        new Promise((_resolve, reject) => signal!.addEventListener("abort", () => reject(new Error("aborted")))),
    };
    expect(await callOrigin(slow, { S: hanging }, request)).toEqual({ failure: { kind: "timeout", afterMs: 20 } });
    const refusing = { fetch: () => Promise.reject(new Error("refused")) };
    expect(await callOrigin(slow, { S: refusing }, request)).toEqual({ failure: { kind: "unreachable" } });
  });
});

describe("server-sent events", () => {
  const line = fc.string({ unit: fc.constantFrom("a", ":", " ", "é", "{", '"') });

  test("give the same data however the text is cut, and whatever ends the lines", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(line, { minLength: 1, maxLength: 3 }), { maxLength: 5 }),
        fc.constantFrom("\n", "\r\n", "\r"),
        fc.array(fc.nat(60), { maxLength: 10 }),
        (events, end, cuts) => {
          const text =
            events.map((lines) => lines.map((one) => `data: ${one}${end}`).join("") + end).join("") + `: end${end}`;
          const reader = new SseReader();
          const data: string[] = [];
          let from = 0;
          for (const cut of [...cuts].toSorted((a, b) => a - b)) {
            data.push(...reader.push(text.slice(from, Math.max(from, cut))));
            from = Math.max(from, cut);
          }
          data.push(...reader.push(text.slice(from)));
          expect(data).toEqual(events.map((lines) => lines.join("\n")));
        },
      ),
    );
  });
});

describe("cutting in JSON text", () => {
  test("an id is replaced and nothing else is touched", () => {
    const text = '{ "result" : {"id":7,"n":9007199254740993} , "jsonrpc":"2.0","id":1}';
    expect(withId(text, "a")).toBe('{ "result" : {"id":7,"n":9007199254740993} , "jsonrpc":"2.0","id":"a"}');
    expect(withId('{"error":{}}', 2)).toBe('{"id":2,"error":{}}');
  });

  test("hidden tools leave the list, and a list without them is not touched", () => {
    const text = '{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","n":1.0},{"name":"b"}],"nextCursor":"x"}}';
    expect(withoutTools(text, (name) => name === "c")).toBe(text);
    expect(JSON.parse(withoutTools(text, (name) => name === "b"))).toEqual({
      jsonrpc: "2.0",
      id: 1,
      result: { tools: [{ name: "a", n: 1 }], nextCursor: "x" },
    });
  });
});

describe("a trace", () => {
  const ID = "0af7651916cd43dd8448eb211c80319c";

  test("is continued where the caller has a valid one", () => {
    const trace = continueTrace([undefined, `00-${ID}-b7ad6b7169203331-00`], () => "new");
    expect(traceparentOf(trace, "1234567890abcdef")).toBe(`00-${ID}-1234567890abcdef-00`);
  });

  test.each([[null], [7], ["x"], [`00-${"0".repeat(32)}-b7ad6b7169203331-01`], [`00-${ID}-b7ad6b7169203331-01\nx`]])(
    "%j starts a new one",
    (traceparent) => {
      expect(continueTrace([traceparent], () => "new")).toEqual({ correlationId: "new", flags: "01" });
    },
  );
});
