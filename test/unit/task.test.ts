import { expect, test } from "vitest";
import { createdTask, declaresTasks, detailedTask, statusOfTask, type TaskFacts } from "../../src/mcp/task.ts";

const AT = Date.UTC(2026, 10, 27, 12);
const DAY_MS = 86_400_000;
const facts = (more: Partial<TaskFacts>): TaskFacts => ({
  id: "er-op-1",
  tool: "add_note",
  state: "accepted",
  acceptedAt: AT,
  updatedAt: AT + 5,
  ...more,
});
const detailed = (more: Partial<TaskFacts>) => JSON.parse(detailedTask(facts(more), AT)) as Record<string, unknown>;

test("a new operation is told of as a task, flat, with no result and no error", () => {
  expect(createdTask(facts({}), AT)).toEqual({
    resultType: "task",
    taskId: "er-op-1",
    status: "working",
    statusMessage: "Waits to be sent to the origin.",
    createdAt: "2026-11-27T12:00:00.000Z",
    lastUpdatedAt: "2026-11-27T12:00:00.005Z",
    ttlMs: DAY_MS,
    pollIntervalMs: 1_000,
  });
});

test("a task is said to be remembered, from its creation on, for no longer than it is sure to be; in whole milliseconds", () => {
  const ttl = (more: Partial<TaskFacts>, now: number, retentionMs?: number) =>
    createdTask(facts(more), now, { ...(retentionMs !== undefined && { retentionMs }) }).ttlMs;
  // It may be over now.
  expect(ttl({}, AT + 1_000, 3 * DAY_MS)).toBe(3 * DAY_MS + 1_000);
  // What is over is forgotten at a time that is known.
  expect(ttl({ state: "done", until: AT + 1_234.5 }, AT)).toBe(1_235);
  // What waits for the operator goes on being remembered.
  expect(ttl({ state: "ambiguous" }, AT + 10 * DAY_MS)).toBe(11 * DAY_MS);
});

test("who polls while the origin is down is told to take more time", () => {
  expect(createdTask(facts({}), AT, { isDown: true }).pollIntervalMs).toBe(5_000);
});

test.each([
  ["accepted", undefined, "working"],
  ["leased", undefined, "working"],
  ["retry", undefined, "working"],
  ["done", "result", "completed"],
  ["done", "error", "failed"],
  ["done", undefined, "failed"],
  ["ambiguous", undefined, "failed"],
  ["dead", undefined, "failed"],
  ["discarded", undefined, "failed"],
  ["cancelled", undefined, "cancelled"],
] as const)("%s with the outcome %s is %s", (state, kind, status) => {
  const one = facts({ state, ...(kind && { outcome: { kind, text: "{}" } }) });
  expect(statusOfTask(one)).toBe(status);
  expect(detailed(one)).toMatchObject({ taskId: "er-op-1", status });
  // A result goes with `completed` alone, and an error with `failed`.
  expect([Object.hasOwn(detailed(one), "result"), Object.hasOwn(detailed(one), "error")]).toEqual([
    status === "completed",
    status === "failed",
  ]);
});

test("a result is told as it is written, a number beyond what can be computed with included", () => {
  const text = `{"content":[],"isError":true,"structuredContent":{"n":123456789012345678901}}`;
  const told = detailedTask(facts({ state: "done", outcome: { kind: "result", text } }), AT);
  expect(told).toContain(`,"result":${text}}`);
});

test("an error of the origin's own is told as it is; another says what became of the write, and what can be done", () => {
  const error = { code: -32050, message: "no such note", data: { a: 1 } };
  expect(detailed({ state: "done", outcome: { kind: "error", text: JSON.stringify(error) } })["error"]).toEqual(error);
  expect(detailed({ state: "ambiguous", reason: "no-answer" })["error"]).toEqual({
    code: -31000,
    message: expect.stringContaining("whether it was executed") as string,
    data: { code: "write_ambiguous", operationId: "er-op-1", reason: "no-answer" },
  });
  expect(detailed({ state: "dead" })["error"]).toMatchObject({ data: { code: "write_dead" } });
  expect(detailed({ state: "discarded", why: "sent twice" })["error"]).toMatchObject({
    message: expect.stringContaining("sent twice") as string,
    data: { code: "write_discarded" },
  });
  expect(detailed({ state: "done" })["error"]).toMatchObject({ data: { code: "outcome_lost" } });
});

test("only who says so knows tasks", () => {
  expect(declaresTasks({ extensions: { "io.modelcontextprotocol/tasks": {} } })).toBe(true);
  for (const other of [undefined, {}, { tasks: {} }, { extensions: {} }, { extensions: null }, { extensions: "x" }])
    expect(declaresTasks(other)).toBe(false);
});
