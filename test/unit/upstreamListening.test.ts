import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import type { PoolReply, PoolRequest } from "../../src/origin/PooledSession.ts";
import type { Interest } from "../../src/sync/Pulse.ts";
import { UpstreamListening } from "../../src/sync/UpstreamListening.ts";

const { settings } = resolve({ origins: { o: { service: "S" } } }).origins.get("o")!;
const MINUTE_MS = 60_000;
const ALL = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };
const LISTS = ["list:tools", "list:prompts", "list:resources"];

/** A request at the origin, and the stream with which it is answered. */
interface Asked {
  http: string;
  method: string | undefined;
  id: unknown;
  params: any;
  session: string | null;
  signal: AbortSignal;
  /** Sends a message on the stream. */
  tell: (message: object) => void;
  breakOff: () => void;
}

type Answer = (asked: Asked) => Response | undefined;

let objects = 0;

/** Runs a test with listening in an object of its own, at an origin that answers so; `undefined` opens a stream. */
function within(
  work: (
    given: ReturnType<typeof setUp> & { again: () => ReturnType<typeof setUp>; storage: DurableObjectStorage },
  ) => Promise<void>,
  answer: Answer = acknowledging,
): Promise<void> {
  const object = env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName(`listening ${++objects}`));
  return runInDurableObject(object, async (_, { storage }) => {
    const clock = { now: 1_000_000 };
    const again = () => setUp(storage.sql, clock, answer);
    await work({ ...again(), again, storage });
  });
}

/** Acknowledges whatever is asked for. */
const acknowledging: Answer = ({ params, tell }) => {
  tell({ method: "notifications/subscriptions/acknowledged", params: { notifications: params.notifications } });
  return undefined;
};

function setUp(sql: SqlStorage, clock: { now: number }, answer: Answer) {
  const asked: Asked[] = [];
  const invalidated: string[] = [];
  const pauses: { ms: number; over: () => void }[] = [];
  let armed = 0;
  const S = {
    fetch: async (_: string, { method: http, body, headers, signal }: RequestInit) => {
      const { method, id, params } = body ? JSON.parse(body as string) : ({} as any);
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const writer = writable.getWriter();
      const one: Asked = {
        http: http!,
        method,
        id,
        params,
        session: new Headers(headers).get("mcp-session-id"),
        signal: signal!,
        tell: (message) => {
          const text = `data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`;
          writer.write(new TextEncoder().encode(text)).catch(() => {});
        },
        breakOff: () => void writer.close().catch(() => {}),
      };
      asked.push(one);
      return answer(one) ?? new Response(readable, { headers: { "content-type": "text/event-stream" } });
    },
  };
  const pooled: PoolRequest[] = [];
  const pool = async (request: PoolRequest): Promise<PoolReply> => {
    pooled.push(request);
    const serial = `${pooled.filter(({ over }) => over).length}`;
    return { session: { serial, id: `session-${serial}`, version: "2025-11-25" } };
  };
  const listening = new UpstreamListening({
    sql,
    bindings: { S },
    pool,
    newId: () => crypto.randomUUID(),
    failed: (error) => {
      throw error;
    },
    invalidate: (tags, { told = false }) => {
      for (const tag of tags) invalidated.push(told ? `${tag} told` : tag);
    },
    arm: () => armed++,
    now: () => clock.now,
    random: () => 0.5,
    pause: (ms, signal) =>
      new Promise((over) => {
        pauses.push({ ms, over });
        signal.addEventListener("abort", () => over());
      }),
  });
  const pulse = (more: Partial<Interest> = {}) =>
    listening.pulsed({
      seq: 0,
      feedId: undefined,
      isolate: "i",
      origin: settings,
      interest: { wantsListen: true, modern: true, lists: [], uris: [], ...more },
    });
  const state = () => listening.status().state;
  const become = (wanted: string) => expect.poll(state).toBe(wanted);
  const taken = () => invalidated.splice(0);
  return { listening, asked, invalidated, taken, pauses, pulse, state, become, clock, armed: () => armed, pooled };
}

