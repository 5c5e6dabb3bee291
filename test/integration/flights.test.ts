import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, text, tool } from "./support/fixture.ts";
import { type Replica, seed, startReplica } from "./support/replica.ts";
import { call, codeOf, type Got, legacyCall, modernBody, modernHeaders, said, until } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("t")];
  replica = await startReplica(
    {
      origins: {
        o: {
          url: origin.url,
          lists: { defaultTtl: "10m" },
          tools: { t: { cache: { ttl: "10m", staleIfError: "1h" } } },
        },
        impatient: {
          url: origin.url,
          timeout: { firstByte: "300ms" },
          lists: { defaultTtl: "10m" },
          tools: { t: { cache: { ttl: "10m", staleIfError: "1h" } } },
        },
        narrow: {
          url: origin.url,
          concurrency: 4,
          lists: { defaultTtl: "10m" },
          tools: { t: { cache: { ttl: "10m" } } },
        },
      },
    },
    { instances: 3 },
  );
  // The list of tools is known beforehand: what is counted here is calls.
  for (const url of replica.urls) {
    for (const id of ["o", "impatient", "narrow"]) await call(`${url}/mcp/${id}`, "t", { warm: 1 });
  }
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const at = (id: string, instance = 0) => `${replica.urls[instance]}/mcp/${id}`;
const together = (count: number, ask: (nth: number) => Promise<Got>) =>
  Promise.all(Array.from({ length: count }, (_, nth) => ask(nth)));

/** A gate that handlers wait at. */
function gate(): { open: () => void; passed: Promise<void> } {
  let open: () => void = () => {};
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
}

describe("1,000 callers of the same at the same time", () => {
  test.each([
    ["one instance", 1],
    ["three instances", 3],
  ])("at %s make one call to the origin", async (_, instances) => {
    const { open, passed } = gate();
    origin.on("tools/call t", async () => {
      await passed;
      return text("once");
    });
    const answers = together(1_000, (nth) =>
      (nth % 2 ? call : legacyCall)(at("o", nth % instances), "t", { instances }, { id: nth }),
    );
    await expect.poll(() => origin.count("tools/call", "t")).toBe(1);
    open();
    const got = await answers;
    expect(got.every((one, nth) => one.status === 200 && said(one) === "once" && one.body.id === nth)).toBe(true);
    expect(origin.count("tools/call", "t")).toBe(1);
    expect(got.some(({ headers }) => headers["cache-status"]!.endsWith("; collapsed"))).toBe(true);
  });
});

test("callers of tools that are cached by a pattern make one call as well, with nothing known of the tools", async () => {
  origin.tools = [tool("get_a", { annotations: { readOnlyHint: true } })];
  const cold = await startReplica(
    { origins: { o: { url: origin.url, tools: { "get_*": { cache: { ttl: "10m" } } } } } },
    { instances: 2 },
  );
  try {
    const got = await together(300, (nth) =>
      (nth % 4 < 2 ? call : legacyCall)(`${cold.urls[nth % 2]}/mcp`, "get_a", {}, { id: nth }),
    );
    expect(new Set(got.map(said))).toEqual(new Set(["get_a 1"]));
    expect(origin.count("tools/call")).toBe(1);
  } finally {
    origin.tools = [tool("t")];
    await cold.close();
  }
});

test("callers who come a moment later find what was just brought, at any instance", async () => {
  await call(at("o", 0), "t", { moment: 1 });
  for (const instance of [1, 2]) expect(said(await call(at("o", instance), "t", { moment: 1 }))).toBe("t 1");
  expect(origin.count("tools/call", "t")).toBe(1);
});

test("callers of different things do not wait for each other", async () => {
  const { open, passed } = gate();
  origin.on("tools/call t", async ({ params }) => {
    if (params.arguments.slow) await passed;
    return text(params.arguments.slow ? "slow" : "quick");
  });
  const slow = call(at("o"), "t", { slow: 1 });
  expect(said(await call(at("o"), "t", { quick: 1 }))).toBe("quick");
  open();
  expect(said(await slow)).toBe("slow");
});

test("those who waited for an answer that may not be shared each get their own", async () => {
  const { open, passed } = gate();
  origin.on("tools/call t", async ({ nth }) => {
    if (nth === 1) await passed;
    return text(`failure ${nth}`, { isError: true });
  });
  const answers = together(20, (nth) => call(at("o", nth % 3), "t", { unshared: 1 }));
  await expect.poll(() => origin.count("tools/call", "t")).toBe(1);
  open();
  const words = (await answers).map(said);
  expect(new Set(words).size).toBe(20);
  expect(origin.count("tools/call", "t")).toBe(20);
});

