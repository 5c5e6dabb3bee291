import { Webhook } from "standardwebhooks";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { MirrorStatus } from "../../src/mirror/MirrorStatus.ts";
import { Fixture, type Reply, type Seen, tool } from "./support/fixture.ts";
import { Mouths } from "./support/listening.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { call, modern } from "./support/wire.ts";

const SECRET = `whsec_${Buffer.from("the origin's own secret").toString("base64")}`;
const SOON = { timeout: 5_000 };

const origin = new Fixture();
let replica: Replica;
/** What the origin has: things that a tool lists, and documents. */
let things: Map<string, number>;
let docs: Map<string, number>;
/** The streams of each test. */
const mouths: Mouths[] = [];

const configOf = () => ({
  origins: {
    o: {
      url: origin.url,
      default: true,
      sync: { pulse: "250ms", listen: "auto", webhook: { secret: "HOOK" } },
      timeout: { total: "10s" },
      collections: {
        things: {
          from: {
            tool: "list_things",
            rows: "/things",
            cursor: { argument: "cursor", next: "/next" },
            total: "/total",
          },
          key: "id",
          tags: ["thing:{id}"],
          row: { tool: "get_thing", arguments: { id: "{id}" } },
          scope: "public",
        },
        docs: { from: { resources: "doc://*" }, key: "id", scope: "public" },
      },
      tools: {
        get_thing: { answer: { from: "things", key: "{id}" } },
        set_thing: { write: { invalidates: ["thing:{id}"] } },
      },
    },
    plain: { url: origin.url },
  },
});

const result = (value: object) => ({ result: { content: [{ type: "text", text: "" }], structuredContent: value } });

function listThings({ params }: Pick<Seen, "params">): Reply {
  const from = Number(params.arguments?.cursor ?? 0);
  const all = [...things].map(([id, n]) => ({ id, n }));
  const next = from + 2 < all.length ? { next: `${from + 2}` } : {};
  return result({ things: all.slice(from, from + 2), total: all.length, ...next });
}

/** Has the origin answer what is asked of it. */
function serveData(): void {
  origin.reset();
  origin.tools = ["list_things", "get_thing", "set_thing"].map((name) =>
    tool(name, { annotations: { readOnlyHint: true } }),
  );
  origin.on("tools/call list_things", listThings);
  origin.on("tools/call get_thing", ({ params: { arguments: args } }) => {
    const n = things.get(args.id);
    return n === undefined
      ? { result: { content: [{ type: "text", text: "There is no such thing." }], isError: true } }
      : result({ id: args.id, n });
  });
  origin.on("tools/call set_thing", ({ params: { arguments: args } }) => {
    things.set(args.id, args.n);
    return result({});
  });
  const hints = { ttlMs: 0, cacheScope: "private" };
  origin.on("resources/list", () => ({
    result: { resources: [...docs.keys()].map((id) => ({ uri: `doc://${id}`, name: id })), ...hints },
  }));
  origin.on("resources/read", ({ name }) => {
    const id = name!.slice("doc://".length);
    return docs.has(id)
      ? { result: { contents: [{ uri: name, text: JSON.stringify({ id, n: docs.get(id) }) }], ...hints } }
      : { error: { code: -32602, message: "Resource not found" } };
  });
  mouths.push(new Mouths(origin));
}

const post = async (url: string, to: string, body: unknown, headers = {}) => {
  const response = await fetch(`${url}${to}`, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: response.status, json: (await response.json()) as any };
};

async function statusOf({ url }: Pick<Replica, "url">, collection: string): Promise<MirrorStatus> {
  const { origins } = (await (await fetch(`${url}/admin/status?origin=o`)).json()) as any;
  return origins.o.mirror.find((one: MirrorStatus) => one.collection === collection);
}

