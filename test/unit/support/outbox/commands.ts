import fc from "fast-check";
import { isPending } from "../../../../src/outbox/Operation.ts";
import { checkInvariants } from "./invariants.ts";
import type { Behaviour, OutboxWorld } from "./OutboxWorld.ts";
import { STUCK } from "./story.ts";

/** One thing that happens. It says what, so that a run that fails can be read. */
class Happening implements fc.Command<OutboxWorld, OutboxWorld> {
  readonly #words: string;
  readonly #isPossible: (world: OutboxWorld) => boolean;
  readonly #happen: (world: OutboxWorld) => void;

  constructor(words: string, isPossible: (world: OutboxWorld) => boolean, happen: (world: OutboxWorld) => void) {
    this.#words = words;
    this.#isPossible = isPossible;
    this.#happen = happen;
  }

  check(world: Readonly<OutboxWorld>): boolean {
    return this.#isPossible(world as OutboxWorld);
  }

  run(_: OutboxWorld, world: OutboxWorld): void {
    this.#happen(world);
    checkInvariants(world);
  }

  toString(): string {
    return this.#words;
  }
}

const which = fc.nat({ max: 7 });
const always = () => true;

/** Something that happens to one of several. */
function oneOf(
  words: string,
  among: (world: OutboxWorld) => readonly unknown[],
  happen: (world: OutboxWorld, at: number) => void,
): fc.Arbitrary<Happening> {
  const isPossible = (world: OutboxWorld) => among(world).length > 0;
  return which.map(
    (n) => new Happening(`${words}(${n})`, isPossible, (world) => happen(world, n % among(world).length)),
  );
}

const unsent = (world: OutboxWorld) => world.deliveries.filter(({ isSent }) => !isSent);
const ended = (world: OutboxWorld) => world.deliveries.filter(({ ending }) => ending !== undefined);
const idsWhere = (world: OutboxWorld, isMeant: (state: Parameters<typeof isPending>[0]["state"]) => boolean) =>
  world.ledger.operations().flatMap(({ id, state }) => (isMeant(state) ? [id] : []));
const open = (world: OutboxWorld) => idsWhere(world, (state) => isPending({ state }) || STUCK.has(state));
const stuck = (world: OutboxWorld) => idsWhere(world, (state) => STUCK.has(state) || state === "discarded");
/** Those whose submission may be made once more: whoever forgets an operation hears of it no more. */
const again = (world: OutboxWorld) =>
  [...world.stories.values()].filter(({ facts, leases }) => leases === 0 || world.ledger.get(facts.id) !== undefined);

const submission = fc
  .record({
    principal: fc.constantFrom("ann", "bob"),
    tool: fc.constantFrom("write", "save"),
    digest: fc.constantFrom("one", "two"),
    key: fc.option(fc.constantFrom("x", "y"), { nil: undefined, freq: 2 }),
    idempotency: fc.constantFrom(
      { kind: "none" as const },
      { kind: "none" as const },
      { kind: "same" as const },
      { kind: "argument" as const, name: "id", key: "" },
      { kind: "header" as const, name: "Idempotency-Key", key: "" },
    ),
    orderKey: fc.constantFrom("k", "k", "l", null),
    ifStuck: fc.constantFrom("park" as const, "skip" as const),
    otherwise: fc.constantFrom("queue" as const, "queue" as const, "drop" as const),
    isAtOnce: fc.boolean(),
    size: fc.integer({ min: 1, max: 15 }),
  })
  .map(({ size, key, ...call }) => {
    const facts = {
      ...call,
      ...(key === undefined ? {} : { key }),
      isAtOnce: call.isAtOnce && call.otherwise === "queue",
      tags: ["t"],
      isAwaited: false,
    };
    return new Happening(`submit(${JSON.stringify(facts)}, ${size})`, always, (world) =>
      world.submit(facts, "x".repeat(size)),
    );
  });

/** With weights: what executes at an origin that is not heard of is what matters most. */
const behaviour = fc.constantFrom<Behaviour>(
  "answers",
  "answers",
  "answers-error",
  "refuses",
  "refuses-for-long",
  "is-hopeless",
  "breaks-off",
  "executes-and-breaks-off",
  "executes-and-breaks-off",
  "makes-a-task",
  "executes-and-hangs",
);

const arrival = fc.tuple(which, behaviour).map(
  ([n, how]) =>
    new Happening(
      `arrive(${n}, ${how})`,
      ({ requests }) => requests.length > 0,
      (world) => world.arrive(n % world.requests.length, how),
    ),
);

