import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { tenantId } from "../../src/config/tenant.ts";
import { outboxFamilies } from "../../src/http/admin/outboxFamilies.ts";
import { serveJob, serveJobs } from "../../src/http/admin/serveJobs.ts";
import { outboxObject } from "../../src/origin/outboxObject.ts";
import { operationId } from "../../src/outbox/operationId.ts";
import type { ReplicaEvent } from "../../src/telemetry/events.ts";
import { prometheus } from "../../src/telemetry/prometheus.ts";
import { answerForOrigins, WritingOrigin } from "./support/writing.ts";

const NOBODYS = operationId("0".repeat(32));
const events: ReplicaEvent[] = [];
const used: Pick<WritingOrigin, "outbox">[] = [];
let stop: () => void;
beforeAll(() => {
  stop = answerForOrigins();
  vi.spyOn(console, "warn").mockImplementation(() => {});
});
afterAll(async () => {
  for (const { outbox } of used) await runInDurableObject(outbox, (_, { storage }) => storage.deleteAlarm());
  stop();
  vi.restoreAllMocks();
});

/** An origin with a write that is done, one that is ambiguous, and one that waits behind that. */
async function withJobs() {
  const origin = new WritingOrigin();
  used.push(origin);
  const { id, region } = origin.settings;
  const replica = resolve({ origins: { [id]: { url: `https://${origin.host}/mcp` }, other: { service: "S" } } });
  const tools = { replica, report: (event: ReplicaEvent) => void events.push(event) };
  origin.script = ({ args }) => {
    if (args["n"] === 2) throw new TypeError("broken");
    return { result: { content: [], structuredContent: { done: args["n"] } } };
  };
  const submissions = [1, 2, 3].map((n) => origin.submission(n, { patienceMs: 1, ...(n === 1 && { tool: "other" }) }));
  for (const one of submissions) await origin.outbox.submit(one);
  origin.script = ({ args }) => ({ result: { content: [], structuredContent: { again: args["n"] } } });
  const ask = async (request: Request, bindings: object = env) =>
    told(await serveJobs(tools, request, bindings as Cloudflare.Env));
  const list = (query = "", bindings?: object) =>
    ask(new Request(`https://replica/admin/jobs?origin=${id}${query}`), bindings);
  const post = (body: unknown, bindings?: object) =>
    ask(
      new Request("https://replica/admin/jobs", {
        method: "POST",
        body: typeof body === "string" ? body : JSON.stringify({ origin: id, ...(body as object) }),
      }),
      bindings,
    );
  const show = async (job: string, named = id, method = "GET") =>
    told(await serveJob(tools, job, new Request(`https://replica/admin/jobs/${job}?origin=${named}`, { method }), env));
  const [done, stuck, behind] = submissions.map((one) => one.id) as [string, string, string];
  return { origin, id, region, done, stuck, behind, list, post, show };
}

async function told(response: Response) {
  const body = (await response.json()) as any;
  return { status: response.status, body, code: body.error?.data.code, message: body.error?.message as string };
}

const idsOf = ({ body }: { body: any }) => body.jobs.map((job: { id: string }) => job.id);

