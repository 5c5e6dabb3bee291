import fc from "fast-check";
import { expect, test } from "vitest";
import { isPending } from "../../src/outbox/Operation.ts";
import { runs, timeLimitMs } from "../support/runs.ts";
import { HAPPENINGS, workFor } from "./support/outbox/commands.ts";
import { hold } from "./support/outbox/hold.ts";
import { OutboxWorld } from "./support/outbox/OutboxWorld.ts";
import { STUCK } from "./support/outbox/story.ts";

/** An origin that is well, and an alarm that goes off when it is due: whatever can end does. */
function comeToRest(world: OutboxWorld): void {
  world.isUp = true;
  world.crashAfter(Number.POSITIVE_INFINITY);
  const isMoving = ({ id, state }: { id: string; state: Parameters<typeof isPending>[0]["state"] }) => {
    const blocking = isPending({ state }) ? world.ledger.blockedBy(world.ledger.get(id)!) : undefined;
    return isPending({ state }) && (blocking === undefined || isPending(blocking));
  };
  for (let round = 0; round < 300 && world.ledger.operations().some(isMoving); round++) {
    workFor(world, 12, "answers");
    // Nobody waits for ever for an answer.
    for (const at of world.deliveries.keys()) world.timeOut(at);
    const dueAt = world.at((desk) => desk.dueAt());
    if (world.announcing.length + world.deliveries.length === 0) world.now = Math.max(world.now, dueAt ?? 0);
  }
  for (const operation of world.ledger.operations()) hold(!isMoving(operation), `${operation.id} comes to an end`);
}

/** The operator sends again what is stuck, and everything is over, and then forgotten. */
function clearUp(world: OutboxWorld): void {
  for (let round = 0; round < 10; round++) {
    const stuck = world.ledger.operations().filter(({ state }) => STUCK.has(state));
    if (stuck.length === 0) break;
    world.redrive(stuck.map(({ id }) => id));
    comeToRest(world);
  }
  hold(world.ledger.amount().depth === 0, "nothing is left open");
  for (let round = 0; round < 100 && world.ledger.operations().length > 0; round++) {
    world.now = Math.max(world.now, world.at((desk) => desk.dueAt()) ?? 0);
    world.wake();
  }
  hold(world.ledger.operations().length === 0, "nothing is kept for ever");
  hold(world.at((desk) => desk.dueAt()) === undefined, "the alarm is not armed for nothing");
}

/** What must have happened in some of the runs, for them to mean something. */
const RARE: readonly string[] = [
  "leased to ambiguous",
  "leased to retry",
  "leased to accepted",
  "leased to dead",
  "leased to done",
  "accepted to dead",
  "accepted to cancelled",
  "accepted to discarded",
  "retry to done",
  "ambiguous to done",
  "ambiguous to accepted",
  "dead to accepted",
  "discarded to accepted",
  "a second execution",
  "a late arrival",
  "an ending of an earlier lease",
  "full",
  "principal-full",
  "key-reused",
  "a replay",
  "lost at the start",
  "removed at the start",
  "lost within a transaction",
];

/** What a run that fails has printed replays it: `seed` and `path` go into `fc.assert`, `replayPath` in here. */
const history = fc.commands(HAPPENINGS, { maxCommands: 120, size: "max" });

test(
  "whatever happens, no promised write is lost, none is executed twice that must not be, and those of a key keep their order",
  { timeout: timeLimitMs(60_000) },
  () => {
    const reached = new Set<string>();
    const property = fc.property(history, fc.nat(), (happenings, seed) => {
      const world = new OutboxWorld(seed);
      fc.modelRun(() => ({ model: world, real: world }), happenings);
      comeToRest(world);
      clearUp(world);
      for (const what of world.reached) reached.add(what);
    });
    fc.assert(property, { numRuns: runs(1_000, 100_000) });
    // It was not all too easy.
    for (const what of RARE) expect(reached).toContain(what);
  },
);