describe("the stream", () => {
  test("is opened with a pulse, and what comes is invalidated: lists as doubtful, resources as changed", () =>
    within(async ({ pulse, asked, become, taken, listening, clock }) => {
      pulse({ uris: ["x://1"] });
      await become("listening");
      expect(asked.map(({ params }) => params.notifications)).toEqual([{ ...ALL, resourceSubscriptions: ["x://1"] }]);
      expect(listening.status()).toEqual({
        state: "listening",
        since: clock.now,
        covers: { lists: ["tools", "prompts", "resources"], uris: 1 },
        retries: 0,
      });
      expect(taken()).toEqual([]);
      asked[0]!.tell({ method: "notifications/tools/list_changed" });
      await expect.poll(taken).toEqual(["list:tools"]);
      clock.now += 1_000;
      asked[0]!.tell({ method: "notifications/resources/updated", params: { uri: "x://1" } });
      await expect.poll(taken).toEqual(["resource:x://1 told"]);
    }));

  test("that brings much at once has it invalidated in one go, and nothing is lost", () =>
    within(async ({ pulse, asked, become, invalidated, pauses }) => {
      pulse();
      await become("listening");
      for (const uri of ["1", "2", "3", "2"])
        asked[0]!.tell({ method: "notifications/resources/updated", params: { uri } });
      asked[0]!.tell({ method: "notifications/prompts/list_changed" });
      // By then all of it has been read.
      asked[0]!.breakOff();
      await become("waiting");
      expect(invalidated).toEqual(["resource:1 told"]);
      expect(pauses[0]!.ms).toBe(100);
      pauses[0]!.over();
      const rest = ["resource:2 told", "resource:3 told", "list:prompts"];
      await expect.poll(() => invalidated).toEqual(["resource:1 told", ...rest]);
    }));

  test("is dropped after two minutes without a pulse; what it covered is doubtful at the next", () =>
    within(async ({ pulse, asked, become, taken, listening, clock, armed }) => {
      pulse({ uris: ["x://1"] });
      await become("listening");
      expect(armed()).toBeGreaterThan(0);
      expect(listening.dueAt()).toBe(clock.now + 2 * MINUTE_MS);
      clock.now += 2 * MINUTE_MS - 1;
      await listening.run();
      expect(asked[0]!.signal.aborted).toBe(false);
      clock.now += 1;
      await listening.run();
      expect([asked[0]!.signal.aborted, listening.status().state]).toEqual([true, "idle"]);
      expect([listening.dueAt(), taken()]).toEqual([undefined, []]);
      clock.now += 60 * MINUTE_MS;
      pulse({ uris: ["x://1"] });
      expect(taken()).toEqual([...LISTS, "resource:x://1"]);
      await become("listening");
      expect([asked.length, taken()]).toEqual([2, []]);
    }));

  test("goes on while there are pulses", () =>
    within(async ({ pulse, asked, become, listening, clock }) => {
      pulse();
      await become("listening");
      for (let minute = 0; minute < 10; minute++) {
        clock.now += MINUTE_MS;
        pulse();
        await listening.run();
      }
      expect([asked.length, asked[0]!.signal.aborted]).toEqual([1, false]);
    }));

  test("that was there when the object was lost makes doubtful what it covered, once", () =>
    within(async ({ pulse, become, again }) => {
      pulse({ uris: ["x://1"] });
      await become("listening");
      const next = again();
      expect(next.taken()).toEqual([]);
      next.pulse();
      expect(next.taken()).toEqual([...LISTS, "resource:x://1"]);
      await next.become("listening");
      expect(next.taken()).toEqual([]);
      next.pulse();
      expect(next.taken()).toEqual([]);
    }));

  test("goes on when the storage is lost", () =>
    within(async ({ pulse, become, asked, storage, taken, clock }) => {
      pulse();
      await become("listening");
      await storage.deleteAll();
      clock.now += 10_000;
      pulse({ uris: ["x://1"] });
      await expect.poll(() => asked[0]!.signal.aborted).toBe(true);
      asked[1]!.tell({ method: "notifications/tools/list_changed" });
      await expect.poll(taken).toEqual(["list:tools"]);
    }));

  test("that breaks is opened again, and then all that it covered is doubtful", () =>
    within(async ({ pulse, asked, become, taken, pauses, listening }) => {
      pulse({ uris: ["x://1"] });
      await become("listening");
      asked[0]!.breakOff();
      await become("waiting");
      expect(listening.status()).toMatchObject({ retries: 1, covers: { lists: [], uris: 0 } });
      pulse({ uris: ["x://2"] });
      expect(taken()).toEqual([]);
      pauses[0]!.over();
      await become("listening");
      expect(asked[1]!.params.notifications.resourceSubscriptions).toEqual(["x://2"]);
      expect(taken()).toEqual([...LISTS, "resource:x://1"]);
      expect(listening.status()).toMatchObject({ retries: 0 });
    }));

  test("that the origin ends is opened again after a little while, with the same doubt", () =>
    within(async ({ pulse, asked, become, taken, listening, clock }) => {
      pulse();
      await become("listening");
      asked[0]!.tell({ id: asked[0]!.id, result: { resultType: "complete" } });
      await become("waiting");
      pulse();
      expect([asked.length, taken()]).toEqual([1, []]);
      expect(listening.dueAt()! - clock.now).toBe(2_000);
      clock.now = listening.dueAt()!;
      await listening.run();
      await become("listening");
      expect(taken()).toEqual(LISTS);
    }));

  test("gives way to one for the resources that are in use by then, and is heard until that listens", () => {
    let opens = 0;
    const slow: Answer = (asked) => (++opens === 2 ? undefined : acknowledging(asked));
    return within(async ({ pulse, asked, become, taken, clock }) => {
      pulse({ uris: ["x://1"] });
      await become("listening");
      pulse({ uris: ["x://1"] });
      clock.now += 1_000;
      pulse({ uris: ["x://1"] });
      expect(asked).toHaveLength(1);
      pulse({ uris: ["x://2"] });
      await expect.poll(() => asked.length).toBe(2);
      asked[0]!.tell({ method: "notifications/resources/updated", params: { uri: "x://1" } });
      await expect.poll(taken).toEqual(["resource:x://1 told"]);
      expect(asked[0]!.signal.aborted).toBe(false);
      acknowledging(asked[1]!);
      await expect.poll(() => asked[0]!.signal.aborted).toBe(true);
      // There was no time without.
      expect(taken()).toEqual([]);
    }, slow);
  });

  test("that takes the place of one that the origin has ended leaves nothing due until it is dropped", () => {
    let opens = 0;
    const slow: Answer = (asked) => (++opens === 2 ? undefined : acknowledging(asked));
    return within(async ({ pulse, asked, become, listening, clock }) => {
      pulse();
      await become("listening");
      clock.now += 1_000;
      pulse({ uris: ["x://1"] });
      await expect.poll(() => asked.length).toBe(2);
      // As an origin may that has one stream for each client.
      asked[0]!.tell({ id: asked[0]!.id, result: { resultType: "complete" } });
      await become("waiting");
      acknowledging(asked[1]!);
      await become("listening");
      const dropAt = clock.now + 2 * MINUTE_MS;
      clock.now += 10_000;
      await listening.run();
      expect([listening.dueAt(), asked.length]).toEqual([dropAt, 2]);
    }, slow);
  });

  test("is opened, however long the names are that callers make up, in however many isolates", () =>
    within(async ({ listening, asked, become }) => {
      for (let nth = 0; nth < 40; nth++) {
        const uris = Array.from({ length: 10 }, (_, one) => `x://${nth}/${one}/${"y".repeat(13_000)}`);
        // What it speaks is known with the last.
        const interest: Interest = { wantsListen: true, modern: nth === 39, lists: [], uris };
        listening.pulsed({ seq: 0, feedId: undefined, isolate: `${nth}`, origin: settings, interest });
      }
      await become("listening");
      expect(asked).toHaveLength(1);
      expect(JSON.stringify(asked[0]!.params).length).toBeLessThan(300_000);
    }));

  test("covers more resources than one listener may name", () =>
    within(async ({ listening, become, pauses, asked, taken }) => {
      const uris = Array.from({ length: 1_500 }, (_, nth) => `x://${nth}`);
      for (const [isolate, some] of [uris.slice(0, 800), uris.slice(800)].entries()) {
        // What it speaks is known with the second.
        const interest: Interest = { wantsListen: true, modern: isolate === 1, lists: [], uris: some };
        listening.pulsed({ seq: 0, feedId: undefined, isolate: `${isolate}`, origin: settings, interest });
      }
      await become("listening");
      expect(listening.status().covers).toEqual({ lists: ["tools", "prompts", "resources"], uris: 1_500 });
      asked[0]!.breakOff();
      await become("waiting");
      pauses[0]!.over();
      await become("listening");
      expect(taken()).toHaveLength(1_503);
    }));

  test("gives way seldom where callers name other resources all the time, and soon again after a while", () =>
    within(async ({ pulse, asked, become, clock, listening }) => {
      pulse();
      await become("listening");
      clock.now += 60_000;
      const name = async (nth: number) => {
        const before = asked.length;
        pulse({ uris: [`x://${nth}`] });
        if (asked.length > before) await expect.poll(() => listening.coveredSince([`x://${nth}`])).toBeDefined();
        clock.now += 250;
      };
      for (let nth = 0; nth < 120; nth++) await name(nth);
      expect(asked.length).toBeGreaterThan(5);
      expect(asked.length).toBeLessThan(18);
      clock.now += 10_000;
      const before = asked.length;
      for (let nth = 200; nth < 203; nth++) await name(nth);
      expect(asked.length).toBeGreaterThan(before + 1);
    }));

  test("is there while any isolate wants it: those of another configuration do not end it", () =>
    within(async ({ listening, pulse, asked, become, state, taken, clock }) => {
      const other = () => {
        const interest = { wantsListen: false, lists: [], uris: [] };
        listening.pulsed({ seq: 0, feedId: undefined, isolate: "other", origin: settings, interest });
      };
      pulse();
      await become("listening");
      for (let time = 0; time < 3; time++) {
        other();
        pulse();
      }
      expect([state(), asked.length, asked[0]!.signal.aborted, taken()]).toEqual(["listening", 1, false, []]);
      clock.now += 2 * MINUTE_MS + 1;
      other();
      other();
      expect([state(), asked[0]!.signal.aborted]).toEqual(["off", true]);
    }));

  test("is not asked for where the operator does not want it", () =>
    within(async ({ pulse, asked, become, state, taken }) => {
      pulse({ wantsListen: false, lists: ["tools"] });
      expect([state(), asked.length]).toEqual(["off", 0]);
      pulse();
      await become("listening");
      pulse({ wantsListen: false });
      expect([state(), asked[0]!.signal.aborted, taken()]).toEqual(["off", true, []]);
    }));

  test("of an origin of which nothing is known is asked for once somebody listens", () =>
    within(async ({ listening, pulse, asked, become, state }) => {
      const nothing = { wantsListen: true, lists: [], uris: [] };
      listening.pulsed({ seq: 0, feedId: undefined, isolate: "j", origin: settings, interest: nothing });
      expect([state(), asked.length]).toEqual(["idle", 0]);
      const some = { ...nothing, uris: ["x://1"] };
      listening.pulsed({ seq: 0, feedId: undefined, isolate: "j", origin: settings, interest: some });
      await become("listening");
      pulse();
    }));
});