describe("the writes in an outbox", () => {
  test("are listed for operators, the latest first, and neither arguments nor answers with them", async () => {
    const { id, done, stuck, behind, list } = await withJobs();
    const all = await list();
    expect(idsOf(all)).toEqual([behind, stuck, done]);
    expect(all.body).toMatchObject({
      origin: id,
      counts: { accepted: 1, ambiguous: 1, done: 1, dead: 0 },
      amount: { depth: 2 },
      sent: { answered: 1, unknown: 1, retries: 0 },
    });
    expect(all.body.jobs[1]).toMatchObject({ tool: "note", state: "ambiguous", reason: "no-answer", attempts: 1 });
    expect(JSON.stringify(all.body)).not.toMatch(/"(args|outcome|before|tenants)"|structuredContent|\\"n\\"/);
    expect(idsOf(await list("&state=ambiguous&state=done"))).toEqual([stuck, done]);
    expect(idsOf(await list("&tool=other"))).toEqual([done]);
    const first = await list("&limit=2");
    expect(idsOf(first)).toEqual([behind, stuck]);
    const rest = await list(`&limit=2&before=${first.body.before}`);
    expect([idsOf(rest), rest.body.before]).toEqual([[done], undefined]);
  });

  test("are each shown with their arguments and what the origin has answered", async () => {
    const { id, done, stuck, show } = await withJobs();
    const { body } = await show(done);
    expect(body).toMatchObject({
      origin: id,
      job: { id: done, state: "done", args: '{"n":1}', outcome: { kind: "result" } },
    });
    expect(JSON.parse(body.job.outcome.text)).toMatchObject({ structuredContent: { done: 1 } });
    expect((await show(stuck)).body.job).toMatchObject({ args: '{"n":2}', state: "ambiguous" });
    expect(await show(done, id, "POST")).toMatchObject({ status: 405 });
    for (const one of [NOBODYS, "er-op-1", "%27%20OR%201=1"])
      expect(await show(one)).toMatchObject({ status: 404, code: "unknown_job" });
    expect(await show(done, "other")).toMatchObject({ status: 404, code: "unknown_job" });
    expect(await show(done, "elsewhere")).toMatchObject({ status: 404, code: "unknown_origin" });
  });

  test("are sent again by the operator's word, and it is said what cannot be", async () => {
    const { origin, id, done, stuck, behind, post, list } = await withJobs();
    expect((await post({ redrive: [stuck, done, NOBODYS] })).body).toEqual({
      origin: id,
      done: [{ id: stuck, tool: "note", state: "accepted" }],
      refused: [
        { id: done, why: "state" },
        { id: NOBODYS, why: "unknown" },
      ],
    });
    await expect.poll(async () => idsOf(await list("&state=done"))).toEqual([behind, stuck, done]);
    expect(origin.numbers).toEqual([1, 2, 2, 3]);
  });

  test("are given up by the operator's word, and why is kept", async () => {
    const { origin, id, done, stuck, behind, post, list, show } = await withJobs();
    const why = "it is there: no. 4711";
    expect((await post({ discard: [stuck, done], why })).body).toEqual({
      origin: id,
      done: [{ id: stuck, tool: "note", state: "discarded" }],
      refused: [{ id: done, why: "state" }],
    });
    expect((await show(stuck)).body.job).toMatchObject({ state: "discarded", why });
    // What waited behind it is sent.
    await expect.poll(async () => idsOf(await list("&state=done"))).toEqual([behind, done]);
    expect(origin.numbers).toEqual([1, 2, 3]);
  });

  test("are looked at now where they wait for an origin that was down", async () => {
    const { origin, stuck, post, list } = await withJobs();
    origin.isDown = true;
    await post({ redrive: [stuck] });
    // Whatever has failed is tried again much later.
    const rests = async () => (await list()).body.restMs as number;
    await expect.poll(rests).toBeGreaterThan(0);
    origin.isDown = false;
    expect((await post({ drain: true })).body).toMatchObject({ counts: { ambiguous: 0 }, restMs: 0 });
    await expect.poll(async () => (await list()).body.counts).toMatchObject({ done: 3, accepted: 0, ambiguous: 0 });
  });

  test("what is asked for wrongly is told in words, and nothing is done", async () => {
    const { stuck, list, post } = await withJobs();
    for (const [query, words] of [
      ["&state=stuck", "state.0"],
      ["&limit=0", "limit: 1 to 1000"],
      ["&limit=1001", "limit: 1 to 1000"],
      ["&limit=-1", "limit: 1 to 1000"],
      ["&before=1e3", "before: the seq of an operation"],
      ["&tool=a&tool=b", "tool: it is given twice"],
      ["&tenants=b", "tenants: only"],
      ["&principal=ann", "principal"],
      ["&__proto__=x", ""],
    ]) {
      const refused = await list(query);
      expect([refused.status, refused.code], query).toEqual([400, "bad_jobs"]);
      expect(refused.message).toContain(words);
    }
    for (const [body, words] of [
      ["", "not JSON"],
      [{}, "one of redrive, discard and drain"],
      [{ redrive: [stuck], drain: true }, "one of redrive, discard and drain"],
      [{ drain: false }, "drain"],
      [{ redrive: [] }, "redrive: one id at least"],
      [{ redrive: ["1"] }, "redrive.0: an operation's id"],
      [{ redrive: [stuck], why: "x" }, "it goes with discard only"],
      [{ discard: [stuck] }, "why: why, for their callers to read"],
      [{ discard: [stuck], why: "" }, "why"],
      [{ discard: [stuck], why: "x".repeat(1_001) }, "1 to 1000 characters"],
      [{ redrive: Array.from({ length: 101 }, () => stuck) }, "100 ids at most"],
      [{ purge: [stuck] }, "purge"],
    ] as const) {
      const refused = await post(body);
      expect([refused.status, refused.code], JSON.stringify(body)).toEqual([400, "bad_jobs"]);
      expect(refused.message).toContain(words);
    }
    expect((await list("&state=ambiguous")).body.jobs).toHaveLength(1);
  });

  test("cannot be seen while the object cannot be reached, and nobody says that something was done", async () => {
    const { stuck, list, post, id } = await withJobs();
    const broken = {
      ...env,
      OUTBOX: {
        idFromName: (name: string) => name,
        get() {
          throw new Error("away");
        },
      },
    };
    events.length = 0;
    for (const asked of [list("", broken), post({ redrive: [stuck] }, broken), post({ drain: true }, broken)])
      expect(await asked).toMatchObject({ status: 503, code: "jobs_unavailable" });
    const unreachable = { type: "outbox-unreachable", origin: id, reason: "Error: away" };
    expect(events.filter(({ type }) => type === "outbox-unreachable")).toEqual([unreachable, unreachable, unreachable]);
  });

  test("of tenants are apart, and it is told which tenants have some", async () => {
    const { origin, id, region, list, post, show } = await withJobs();
    const [one, none] = ["a", "b"].map((digit) => tenantId(id, digit.repeat(32))) as [string, string];
    const settings = { ...origin.settings, id: one };
    const outbox = outboxObject(env, { id: one, region });
    used.push({ outbox });
    origin.script = () => {
      throw new TypeError("broken");
    };
    const write = origin.submission(9, { origin: settings });
    await outbox.submit(write);
    expect(idsOf(await list())).not.toContain(write.id);
    expect((await show(write.id, one)).body).toMatchObject({
      origin: one,
      job: { state: "ambiguous", args: '{"n":9}' },
    });
    expect(await show(write.id, none)).toMatchObject({ code: "unknown_job" });
    for (const wrong of [`${id}@x`, `${id}@${"a".repeat(33)}`, `nothing@${"a".repeat(32)}`])
      expect(await show(write.id, wrong)).toMatchObject({ status: 404, code: "unknown_origin" });
    await expect
      .poll(async () => (await list("&tenants=all")).body)
      .toMatchObject({ tenants: [{ origin: one, counts: { ambiguous: 1 } }], missed: 0, areAll: true });
    expect((await post({ origin: one, discard: [write.id], why: "x" })).body.done).toHaveLength(1);
    expect((await list("&tenants=all")).body.tenants).toEqual([]);
  });

  test("are counted for Prometheus, by origin and state", async () => {
    const { origin, id } = await withJobs();
    const status = await origin.outbox.status();
    const text = prometheus(outboxFamilies(new Map([[id, { ...status, oldestAt: 1_000 }]]), 4_500));
    for (const line of [
      `replica_outbox_operations{origin="${id}",state="accepted"} 1`,
      `replica_outbox_operations{origin="${id}",state="ambiguous"} 1`,
      `replica_outbox_operations{origin="${id}",state="dead"} 0`,
      `replica_outbox_bytes{origin="${id}"} ${status.amount.bytes}`,
      `replica_outbox_oldest_age_seconds{origin="${id}"} 3.5`,
      `replica_outbox_deliveries_total{origin="${id}",result="answered"} 1`,
      `replica_outbox_deliveries_total{origin="${id}",result="unknown"} 1`,
      `replica_outbox_retries_total{origin="${id}"} 0`,
    ])
      expect(text.split("\n")).toContain(line);
    expect(status.amount.bytes).toBeGreaterThan(0);
    expect(prometheus(outboxFamilies(new Map(), 0))).toBe("");
  });
});
