import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Hearing } from "./support/Hearing.ts";
import { Fixture, type Reply, text, tool } from "./support/fixture.ts";
import { type Replica, seed, startReplica } from "./support/replica.ts";
import {
  call,
  codeOf,
  type Got,
  initialize,
  legacyCall,
  modern,
  modernBody,
  modernHeaders,
  said,
} from "./support/wire.ts";

const HTML: Reply = { text: "<html></html>", headers: { "content-type": "text/html" } };
const PLAIN: Reply = { status: 404, text: "Not found", headers: { "content-type": "text/plain" } };
/** What origins answer with that is no answer, and whether an old one then stands in for a tool's. */
const REPLIES: [what: string, reply: Reply | "hang" | "reset", standsIn: boolean][] = [
  ["401", { status: 401, text: "" }, false],
  ["403", { status: 403, text: "" }, false],
  ["404 with words", PLAIN, false],
  ["200 with a web page", HTML, false],
  ["503", { status: 503, text: "" }, true],
  ["nothing in time", "hang", true],
  ["an end of the connection", "reset", true],
];

const origin = new Fixture();
let endless: Server;
let liar: Server;
let replica: Replica;

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("t"), tool("get_x", { annotations: { readOnlyHint: true } })];
  endless = createServer((request, response) => {
    request.resume();
    response.writeHead(503, { "content-type": "text/html" });
    const more = setInterval(() => response.write("x"), 100);
    response.once("close", () => clearInterval(more));
  });
  await new Promise<void>((resolve) => endless.listen(0, "127.0.0.1", resolve));
  liar = createServer((request, response) => {
    request.resume();
    const socket = response.socket!;
    socket.on("error", () => {});
    socket.write(
      "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    const piece = `10000\r\n${" ".repeat(0x10000)}\r\n`;
    const write = () => {
      while (!socket.destroyed) {
        if (socket.write(piece)) continue;
        socket.once("drain", write);
        return;
      }
    };
    write();
  });
  await new Promise<void>((resolve) => liar.listen(0, "127.0.0.1", resolve));
  const { url } = origin;
  const tools = { t: { cache: { ttl: "10m", staleIfError: "7d" } } } as const;
  const patterns = { "get_*": { cache: { ttl: "10m" } } } as const;
  replica = await startReplica(
    {
      origins: {
        o: { url, timeout: { firstByte: "30s" }, tools },
        unkept: { url, lists: { staleIfError: "0s" }, tools: patterns },
        large: { url, tools: patterns },
        single: { url, concurrency: 1, tools },
        endless: { url: `http://127.0.0.1:${(endless.address() as AddressInfo).port}/mcp`, tools },
        liar: { url: `http://127.0.0.1:${(liar.address() as AddressInfo).port}/mcp`, tools },
        ...Object.fromEntries(REPLIES.map((_, nth) => [`r${nth}`, { url, timeout: { firstByte: "500ms" }, tools }])),
      },
      limits: { entry: "64KB" },
    },
    { instances: 2 },
  );
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await replica?.close();
  await origin.stop();
  endless.closeAllConnections();
  endless.close();
  liar.closeAllConnections();
  liar.close();
});

const at = (id: string, instance = 0) => `${replica.urls[instance]}/mcp/${id}`;
const statusOf = ({ cache }: Got) => cache?.status;
const STALE = { ttlMs: 60_000, staleIfErrorMs: 3_600_000 };
const inTime = <T>(answer: Promise<T>): Promise<T | "late"> =>
  Promise.race([answer, new Promise<"late">((resolve) => setTimeout(() => resolve("late"), 5_000))]);

describe.each(REPLIES.map(([what, reply, standsIn], nth) => ({ what, reply, standsIn, id: `r${nth}` })))(
  "where the origin answers $what",
  ({ reply, standsIn, id }) => {
    test(`a tool's old answer ${standsIn ? "stands in" : "does not hide it"}`, async () => {
      await call(at(id), "t", { warm: 1 });
      await seed(replica, { origin: id, target: "t", variant: {}, ageMs: 120_000, entry: STALE });
      origin.on("tools/call", () => reply);
      const got = await call(at(id), "t");
      expect(standsIn ? [statusOf(got), said(got)] : [codeOf(got) === undefined, statusOf(got)]).toEqual(
        standsIn ? ["stale", "old"] : [false, undefined],
      );
    });

    test("connections can be opened all the same, in both eras", async () => {
      expect((await modern(at(id), "server/discover")).body.result).toBeDefined();
      expect((await initialize(at(id))).body.result).toBeDefined();
      for (const method of ["server/discover", "initialize"]) origin.on(method, () => reply);
      const discover = await modern(at(id), "server/discover");
      expect([statusOf(discover), discover.body.result?.supportedVersions]).toEqual(["stale", ["2026-07-28"]]);
      const opened = await initialize(at(id));
      expect([statusOf(opened), opened.body.result?.serverInfo?.name]).toEqual(["stale", "fixture"]);
    });
  },
);