/** The rows that readers see. */
async function rowsOf(of: Replica, collection: string): Promise<Record<string, number>> {
  const d1 = await of.d1();
  const { results } = await d1.prepare("SELECT name, version FROM mirror WHERE collection = ?").bind(collection).all();
  const [mirror] = results;
  if (!mirror) return {};
  const { name, version } = mirror;
  const rows = await d1.prepare(`SELECT body FROM "rows:${name}" WHERE since <= ?1 AND until > ?1`).bind(version).all();
  return Object.fromEntries(rows.results.map(({ body }) => JSON.parse(body as string)).map(({ id, n }) => [id, n]));
}

const seen = (collection: string) => expect.poll(() => rowsOf(replica, collection), SOON);
/** Waits until nothing is under way. */
const quiet = async (collection: string) => {
  const quietly = async () => {
    const { pulling, suspect, nextAt } = await statusOf(replica, collection);
    return [pulling, suspect, (nextAt ?? 0) > Date.now() + 60_000];
  };
  await expect.poll(quietly, SOON).toEqual([null, 0, true]);
};

beforeAll(async () => {
  await origin.start();
  things = new Map(["a", "b", "c", "d", "e"].map((id, n) => [id, n]));
  docs = new Map(["x", "y", "z"].map((id, n) => [id, n]));
});
beforeEach(() => serveData());
afterAll(() => origin.stop());