/** All that goes well of itself for a while: so that what comes late in an operation's life happens often. */
const work = fc
  .tuple(fc.integer({ min: 1, max: 12 }), behaviour)
  .map(([steps, how]) => new Happening(`work(${steps}, ${how})`, always, (world) => workFor(world, steps, how)));

/** Does what is to be done next, so many steps; the origin does the same each time. */
export function workFor(world: OutboxWorld, steps: number, how: Behaviour): void {
  for (let step = 0; step < steps; step++) {
    if (ended(world).length > 0) world.settle(0);
    else if (unsent(world).length > 0) world.send(0);
    else if (world.announcing.length > 0) world.lease(0, true);
    else if (world.requests.length > 0) world.arrive(0, how);
    else world.wake();
    checkInvariants(world);
  }
}

const passing = fc
  .constantFrom(500, 2_000, 11_000, 61_000, 95_000, 310_000, 3_700_000, 90_000_000)
  .map((ms) => new Happening(`pass(${ms})`, always, (world) => void (world.now += ms)));
/** The clock is set. */
const jumping = fc
  .constantFrom(-3_700_000, -60_000, -1_500, 1_500, 120_000)
  .map((ms) => new Happening(`jump(${ms})`, always, (world) => void (world.now += ms)));

/** Goes off when it is due, as an alarm does. */
const alarm = fc.constant(
  new Happening("alarm()", always, (world) => {
    const dueAt = world.at((desk) => desk.dueAt());
    world.now = Math.max(world.now, dueAt ?? 0);
    world.wake();
  }),
);
const simply = (words: string, happen: (world: OutboxWorld) => void) =>
  fc.constant(new Happening(`${words}()`, always, happen));

/** All that happens to an outbox. */
export const HAPPENINGS: fc.Arbitrary<Happening>[] = [
  submission,
  submission,
  submission,
  oneOf("resubmit", again, (world, at) => {
    const { facts, payload } = again(world)[at]!;
    world.resubmit(facts, payload);
  }),
  oneOf(
    "losePatience",
    ({ waiting }) => waiting,
    (world, at) => world.giveUpWaiting(at, false),
  ),
  oneOf(
    "leave",
    ({ waiting }) => waiting,
    (world, at) => world.giveUpWaiting(at, true),
  ),
  oneOf("leaveLate", open, (world, at) => world.leave(open(world)[at]!)),
  oneOf("cancel", open, (world, at) => {
    const id = open(world)[at]!;
    world.cancel(id, world.ledger.get(id)!.principal);
  }),
  oneOf("cancelAnothers", open, (world, at) => world.cancel(open(world)[at]!, "eve")),
  alarm,
  // Early, late, twice.
  simply("wake", (world) => world.wake()),
  oneOf(
    "lease",
    ({ announcing }) => announcing,
    (world, at) => world.lease(at, true),
  ),
  oneOf(
    "failToAnnounce",
    ({ announcing }) => announcing,
    (world, at) => world.lease(at, false),
  ),
  oneOf("send", unsent, (world, at) => world.send(at)),
  arrival,
  arrival,
  oneOf(
    "timeOut",
    ({ deliveries }) => deliveries,
    (world, at) => world.timeOut(at),
  ),
  oneOf("settle", ended, (world, at) => world.settle(at)),
  oneOf("settle", ended, (world, at) => world.settle(at)),
  work,
  work,
  simply("crash", (world) => world.crash()),
  fc.nat({ max: 3 }).map((n) => new Happening(`crashWithin(${n})`, always, (world) => world.crashAfter(n))),
  passing,
  jumping,
  simply("goDown", (world) => void (world.isUp = false)),
  simply("comeUp", (world) => void (world.isUp = true)),
  oneOf("redrive", stuck, (world, at) => world.redrive([stuck(world)[at]!])),
  // What was sent is sent again, while it may be on its way still.
  oneOf(
    "outliveLeases",
    ({ deliveries }) => deliveries,
    (world) => {
      for (const ms of [95_000, 310_000]) {
        world.now += ms;
        world.wake();
      }
      while (world.announcing.length > 0) world.lease(0, true);
    },
  ),
  // While others of its key are on their way.
  oneOf("redriveAndLease", stuck, (world, at) => {
    world.redrive([stuck(world)[at]!]);
    world.wake();
    while (world.announcing.length > 0) world.lease(0, true);
  }),
  simply("redriveAll", (world) => world.redrive(world.ledger.operations().map(({ id }) => id))),
  oneOf("discard", open, (world, at) => world.discard([open(world)[at]!])),
  simply("hurry", (world) => world.hurry()),
];