test("an isolate that knows nothing yet does not wait for an origin that hangs before it answers from KV", async () => {
  for (const method of ["tools/list", "tools/call"]) origin.on(method, () => "hang");
  await seed(replica, { target: "t", variant: { cold: 1 }, ageMs: 1_000 });
  const got = await inTime(call(at("o", 1), "t", { cold: 1 }));
  expect(got === "late" ? got : [statusOf(got), said(got)]).toEqual(["hit", "old"]);
});

describe("tools are cached by a pattern although the list of them", () => {
  test("may not be kept", async () => {
    await call(at("unkept"), "get_x");
    expect(statusOf(await call(at("unkept"), "get_x"))).toBe("hit");
  });

  test("is too large to be kept", async () => {
    const { tools } = origin;
    try {
      const description = "d".repeat(1_000);
      origin.tools = [...tools, ...Array.from({ length: 100 }, (_, nth) => tool(`other_${nth}`, { description }))];
      await call(at("large"), "get_x");
      expect(statusOf(await call(at("large"), "get_x"))).toBe("hit");
    } finally {
      origin.tools = tools;
    }
  });
});

test("a failure whose body never ends does not keep anybody from an old answer", async () => {
  await seed(replica, { origin: "endless", target: "t", variant: {}, ageMs: 120_000, entry: STALE });
  const got = await inTime(legacyCall(at("endless"), "t"));
  expect(got === "late" ? got : [statusOf(got), said(got)]).toEqual(["stale", "old"]);
});

test("an answer that is longer than it says is read no further than others are", async () => {
  const params = { name: "t", arguments: {} };
  const [headers, body] = [modernHeaders("tools/call", params), modernBody("tools/call", params)];
  const got = await inTime(Hearing.open({ url: at("liar"), headers, body }, { reads: false }));
  // What is too large to be read is streamed.
  expect(got === "late" ? got : got.status).toBe(200);
  if (got !== "late") got.leave();
});

test("an origin that takes one call at a time never gets two", async () => {
  await call(at("single"), "t", { warm: 1 });
  let open = 0;
  let most = 0;
  origin.on("tools/call t", async () => {
    most = Math.max(most, ++open);
    await new Promise((resolve) => setTimeout(resolve, 20));
    open--;
    return text("in turn");
  });
  const asked = Array.from({ length: 20 }, (_, turn) => call(at("single", turn % 2), "t", { turn }));
  for (const got of await Promise.all(asked)) expect(said(got)).toBe("in turn");
  expect(most).toBe(1);
});

test.each(["o", "single"])("many who ask for the same anew at once are all answered: %s", async (id) => {
  await call(at(id), "t", { warm: 1 });
  origin.on("tools/call t", async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return text("new");
  });
  const headers = { "cache-control": "no-cache" };
  const asked = Array.from({ length: 100 }, () => call(at(id), "t", { again: id }, { headers }));
  const got = await Promise.all(asked);
  expect(got.map(codeOf).filter((code) => code !== undefined)).toEqual([]);
  for (const one of got) expect(said(one)).toBe("new");
  // Those who come before the origin is asked share what it says.
  expect(origin.count("tools/call", "t")).toBeLessThan(20);
});

test("an answer that is too large for memory is refreshed behind all the same", async () => {
  const roomy = await startReplica({
    origins: { o: { url: origin.url, tools: { t: { cache: { ttl: "1m", staleWhileRevalidate: "1h" } } } } },
    limits: { entry: "16MB" },
  });
  try {
    await call(roomy.mcp, "t", { warm: 1 });
    const body = `"content":[{"type":"text","text":"${"x".repeat(6 * 1_048_576)}"}]`;
    const entry = { ttlMs: 60_000, staleWhileRevalidateMs: 3_600_000, body };
    await seed(roomy, { target: "t", variant: {}, ageMs: 120_000, entry });
    origin.on("tools/call t", () => text("new"));
    const got = await call(roomy.mcp, "t");
    expect([statusOf(got), said(got)!.length]).toEqual(["stale", 6 * 1_048_576]);
    await expect
      .poll(() => origin.seen.filter(({ params }) => !params?.arguments?.warm && params?.name))
      .toHaveLength(1);
    await expect.poll(async () => said(await call(roomy.mcp, "t"))).toBe("new");
  } finally {
    await roomy.close();
  }
});
