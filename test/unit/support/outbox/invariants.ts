import { isPending, type Operation } from "../../../../src/outbox/Operation.ts";
import { hold } from "./hold.ts";
import type { OutboxWorld } from "./OutboxWorld.ts";
import { HEARD_MS, LIMITS, STUCK } from "./story.ts";

/** What must hold after every step. */
export function checkInvariants(world: OutboxWorld): void {
  const operations = world.ledger.operations();
  for (const operation of operations) checkOperation(world, operation);
  for (const [id, story] of world.stories) {
    const { executions, facts, isPromised, isRefused, redrives } = story;
    const isThere = world.ledger.get(id) !== undefined || world.ledger.forgotten.has(id);
    hold(!isPromised || isThere, `${id} was promised, and can be read`);
    hold(!isRefused || executions.length === 0, `${id} was not executed: its caller was told that it will not be`);
    if (facts.idempotency.kind === "none") {
      hold(executions.length <= 1 + redrives, `${id} is executed once at most`);
    }
    hold(new Set(executions.map(({ key }) => key)).size <= 1, `${id} carries the same key each time`);
  }
  checkAmount(operations, LIMITS.depth, LIMITS.bytes, "the queue");
  for (const principal of new Set(operations.map((one) => one.principal))) {
    const own = operations.filter((one) => one.principal === principal);
    checkAmount(own, LIMITS.callerDepth, LIMITS.callerBytes, principal);
  }
  checkAlarm(world, operations);
}

function checkOperation(world: OutboxWorld, operation: Operation): void {
  const { id, state, attempts, reason, isQueued } = operation;
  const story = world.story(id);
  hold(!story.isPromised || isQueued, `${id} is remembered as promised`);
  if (STUCK.has(state) && operation.ifStuck === "skip") story.isExcused = true;
  if (state === "accepted" && story.redrives === 0) {
    hold(story.executions.length === 0, `${id} was not executed yet`);
  }
  hold(state !== "cancelled" || (story.executions.length === 0 && attempts === 0), `${id} was taken back in time`);
  hold(isPending(operation) || state === "done" || reason !== undefined, `${id} says why it is ${state}`);
  if (state === "done") {
    const outcome = world.ledger.outcome(id);
    hold(
      outcome !== undefined && "text" in outcome && story.answers.has(outcome.text),
      `${id} has the origin's answer`,
    );
  }
  hold(world.ledger.payload(id) === story.payload, `${id} has its arguments`);
}

function checkAmount(operations: readonly Operation[], depth: number, bytes: number, whose: string): void {
  const open = operations.filter((one) => isPending(one) || STUCK.has(one.state));
  hold(open.length <= depth, `${whose} has no more operations than it may`);
  hold(open.reduce((sum, one) => sum + one.bytes, 0) <= bytes, `${whose} has no more bytes than it may`);
}

/** The alarm is neither too late, nor for nothing. */
function checkAlarm(world: OutboxWorld, operations: readonly Operation[]): void {
  if (!world.isAwake) return;
  const { now } = world;
  const leased = operations.filter(({ state }) => state === "leased");
  const isWaiting = ({ state }: Operation) => state === "accepted" || state === "retry";
  const isPassed = (one: Operation) => STUCK.has(one.state) && one.ifStuck === "skip";
  const isHead = (operation: Operation) =>
    operation.orderKey === null ||
    !operations.some(
      (one) =>
        one.orderKey === operation.orderKey &&
        (one.state === "leased" ||
          (one.seq < operation.seq && (isPending(one) || STUCK.has(one.state)) && !isPassed(one))),
    );
  const sendAt = operations.filter((one) => isWaiting(one) && isHead(one)).map(({ dueAt }) => dueAt);
  const otherAt = [
    ...leased.map(({ leaseUntil }) => leaseUntil!),
    ...operations.filter(isWaiting).map(({ givesUpAt }) => givesUpAt),
    ...operations
      .filter((one) => !isPending(one) && !STUCK.has(one.state))
      .map((one) => one.updatedAt + (world.ledger.isHeard(one) ? HEARD_MS : LIMITS.retentionMs)),
  ];
  for (const [dueAt, times] of [
    [world.at((desk) => desk.dueAt()), [...sendAt, ...otherAt]],
    [world.at((desk) => desk.dueAt(false)), otherAt],
  ] as const) {
    const needed = Math.min(...times);
    hold((dueAt === undefined) === (times.length === 0), "the alarm is armed while there is something to do");
    hold(dueAt === undefined || dueAt <= Math.max(needed, now), "the alarm is not too late");
    hold(dueAt === undefined || dueAt > now || needed <= now, "the alarm does not go off for nothing");
  }
}