describe("a mirror", () => {
  let state: string;
  const vars = { HOOK: SECRET, REPLICA_LOG: "line" };
  const start = () => startReplica(configOf() as never, { state, vars });
  beforeAll(async () => {
    state = await mkdtemp(path.join(tmpdir(), "replica-mirror-"));
    replica = await start();
  });
  afterAll(async () => {
    await replica?.close();
    await rm(state, { recursive: true });
  });

  test("is pulled after the first request, and not before", async () => {
    expect(await statusOf(replica, "things")).toMatchObject({ origin: "o", version: 0, asOf: null, nextAt: null });
    expect(origin.seen).toEqual([]);
    await modern(replica.mcp, "tools/list");
    await seen("things").toEqual(Object.fromEntries(things));
    await seen("docs").toEqual(Object.fromEntries(docs));
    await quiet("things");
    const status = await statusOf(replica, "things");
    expect(status).toMatchObject({ version: 1, rows: 5, failed: null, pulls: { done: 1, failed: 0 } });
    expect(status.pulled).toMatchObject({ rows: 5, pages: 3, added: 5 });
    const metrics = await (await fetch(`${replica.url}/metrics`)).text();
    expect(metrics).toContain('replica_mirror_rows{origin="o",collection="things"} 5\n');
    expect(metrics).toMatch(/replica_mirror_age_seconds\{origin="o",collection="docs"\} \d/);
    expect(metrics).toContain('replica_mirror_pulls_total{origin="o",collection="things",result="done"} 1\n');
    expect(replica.lines.filter((line) => line.startsWith("mirror-pulled")).join("\n")).toContain(
      "origin=o collection=things rows=5 added=5 changed=0 removed=0 written=11",
    );
  });

  test("has what a write that passed through has changed, without being pulled", async () => {
    await call(replica.mcp, "set_thing", { id: "a", n: 100 });
    await call(replica.mcp, "set_thing", { id: "new", n: 7 });
    await seen("things").toMatchObject({ a: 100, new: 7 });
    await quiet("things");
    expect(origin.count("tools/call", "list_things")).toBe(0);
  });

  test("has what the origin's webhook says has changed", async () => {
    things.set("b", 200);
    things.delete("c");
    const body = { tags: ["thing:b", "thing:c"] };
    const id = "msg_1";
    const date = new Date(Math.floor(Date.now() / 1_000) * 1_000);
    const headers = {
      "webhook-id": id,
      "webhook-timestamp": String(date.getTime() / 1_000),
      "webhook-signature": new Webhook(SECRET).sign(id, date, JSON.stringify(body)),
    };
    expect((await post(replica.url, "/sync/o", body, headers)).status).toBe(200);
    await seen("things").toEqual(Object.fromEntries(things));
    await quiet("things");
  });

  test("has what the origin tells of: a resource that was updated, and a list that has changed", async () => {
    await quiet("docs");
    // The pull has found out which resources there are to be told of.
    const listening = () =>
      mouths
        .flatMap(({ all }) => all)
        .find(({ filter, isClosed }) => !isClosed && filter.resourceSubscriptions?.includes("doc://x"));
    await expect.poll(listening, SOON).toBeDefined();
    const listener = listening()!;
    docs.set("x", 300);
    listener.tell("notifications/resources/updated", { uri: "doc://x" });
    await seen("docs").toMatchObject({ x: 300 });
    docs.set("w", 5);
    docs.delete("y");
    listener.tell("notifications/resources/list_changed");
    await seen("docs").toEqual(Object.fromEntries(docs));
  });

  test("is pulled when it is purged, and when an operator says so", async () => {
    await quiet("things");
    things.set("d", 400);
    expect((await post(replica.url, "/admin/purge", { origin: "o", tags: ["collection:things"] })).status).toBe(200);
    await seen("things").toMatchObject({ d: 400 });
    await quiet("things");
    things.set("d", 401);
    const { status, json } = await post(replica.url, "/admin/sync", { collection: "things" });
    expect([status, json.origin, json.mirrors.map((one: MirrorStatus) => one.collection)]).toEqual([
      200,
      "o",
      ["things"],
    ]);
    await seen("things").toMatchObject({ d: 401 });
    const all = await post(replica.url, "/admin/sync", {});
    expect(all.json.mirrors).toHaveLength(2);
  });

  test("says what it cannot be asked for", async () => {
    const codeOf = async (body: unknown) => {
      const { status, json } = await post(replica.url, "/admin/sync", body);
      return [status, json.error.data.code];
    };
    expect(await codeOf({ collection: "none" })).toEqual([404, "unknown_collection"]);
    expect(await codeOf({ origin: "plain" })).toEqual([404, "unknown_collection"]);
    expect(await codeOf({ origin: "none" })).toEqual([404, "unknown_origin"]);
    expect(await codeOf({ collections: [] })).toEqual([400, "bad_sync"]);
    const got = await fetch(`${replica.url}/admin/sync`);
    expect(got.status).toBe(405);
  });

  test("keeps what it has while the origin is down, and follows it again when it is up", async () => {
    await quiet("things");
    const before = await rowsOf(replica, "things");
    await origin.stop();
    await post(replica.url, "/admin/sync", { collection: "things" });
    await expect.poll(async () => (await statusOf(replica, "things")).failed?.code, SOON).toBe("origin-failed");
    expect(await rowsOf(replica, "things")).toEqual(before);
    things.set("e", 500);
    await origin.start();
    await seen("things").toMatchObject({ e: 500 });
    await expect.poll(async () => (await statusOf(replica, "things")).failed, SOON).toBeNull();
  });

  test("goes on where a pull was that the end of the process has cut off", async () => {
    await quiet("things");
    const { version } = await statusOf(replica, "things");
    things.set("e", 600);
    let isStuck = true;
    const pages: string[] = [];
    origin.on("tools/call list_things", (one) => {
      pages.push(String(one.params.arguments?.cursor ?? 0));
      return pages.at(-1) === "2" && isStuck ? { status: 503, text: "" } : listThings(one);
    });
    await post(replica.url, "/admin/sync", { collection: "things" });
    await expect.poll(async () => (await statusOf(replica, "things")).failed?.message, SOON).toContain("no page 2");
    await replica.close();
    isStuck = false;
    pages.length = 0;
    replica = await start();
    await modern(replica.mcp, "ping");
    await seen("things").toMatchObject({ e: 600 });
    expect(pages[0]).toBe("2");
    expect(await statusOf(replica, "things")).toMatchObject({ version: version + 1, failed: null });
  });
});
