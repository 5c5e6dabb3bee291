import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Handler, Fixture, text, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { eventsIn } from "./support/sessionsOf.ts";
import { makeStateful } from "./support/stateful.ts";
import { call, codeOf, type Got, modern, modernHeaders, send, until } from "./support/wire.ts";

const MEGABYTE = 1_048_576;
const cache = { ttl: "5m" } as const;
let nth = 0;
/** What a request asks for: a tool, a tool whose answers are kept, and what has an HTTP status of its own. */
const ASKED: Record<string, (mcp: string) => Promise<Got>> = {
  "a tool": (mcp) => call(mcp, "other", {}, { id: "mine" }),
  "a tool whose answers are kept": (mcp) => call(mcp, "kept", { nth: ++nth }, { id: "mine" }),
  "another method": (mcp) => modern(mcp, "acme/odd", {}, { id: "mine" }),
};

describe.each([
  ["an origin without sessions", false],
  ["an origin with sessions", true],
])("in front of %s a modern caller", (_, opensSessions) => {
  const origin = new Fixture();
  let replica: Replica;
  const setUp = () => {
    origin.reset();
    origin.eras = "legacy";
    origin.tools = [tool("kept"), tool("other")];
    if (opensSessions) makeStateful(origin);
    origin.on("POST", () => ({ status: 202, text: "" }));
  };
  beforeAll(async () => {
    await origin.start();
    setUp();
    const o = { url: origin.url, modernize: "always", timeout: { total: "3s" }, tools: { kept: { cache } } } as const;
    replica = await startReplica({ origins: { o } });
    await modern(replica.mcp, "server/discover");
  });
  afterAll(async () => {
    await replica?.close();
    await origin.stop();
  });
  beforeEach(setUp);

  const answers = (handler: Handler) => {
    for (const what of ["tools/call", "acme/odd"]) origin.on(what, handler);
  };

  test.each(Object.keys(ASKED))("gets what stands on several lines of an event: %s", async (what) => {
    answers(({ id }) => ({
      stream: (response) => {
        const message = { jsonrpc: "2.0", id, result: { content: [{ type: "text", text: "in lines" }] } };
        const lines = JSON.stringify(message, null, 2).split("\n");
        response.end(`${lines.map((line) => `data: ${line}\n`).join("")}\n`);
      },
    }));
    const got = await ASKED[what]!(replica.mcp);
    const [whole = got.body] = got.headers["content-type"]!.includes("event-stream") ? eventsIn(got.text) : [];
    expect([whole.id, whole.result.content[0].text]).toEqual(["mine", "in lines"]);
  });

  test.each(Object.keys(ASKED))(
    "gets an error where an event has no end, and the origin is let go: %s",
    async (what) => {
      let written = 0;
      const closed = Promise.withResolvers<void>();
      answers(() => ({
        stream: (response) => {
          response.once("close", closed.resolve);
          endless(response, () => (written += MEGABYTE));
        },
      }));
      const got = await ASKED[what]!(replica.mcp);
      expect([got.status, codeOf(got), got.body.id]).toEqual([200, "origin_invalid", "mine"]);
      await closed.promise;
      expect(written).toBeLessThan(100 * MEGABYTE);
    },
  );

  test.each(Object.keys(ASKED))("gets an error where an event is not UTF-8: %s", async (what) => {
    answers(() => ({ stream: (response) => void response.end(Buffer.from([...Buffer.from("data: "), 0xff, 10, 10])) }));
    const got = await ASKED[what]!(replica.mcp);
    expect([got.status, got.body.id]).toEqual([200, "mine"]);
    expect(codeOf(got)).toMatch(/^origin_(invalid|unavailable)$/);
  });

  test.each(Object.keys(ASKED))("gets an error under its own id where the origin names none: %s", async (what) => {
    for (const status of [200, 400]) {
      answers(() => ({ status, id: null, error: { code: -32603, message: "Out of order" } }));
      const got = await ASKED[what]!(replica.mcp);
      expect([got.status, got.body.error.code, got.body.id]).toEqual([200, -32603, "mine"]);
    }
  });

  test.each(Object.keys(ASKED))("gets its own answer, where others come before it: %s", async (what) => {
    answers(({ id }) => ({
      stream: (response) => {
        for (const one of [999, `${String(id)}0`, id]) {
          const result = { content: [{ type: "text", text: one === id ? "mine" : "another's" }] };
          response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", id: one, result })}\n\n`);
        }
        response.end();
      },
    }));
    const got = await ASKED[what]!(replica.mcp);
    const [first = got.body] = got.headers["content-type"]!.includes("event-stream") ? eventsIn(got.text) : [];
    expect([first.id, first.result.content[0].text]).toEqual(["mine", "mine"]);
  });

  test("reaches the origin without a header that takes up a stream", async () => {
    await call(replica.mcp, "other", {}, { headers: { "last-event-id": "another's" } });
    expect(origin.last("tools/call").headers["last-event-id"]).toBeUndefined();
  });

  test.runIf(opensSessions)(
    "waits for the end of an answer as long as for any, and then cancels the call",
    async () => {
      origin.on("tools/call other", () => ({ text: "{", headers: { "content-length": "100" } }));
      const got = await call(replica.mcp, "other");
      expect(codeOf(got)).toBe("origin_timeout");
      await until(
        () => origin.last("notifications/cancelled")?.params.requestId,
        (id) => id === origin.last("tools/call").id,
      );
    },
  );

  test("who listens, listens to the replica alone", async () => {
    const got = await modern(replica.mcp, "subscriptions/listen", { notifications: {} });
    expect(got.text).toContain("notifications/subscriptions/acknowledged");
    expect(origin.count("subscriptions/listen")).toBe(0);
  });
});

describe("a batch", () => {
  const origin = new Fixture();
  let replica: Replica;
  beforeAll(async () => {
    await origin.start();
    origin.tools = [tool("other"), tool("endless")];
    replica = await startReplica({ origins: { o: { url: origin.url, timeout: { total: "2s" } } } });
  });
  afterAll(async () => {
    await replica?.close();
    await origin.stop();
  });

  test("has an error for a message whose event has no end, and the answers of the others", async () => {
    const closed = Promise.withResolvers<void>();
    origin.on("tools/call endless", () => ({
      stream: (response) => {
        response.once("close", closed.resolve);
        endless(response, () => {});
      },
    }));
    origin.on("tools/call other", () => ({ ...text("other"), sse: true }));
    const messages = ["endless", "other"].map((name) => ({
      jsonrpc: "2.0",
      id: name,
      method: "tools/call",
      params: { name, arguments: {} },
    }));
    const headers = { ...modernHeaders("tools/call"), "mcp-protocol-version": "2025-03-26", "mcp-method": null };
    const got = await send(replica.mcp, { headers, body: JSON.stringify(messages) });
    const answers = Object.fromEntries(eventsIn(got.text).map((one) => [one.id, one.result]));
    expect(answers["other"].content[0].text).toBe("other");
    expect(answers["endless"]._meta["edge-replica/error"].code).toBe("origin_invalid");
    await closed.promise;
  });
});

/** Writes an event that never ends, as fast as it is read. */
function endless(response: ServerResponse, wrote: () => void): void {
  response.on("error", () => {});
  response.write("data: ");
  const piece = "x".repeat(MEGABYTE);
  const write = () => {
    while (!response.destroyed) {
      wrote();
      if (!response.write(piece)) {
        response.once("drain", write);
        return;
      }
    }
  };
  write();
}
