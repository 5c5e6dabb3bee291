import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Alarm, type Duty } from "../../src/sync/Alarm.ts";

/** A storage whose alarm goes off when the clock says so. */
function setUp(duties: readonly Duty[], setFor: number | null = null) {
  const clock = { now: 1_000 };
  const storage = {
    setFor,
    sets: 0,
    getAlarm: async () => storage.setFor,
    setAlarm: async (at: number | Date) => {
      // As the platform does.
      if (Number(at) <= 0) throw new TypeError("setAlarm() cannot be called with an alarm time <= 0");
      storage.setFor = Number(at);
      storage.sets++;
    },
  };
  const failures: unknown[] = [];
  const alarm = new Alarm(
    storage,
    duties,
    () => clock.now,
    (error) => failures.push(error),
  );
  /** Lets time go by, to when the alarm is set for. */
  const goOff = async () => {
    clock.now = Math.max(clock.now, storage.setFor!);
    storage.setFor = null;
    await alarm.goOff();
  };
  return { alarm, storage, clock, failures, goOff };
}

/** A duty that is due when it is told. */
class Once implements Duty {
  runs = 0;
  at: number | undefined;
  readonly fails: number;
  constructor(at: number | undefined, fails = 0) {
    this.at = at;
    this.fails = fails;
  }
  dueAt = () => this.at;
  run = async () => {
    if (++this.runs <= this.fails) throw new Error("not now");
    this.at = undefined;
  };
}

describe("an object's alarm", () => {
  test("is not set while nothing is due", async () => {
    const { alarm, storage } = setUp([new Once(undefined)]);
    await alarm.arm();
    expect(storage.setFor).toBeNull();
  });

  test("is set for the first of what is due, and only ever moved forward", async () => {
    const [late, soon] = [new Once(9_000), new Once(undefined)];
    const { alarm, storage } = setUp([late, soon]);
    await alarm.arm();
    expect(storage.setFor).toBe(9_000);
    soon.at = 5_000;
    await alarm.arm();
    expect(storage.setFor).toBe(5_000);
    soon.at = 7_000;
    await alarm.arm();
    expect([storage.setFor, storage.sets]).toEqual([5_000, 2]);
  });

  test("is set for something that was always due", async () => {
    const duty = new Once(0);
    const { alarm, goOff } = setUp([duty]);
    await alarm.arm();
    await goOff();
    expect(duty.runs).toBe(1);
  });

  test("that could not be set is set with the next occasion", async () => {
    const duty = new Once(9_000);
    const { alarm, storage } = setUp([duty]);
    const { setAlarm } = storage;
    storage.setAlarm = async () => {
      throw new Error("storage is not to be had");
    };
    await expect(alarm.arm()).rejects.toThrow("not to be had");
    storage.setAlarm = setAlarm;
    await alarm.arm();
    expect(storage.setFor).toBe(9_000);
  });

  test("that could not be set before what was set already leaves that where it is", async () => {
    const duty = new Once(9_000);
    const { alarm, storage } = setUp([duty]);
    await alarm.arm();
    const { setAlarm } = storage;
    storage.setAlarm = async () => {
      throw new Error("storage is not to be had");
    };
    duty.at = 5_000;
    await expect(alarm.arm()).rejects.toThrow("not to be had");
    storage.setAlarm = setAlarm;
    await alarm.arm();
    expect([storage.setFor, storage.sets]).toEqual([5_000, 2]);
  });

  test("that another life of the object has set is left where it is", async () => {
    const { alarm, storage } = setUp([new Once(9_000)], 5_000);
    await alarm.arm();
    expect([storage.setFor, storage.sets]).toEqual([5_000, 0]);
  });

  test("too early does nothing, and goes off again", async () => {
    const duty = new Once(9_000);
    const { storage, goOff } = setUp([duty], 5_000);
    await goOff();
    expect([duty.runs, storage.setFor]).toEqual([0, 9_000]);
    await goOff();
    expect([duty.runs, storage.setFor]).toEqual([1, null]);
  });

  test("does what is due whatever becomes of the rest, and what failed again later, for as long as it takes", async () => {
    const [bad, good] = [new Once(2_000, 10), new Once(2_000)];
    const { alarm, storage, failures, clock, goOff } = setUp([bad, good]);
    await alarm.arm();
    await goOff();
    expect([bad.runs, good.runs, failures.length]).toEqual([1, 1, 1]);
    expect(storage.setFor).toBe(clock.now + 30_000);
    while (storage.setFor !== null) await goOff();
    expect([bad.runs, failures.length]).toEqual([11, 10]);
  });

  test("goes on at once with a duty that has more to do", async () => {
    let left = 3;
    const { alarm, clock, storage, goOff } = setUp([
      { dueAt: () => (left > 0 ? 2_000 : undefined), run: async () => void left-- },
    ]);
    await alarm.arm();
    while (storage.setFor !== null) await goOff();
    expect([left, clock.now]).toEqual([0, 2_000]);
  });

  test("is always set while something is due, whatever becomes due, fails, or is interrupted", async () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant("due" as const),
        duty: fc.nat({ max: 2 }),
        inMs: fc.integer({ min: 0, max: 60_000 }),
      }),
      fc.record({ kind: fc.constant("go off" as const) }),
      fc.record({ kind: fc.constant("restart" as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.array(fc.nat({ max: 2 })), async (steps, fails) => {
        const duties = [0, 1, 2].map((nth) => new Once(undefined, fails[nth] ?? 0));
        let { alarm, storage, clock } = setUp(duties);
        for (const one of steps) {
          if (one.kind === "due") {
            duties[one.duty]!.at = clock.now + one.inMs;
            await alarm.arm();
          } else if (one.kind === "restart") {
            // The clock goes on, and so does the alarm that was set.
            const { now } = clock;
            ({ alarm, storage, clock } = setUp(duties, storage.setFor));
            clock.now = now;
            await alarm.arm();
          } else if (storage.setFor !== null) {
            clock.now = Math.max(clock.now, storage.setFor);
            storage.setFor = null;
            await alarm.goOff();
          }
          const isDue = duties.some(({ at }) => at !== undefined);
          expect(storage.setFor !== null || !isDue).toBe(true);
        }
      }),
    );
  });
});
