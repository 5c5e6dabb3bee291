import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { serveMetrics } from "../../src/http/admin/serveMetrics.ts";
import { servePurge } from "../../src/http/admin/servePurge.ts";
import type { Isolate } from "../../src/lanes/Exchange.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import { Totals } from "../../src/sync/Totals.ts";
import { Tally } from "../../src/telemetry/Tally.ts";
import { emptyIsolate } from "./emptyIsolate.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** What an object shows that has heard nothing. */
const totals = {
  counted: new Totals(undefined, 0).all,
  isolates: { count: 0, active: 0, lagMs: 0 },
  health: { state: "up" },
};

test("an object that does not answer keeps nobody from hearing of the other origins", async () => {
  const replica = resolve({ origins: { a: { service: "S" }, b: { service: "S" } }, access: { open: true } });
  const reports: unknown[] = [];
  const known = new Map(
    ["a", "b"].map((id) => [id, { feed: new FeedView(() => id), tally: new Tally(() => undefined) }]),
  );
  const answers = { a: () => new Promise(() => {}), b: async () => totals };
  const env = {
    ORIGIN_SYNC: {
      idFromName: String,
      get: (name: string) => ({ totals: name.startsWith("a") ? answers.a : answers.b }),
    },
  } as unknown as Cloudflare.Env;
  const showing = {
    replica,
    known,
    isolate: { eras: new Map() },
    report: (event: unknown) => void reports.push(event),
  };
  const served = serveMetrics(showing, new Request("http://127.0.0.1/metrics"), env);
  await vi.advanceTimersByTimeAsync(10_000);
  const text = await (await served).text();
  expect(text).toContain('mcp_sync_up{origin="a"} 0\nmcp_sync_up{origin="b"} 1\n');
  expect(text).toContain('mcp_origin_health{origin="b"} 1\n');
  expect(text).not.toContain('mcp_origin_health{origin="a"}');
  expect(reports).toMatchObject([{ type: "sync-failed", operation: "totals", origin: "a" }]);
});

test("a purge of which an object does not answer for long has not worked for certain, and that is said", async () => {
  const replica = resolve({ origins: { a: { service: "S" } }, access: { open: true } });
  const feeds = new Map([["a", new FeedView(() => "a")]]);
  const env = {
    ORIGIN_SYNC: { idFromName: String, get: () => ({ invalidate: () => new Promise(() => {}) }) },
  } as unknown as Cloudflare.Env;
  const request = new Request("http://127.0.0.1/admin/purge", { method: "POST", body: '{"tool":"t"}' });
  const served = servePurge({ replica, feeds, isolate: emptyIsolate() as Isolate, report: () => {} }, request, env);
  let status: number | undefined;
  void served.then((response) => (status = response.status));
  // However long: a body is read in real time.
  await vi.waitUntil(async () => (await vi.advanceTimersByTimeAsync(10_000), status !== undefined));
  expect(status).toBe(503);
  expect(await (await served).json()).toMatchObject({ error: { data: { code: "sync_unavailable" } } });
});