describe("an origin that refuses", () => {
  const refusing: Answer = () => new Response(null, { status: 404 });

  test("is asked again after an hour", () =>
    within(async ({ pulse, asked, become, clock }) => {
      pulse();
      await become("refused");
      for (let minute = 0; minute < 53; minute++) {
        clock.now += MINUTE_MS;
        pulse();
      }
      expect(asked).toHaveLength(1);
      clock.now += 7 * MINUTE_MS;
      pulse();
      await expect.poll(() => asked.length).toBe(2);
    }, refusing));

  test("what callers have named is asked for the rest, and for that again after a while", () => {
    let isStrict = true;
    const picky: Answer = (asked) => {
      const { resourceSubscriptions: uris = [] } = asked.params.notifications;
      return isStrict && uris.length > 0 ? refusing(asked) : acknowledging(asked);
    };
    return within(async ({ pulse, asked, become, clock, listening }) => {
      const uris = ["nonsense:"];
      pulse({ uris });
      await become("listening");
      expect(asked.map(({ params }) => params.notifications)).toEqual([{ ...ALL, resourceSubscriptions: uris }, ALL]);
      expect([listening.coveredSince([]), listening.coveredSince(uris)]).toEqual([clock.now, undefined]);
      clock.now += MINUTE_MS;
      pulse({ uris });
      // One that listens is not given up for one that is refused.
      clock.now += 1_000;
      pulse({ uris });
      await expect.poll(() => asked.length).toBe(3);
      await become("listening");
      pulse({ uris });
      expect([asked.length, asked[1]!.signal.aborted]).toEqual([3, false]);
      isStrict = false;
      clock.now += MINUTE_MS + 1_000;
      pulse({ uris });
      await expect.poll(() => listening.coveredSince(uris)).toBeDefined();
    }, picky);
  });

  test("though it listened, makes what it covered doubtful at once", () => {
    let opens = 0;
    const once: Answer = (asked) => (++opens === 1 ? acknowledging(asked) : refusing(asked));
    return within(async ({ pulse, asked, become, pauses, taken }) => {
      pulse();
      await become("listening");
      asked[0]!.breakOff();
      await become("waiting");
      pauses[0]!.over();
      await become("refused");
      expect(taken()).toEqual(LISTS);
    }, once);
  });
});