test("once it is known that answers may not be shared, nobody waits for anybody", async () => {
  const { open, passed } = gate();
  origin.on("tools/call t", async ({ nth }) => {
    if (nth === 2) await passed;
    return text(`failure ${nth}`, { isError: true });
  });
  expect(said(await call(at("o"), "t", { known: 1 }))).toBe("failure 1");
  const slow = call(at("o"), "t", { known: 1 });
  await expect.poll(() => origin.count("tools/call", "t")).toBe(2);
  expect(said(await call(at("o", 1), "t", { known: 1 }))).toBe("failure 3");
  open();
  expect(said(await slow)).toBe("failure 2");
});

test("one caller who leaves does not take the answer from the others", async () => {
  const { open, passed } = gate();
  origin.on("tools/call t", async () => {
    await passed;
    return text("still here");
  });
  const params = { name: "t", arguments: { leaves: 1 } };
  const leaving = new AbortController();
  const left = fetch(at("o"), {
    method: "POST",
    headers: modernHeaders("tools/call", params),
    body: modernBody("tools/call", params),
    signal: leaving.signal,
  });
  await expect.poll(() => origin.count("tools/call", "t")).toBe(1);
  const others = together(5, () => call(at("o"), "t", params.arguments));
  leaving.abort();
  await expect(left).rejects.toThrow();
  open();
  for (const got of await others) expect(said(got)).toBe("still here");
  expect(origin.count("tools/call", "t")).toBe(1);
});

describe("a key that fails", () => {
  test("is not tried for each caller, and ever more rarely, and comes back", async () => {
    const times: number[] = [];
    let down = true;
    origin.on("tools/call t", () => {
      times.push(Date.now());
      return down ? { status: 503, text: "" } : text("back");
    });
    let asked = 0;
    await until(
      async () => {
        const got = await Promise.all([0, 1, 2].map((instance) => call(at("o", instance), "t", { fails: 1 })));
        asked += got.length;
        for (const one of got) expect(codeOf(one)).toMatch(/^origin_(unavailable|busy)$/);
        return times.length;
      },
      (tries) => tries === 3,
    );
    expect(asked).toBeGreaterThan(30);
    // Half a second, then a second, each give or take a quarter.
    expect(times[1]! - times[0]!).toBeGreaterThan(350);
    expect(times[2]! - times[1]!).toBeGreaterThan(700);
    down = false;
    const back = await until(
      () => call(at("o"), "t", { fails: 1 }),
      (got) => said(got) === "back",
    );
    expect(back.cache?.status).toBe("miss");
    expect(times.length).toBe(4);
  });

  test("tells when to try again, and lasts as long as the origin asks for", async () => {
    origin.on("tools/call t", () => ({ status: 429, text: "", headers: { "retry-after": "7" } }));
    for (let nth = 0; nth < 3; nth++) {
      const got = await call(at("o"), "t", { later: 1 });
      const { code, retryAfterMs } = got.body.result._meta["edge-replica/error"];
      expect([code, retryAfterMs > 6_000, retryAfterMs <= 7_000]).toEqual(["origin_rate_limited", true, true]);
    }
    expect(origin.count("tools/call", "t")).toBe(1);
  });
});

describe("an origin that hangs", () => {
  test("keeps nobody longer than the timeout: they get an error that says to try again", async () => {
    origin.on("tools/call t", () => "hang");
    const begun = Date.now();
    const got = await together(50, (nth) => call(at("impatient", nth % 3), "t", { hangs: 1 }));
    expect(Date.now() - begun).toBeLessThan(3_000);
    for (const one of got) {
      expect([one.status, one.body.result.isError, codeOf(one)]).toEqual([200, true, "origin_timeout"]);
      expect(one.body.result._meta["edge-replica/error"].retryAfterMs).toBeGreaterThan(0);
    }
    expect(origin.count("tools/call", "t")).toBe(1);
  });

  test("keeps nobody from an old answer", async () => {
    origin.on("tools/call t", () => "hang");
    const entry = { ttlMs: 60_000, staleIfErrorMs: 3_600_000 };
    await seed(replica, { origin: "impatient", target: "t", variant: { old: 1 }, ageMs: 120_000, entry });
    const got = await together(30, (nth) => call(at("impatient", nth % 3), "t", { old: 1 }));
    for (const one of got) expect([one.cache?.status, said(one)]).toEqual(["stale", "old"]);
    expect(origin.count("tools/call", "t")).toBe(1);
  });
});

test("the origin sees no more fills at once than the operator allows", async () => {
  let open = 0;
  let most = 0;
  origin.on("tools/call t", async () => {
    most = Math.max(most, ++open);
    await new Promise((resolve) => setTimeout(resolve, 20));
    open--;
    return text("in turn");
  });
  const got = await together(24, (nth) => call(at("narrow", nth % 3), "t", { turn: nth }));
  for (const one of got) expect(said(one)).toBe("in turn");
  expect(most).toBeLessThanOrEqual(4);
  expect(origin.count("tools/call", "t")).toBe(24);
});
