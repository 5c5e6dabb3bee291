import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { OwnTokenAuth } from "../../src/config/originAuth.ts";
import type { TokenAnswer } from "../../src/origin/askToken.ts";
import { OwnToken, type TokenReply } from "../../src/origin/OwnToken.ts";
import { seal, unseal } from "../../src/origin/sealed.ts";

const LOGIN: OwnTokenAuth = { kind: "login", secret: "LOGIN", allowPrivate: false };
const CLIENT: OwnTokenAuth = {
  kind: "client-credentials",
  tokenEndpoint: "https://auth.example.com/token",
  clientId: "c",
  secret: "CLIENT",
};
const DOWN: TokenAnswer = { failure: { kind: "no-token", detail: "it is down", retryAfterMs: 0 } };

/** An authorization server as it is asked, a clock, and what is kept. */
class World {
  now = 1_000_000;
  kept: string | undefined;
  asked: Record<string, string | undefined>[] = [];
  failures: string[] = [];
  behind: Promise<unknown>[] = [];
  lastsMs = 1_000_000;
  /** Instead of a new token. */
  answer: TokenAnswer | undefined;
  /** What answers wait for. */
  hold: Promise<void> | undefined;
  bindings: Record<string, string> = { CLIENT: "s3cret", LOGIN: loginWith("r0") };

  /** One that has forgotten what is in memory. */
  open(): OwnToken {
    return new OwnToken({
      drawer: { read: () => this.kept, write: (value) => void (this.kept = value) },
      bindings: this.bindings,
      now: () => this.now,
      random: () => 1,
      waitUntil: (work) => void this.behind.push(work),
      failed: (reason) => void this.failures.push(reason),
      ask: async (_, params) => {
        const nth = this.asked.push(params);
        const expiresAt = this.now + this.lastsMs;
        await this.hold;
        const refreshed = params["refresh_token"] !== undefined && { refreshToken: `r${nth}` };
        return this.answer ?? { granted: { token: `t${nth}`, expiresAt, ...refreshed } };
      },
    });
  }
}

function loginWith(refreshToken: string): string {
  return JSON.stringify({ tokenEndpoint: "https://auth.example.com/token", clientId: "c", refreshToken });
}

const tokenIn = (reply: TokenReply) => ("token" in reply ? reply.token : reply.failure.kind);