describe("an origin of the earlier revisions", () => {
  const SESSIONS = { modern: false, legacy: "sessions" } as const;
  const streaming: Answer = ({ http, id }) => {
    if (http === "GET") return undefined;
    return id === undefined ? new Response(null, { status: 202 }) : Response.json({ jsonrpc: "2.0", id, result: {} });
  };
  const posts = (asked: Asked[]) =>
    asked.filter(({ http }) => http === "POST").map(({ method, params }) => `${method} ${params?.uri}`);

  test("is listened to by a GET, in a session, with the resources in use", () =>
    within(async ({ pulse, asked, become, taken, clock, pooled }) => {
      pulse({ ...SESSIONS, uris: ["x://1", "x://2"] });
      await become("listening");
      expect(asked[0]).toMatchObject({ http: "GET", session: "session-0" });
      expect(posts(asked)).toEqual(["resources/subscribe x://1", "resources/subscribe x://2"]);
      asked[0]!.tell({ method: "notifications/resources/updated", params: { uri: "x://1" } });
      await expect.poll(taken).toEqual(["resource:x://1 told"]);
      clock.now += 5_000;
      pulse({ ...SESSIONS, uris: ["x://2", "x://3"] });
      await expect
        .poll(() => posts(asked).slice(2))
        .toEqual(["resources/unsubscribe x://1", "resources/subscribe x://3"]);
      expect(asked.filter(({ http }) => http === "GET")).toHaveLength(1);
      // The session is in use, as long as the stream is.
      const used = pooled.length;
      pulse(SESSIONS);
      expect(pooled.length).toBe(used + 1);
    }, streaming));

  test("is asked for other resources when it has answered for those before, and not in between", () => {
    const held: (() => void)[] = [];
    const slow: Answer = (asked) => {
      if (asked.http === "GET") return undefined;
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const writer = writable.getWriter();
      const text = JSON.stringify({ jsonrpc: "2.0", id: asked.id, result: {} });
      held.push(() => void writer.write(new TextEncoder().encode(text)).then(() => writer.close()));
      return new Response(readable, { headers: { "content-type": "application/json" } });
    };
    return within(async ({ pulse, asked, become, clock, listening }) => {
      const next = () =>
        expect
          .poll(() => held.length)
          .toBeGreaterThan(0)
          .then(() => held.shift()!());
      pulse(SESSIONS);
      await become("listening");
      clock.now += 5_000;
      pulse({ ...SESSIONS, uris: ["x://1", "x://2"] });
      await expect.poll(() => posts(asked)).toEqual(["resources/subscribe x://1"]);
      clock.now += 5_000;
      pulse({ ...SESSIONS, uris: ["x://3"] });
      await next();
      await next();
      await expect.poll(() => listening.coveredSince(["x://1", "x://2"])).toBeDefined();
      expect(posts(asked)).toEqual(["resources/subscribe x://1", "resources/subscribe x://2"]);
      clock.now += 5_000;
      pulse({ ...SESSIONS, uris: ["x://3"] });
      for (let time = 0; time < 3; time++) await next();
      await expect.poll(() => listening.coveredSince(["x://3"])).toBeDefined();
      expect(posts(asked).slice(2)).toEqual([
        "resources/unsubscribe x://1",
        "resources/unsubscribe x://2",
        "resources/subscribe x://3",
      ]);
      expect(listening.status().covers.uris).toBe(1);
    }, slow);
  });

  test("that agrees on a stream, and leaves that open, is taken at its word", () => {
    const open: Answer = ({ http, id, tell }) => {
      if (http === "POST") tell({ id, result: {} });
      return undefined;
    };
    return within(async ({ pulse, asked, become, listening }) => {
      pulse({ ...SESSIONS, uris: ["x://1", "x://2"] });
      await become("listening");
      expect(posts(asked)).toHaveLength(2);
      expect(listening.status().covers.uris).toBe(2);
    }, open);
  });

  test("that cannot be asked for resources is not asked for all of them before its lists are heard", () =>
    within(
      async ({ pulse, asked, become, taken, listening }) => {
        pulse({ ...SESSIONS, uris: Array.from({ length: 50 }, (_, nth) => `x://${nth}`) });
        await become("listening");
        expect(posts(asked)).toHaveLength(3);
        expect(listening.status().covers).toEqual({ lists: ["tools", "prompts", "resources"], uris: 0 });
        asked[0]!.tell({ method: "notifications/tools/list_changed" });
        await expect.poll(taken).toEqual(["list:tools"]);
      },
      ({ http }) => (http === "GET" ? undefined : new Response(null, { status: 503 })),
    ));

  test("is answered what it asks on the stream", () =>
    within(async ({ pulse, asked, become }) => {
      pulse(SESSIONS);
      await become("listening");
      asked[0]!.tell({ id: 7, method: "ping" });
      await expect.poll(() => asked.find(({ http, id }) => http === "POST" && id === 7)?.session).toBe("session-0");
    }, streaming));

  test("whose session is over is asked in a new one", () => {
    const forgetful: Answer = (asked) =>
      asked.session === "session-0" ? new Response(null, { status: 404 }) : streaming(asked);
    return within(async ({ pulse, asked, become }) => {
      pulse(SESSIONS);
      await become("listening");
      expect(asked.map(({ session }) => session)).toEqual(["session-0", "session-1"]);
    }, forgetful);
  });

  test("without sessions, and without a stream, refuses", () =>
    within(
      async ({ pulse, asked, become, pooled }) => {
        pulse({ modern: false, legacy: "stateless" });
        await become("refused");
        expect([asked.map(({ http }) => http), pooled]).toEqual([["GET"], []]);
        pulse({ modern: false, legacy: "stateless" });
        expect(asked).toHaveLength(1);
      },
      () => new Response(null, { status: 405 }),
    ));

  test("that is not known to be one is asked in both eras, and in neither again", () =>
    within(
      async ({ pulse, asked, become, listening }) => {
        const both = { wantsListen: true, legacy: "stateless", lists: ["tools"], uris: [] } satisfies Interest;
        const one = { seq: 0, feedId: undefined, isolate: "j", origin: settings, interest: both };
        listening.pulsed(one);
        await expect.poll(() => asked.map(({ http }) => http)).toEqual(["POST", "GET"]);
        await become("refused");
        listening.pulsed(one);
        expect(asked).toHaveLength(2);
        void pulse;
      },
      () => new Response(null, { status: 405 }),
    ));
});
