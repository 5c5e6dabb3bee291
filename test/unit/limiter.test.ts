import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { askLimiter, tollOf } from "../../src/access/askLimiter.ts";
import { charge } from "../../src/origin/charge.ts";
import type { ReplicaEvent } from "../../src/telemetry/events.ts";

const silent = () => {};

test("a toll says nothing of who pays, is another for another thing, and the same again", async () => {
  const toll = await tollOf("L", ["tool", "o", "search"], "key:secret-name");
  expect(toll).toEqual({ limiter: "L", key: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(await tollOf("L", ["tool", "o", "search"], "key:secret-name")).toEqual(toll);
  const others = [
    await tollOf("L", ["tool", "o", "get"], "key:secret-name"),
    await tollOf("L", ["tool", "p", "search"], "key:secret-name"),
    await tollOf("L", ["tool", "o", "search"], "key:other"),
    await tollOf("L", ["edge"], "key:secret-name"),
    // Whose name ends where another's begins.
    await tollOf("L", ["tool", "o"], "search"),
  ];
  expect(new Set([toll, ...others].map(({ key }) => key)).size).toBe(6);
});

test("the limiter of wrangler.toml lets 50 calls of one key pass, and no more", async () => {
  // Windows begin with the minute.
  const leftMs = 60_000 - (Date.now() % 60_000);
  if (leftMs < 5_000) await scheduler.wait(leftMs);
  const bindings = env as unknown as Record<string, unknown>;
  const toll = await tollOf("ORIGIN_LIMIT", ["test"], "somebody");
  const rulings = await Promise.all(Array.from({ length: 52 }, () => charge(bindings, toll, silent)));
  expect(rulings.filter((failure) => failure === undefined)).toHaveLength(50);
  expect(rulings.find((failure) => failure !== undefined)).toEqual({ kind: "limited", retryAfterMs: 10_000 });
  expect(await charge(bindings, await tollOf("ORIGIN_LIMIT", ["test"], "another"), silent)).toBeUndefined();
});

test("a limiter that is not there lets nobody pass, whatever else stands under its name", async () => {
  const toll = await tollOf("NOT_THERE", ["edge"], "a");
  for (const bindings of [{}, { NOT_THERE: "a var" }, { NOT_THERE: {} }]) {
    expect(await askLimiter(bindings, toll, silent)).toBe("unbound");
    expect(await charge(bindings, toll, silent)).toEqual({
      kind: "misconfigured",
      detail: "there is no rate-limit binding NOT_THERE",
    });
  }
});

test("a limiter that fails lets all pass, and that is told", async () => {
  const events: ReplicaEvent[] = [];
  const broken = {
    limit: () => Promise.reject(new Error("no answer")),
  };
  const ruling = await charge({ L: broken }, await tollOf("L", ["edge"], "a"), (event) => events.push(event));
  expect(ruling).toBeUndefined();
  expect(events).toEqual([{ type: "limiter-failed", limiter: "L", reason: "Error: no answer" }]);
});