describe("the replica's own token", () => {
  test("is given until a fifth of its time is left, two minutes at most; then it is renewed behind those who get it", async () => {
    const world = new World();
    const own = world.open();
    expect(await own.find(CLIENT)).toEqual({ token: "t1", until: 1_880_000 });
    world.now = 1_879_999;
    expect(await own.find(CLIENT)).toEqual({ token: "t1", until: 1_880_000 });
    expect(world.asked).toHaveLength(1);
    let release = () => {};
    world.hold = new Promise((resolve) => (release = resolve));
    world.now = 1_880_000;
    expect(await own.find(CLIENT)).toEqual({ token: "t1", until: 1_881_000 });
    expect(await own.find(CLIENT)).toEqual({ token: "t1", until: 1_881_000 });
    release();
    await Promise.all(world.behind);
    expect(tokenIn(await own.find(CLIENT))).toBe("t2");
    expect(world.asked).toHaveLength(2);
    world.lastsMs = 60_000;
    world.now = 2_880_000;
    expect(await own.find(CLIENT)).toEqual({ token: "t3", until: 2_880_000 + 48_000 });
  });

  test("goes on being given while the authorization server is down, to its last five seconds", async () => {
    const world = new World();
    const own = world.open();
    await own.find(CLIENT);
    world.answer = DOWN;
    for (world.now = 1_880_000; world.now < 1_995_000; world.now += 5_000) {
      expect(tokenIn(await own.find(CLIENT))).toBe("t1");
      await Promise.all(world.behind);
    }
    expect(tokenIn(await own.find(CLIENT))).toBe("no-token");
    world.answer = undefined;
    world.now += 60_000;
    expect(tokenIn(await own.find(CLIENT))).toMatch(/^t\d+$/);
  });

  test("is asked for less and less often where it is not to be had, once a minute at last, and says when to come again", async () => {
    const world = new World();
    const own = world.open();
    world.answer = DOWN;
    const waits: number[] = [];
    for (let nth = 0; nth < 8; nth++) {
      const reply = await own.find(CLIENT);
      const again = await own.find(CLIENT);
      expect(again).toEqual(reply);
      const { failure } = reply as { failure: { retryAfterMs: number } };
      waits.push(failure.retryAfterMs);
      world.now += failure.retryAfterMs;
    }
    expect(waits).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    expect(world.asked).toHaveLength(8);
    expect(world.failures).toEqual(Array.from({ length: 8 }, () => "it is down"));
  });

  test("that the origin refuses is renewed once for all who say so, and not again within ten seconds", async () => {
    const world = new World();
    const own = world.open();
    await own.find(CLIENT);
    world.now += 1;
    const all = await Promise.all(Array.from({ length: 100 }, () => own.find(CLIENT, "t1")));
    expect(new Set(all.map(tokenIn))).toEqual(new Set(["t2"]));
    expect(tokenIn(await own.find(CLIENT, "t1"))).toBe("t2");
    for (let nth = 0; nth < 5; nth++) expect(tokenIn(await own.find(CLIENT, "t2"))).toBe("t2");
    expect(world.asked).toHaveLength(2);
    world.now += 10_000;
    expect(tokenIn(await own.find(CLIENT, "t2"))).toBe("t3");
  });

  test("outlives the object, and each refresh token is used once", async () => {
    const world = new World();
    expect(tokenIn(await world.open().find(LOGIN))).toBe("t1");
    expect(tokenIn(await world.open().find(LOGIN))).toBe("t1");
    for (let nth = 0; nth < 3; nth++) {
      world.now += world.lastsMs;
      await world.open().find(LOGIN);
    }
    expect(world.asked.map((params) => params["refresh_token"])).toEqual(["r0", "r1", "r2", "r3"]);
  });

  test("is kept so that it says nothing without the secret, and a newly set one wins, also while the object lives", async () => {
    const world = new World();
    const own = world.open();
    await own.find(LOGIN);
    for (const word of ["t1", "r1", "example"]) expect(atob(world.kept!)).not.toContain(word);
    world.bindings["LOGIN"] = loginWith("new");
    expect(tokenIn(await own.find(LOGIN))).toBe("t2");
    world.bindings["LOGIN"] = loginWith("newer");
    expect(tokenIn(await world.open().find(LOGIN))).toBe("t3");
    expect(world.asked.map((params) => params["refresh_token"])).toEqual(["r0", "new", "newer"]);
    // What is damaged is as good as nothing.
    world.kept = world.kept!.replace(/.{4}$/, "AAAA");
    await world.open().find(LOGIN);
    expect(world.asked.at(-1)!["refresh_token"]).toBe("newer");
  });

  test("of one client is nothing to another with the same secret", async () => {
    const world = new World();
    await world.open().find(CLIENT);
    expect(tokenIn(await world.open().find({ ...CLIENT, scope: "more" } as OwnTokenAuth))).toBe("t2");
  });

  test.each([
    ["nothing", ""],
    ["no JSON", "r3fresh"],
    ["not all that it takes", JSON.stringify({ tokenEndpoint: "https://auth.example.com/token", clientId: "c" })],
    ["a private address", loginWith("r").replace("auth.example.com", "10.0.0.1")],
    ["http", loginWith("r").replace("https:", "http:")],
    ["something that is no text", loginWith("r").replace('"c"', "1")],
  ])("is not asked for where the secret has %s", async (_, secret) => {
    const world = new World();
    world.bindings["LOGIN"] = secret;
    expect(await world.open().find(LOGIN)).toMatchObject({
      failure: { kind: "misconfigured", detail: expect.stringContaining("LOGIN") },
    });
    expect(world.asked).toEqual([]);
  });
});

test("what is sealed is read with the same secret for the same purpose, and in no other way", async () => {
  const text = fc.string({ unit: "binary" });
  await fc.assert(
    fc.asyncProperty(text, text, text, fc.nat(), async (plain, secret, purpose, where) => {
      const sealed = await seal(plain, secret, purpose);
      expect(await unseal(sealed, secret, purpose)).toBe(new TextDecoder().decode(new TextEncoder().encode(plain)));
      expect(await unseal(sealed, `${secret}x`, purpose)).toBeUndefined();
      expect(await unseal(sealed, secret, `${purpose}x`)).toBeUndefined();
      const bytes = Uint8Array.fromBase64(sealed);
      bytes[where % bytes.length]! ^= 1;
      expect(await unseal(bytes.toBase64(), secret, purpose)).toBeUndefined();
      expect(await seal(plain, secret, purpose)).not.toBe(sealed);
    }),
    { numRuns: 30 },
  );
});
