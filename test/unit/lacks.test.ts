import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { Health } from "../../src/http/health.ts";
import { lacksOf } from "../../src/http/lacksOf.ts";
import { unmigrated } from "../../src/http/unmigrated.ts";
import { MirrorStore } from "../../src/mirror/MirrorStore.ts";
import { storeProblem } from "../../src/mirror/pullProblem.ts";
import { collectionOf } from "./support/pulling.ts";

const URL_OK = "https://mcp.example.com/mcp";
const CLIENT = { tokenEndpoint: "https://auth.example.com/token", clientId: "c" };
const jwt = { issuer: "https://auth.example.com", jwks: "https://auth.example.com/jwks" };
const replica = resolve({
  origins: {
    fixed: { url: URL_OK, auth: { bearer: { secret: "FIXED" } }, sync: { webhook: { secret: "HOOK" } } },
    own: { url: URL_OK, auth: { clientCredentials: { ...CLIENT, secret: "OWN" } } },
    login: { url: URL_OK, auth: { login: { secret: "LOGIN" } } },
    theirs: { url: URL_OK, auth: { exchange: { ...CLIENT, secret: "THEIRS" } } },
    passed: { url: URL_OK, auth: { forward: true, sameResource: true } },
    bound: { service: "BOUND", tools: { a: { limit: "TOOL_LIMIT" } } },
  },
  access: { keys: true, jwt },
  limits: { edge: "EDGE", origin: "ORIGIN" },
});
const limiter = { limit: () => Promise.resolve({ success: true }) };
const whole = {
  KEY_PEPPER: "p",
  ENTRY_SECRET: "e".repeat(32),
  FIXED: "f",
  HOOK: "h",
  OWN: "o",
  LOGIN: "l",
  THEIRS: "t",
  BOUND: { fetch: () => {} },
  EDGE: limiter,
  ORIGIN: limiter,
  TOOL_LIMIT: limiter,
};

test("nothing is missing where all is there, and nothing that nobody needs", () => {
  expect(lacksOf(replica, whole)).toEqual({ missing: [], warnings: [] });
  const open = resolve({ origins: { a: { url: URL_OK } }, access: { open: true } });
  expect(lacksOf(open, { ENTRY_SECRET: whole.ENTRY_SECRET })).toEqual({ missing: [], warnings: [] });
});

test.each(["KEY_PEPPER", "FIXED", "OWN", "LOGIN", "THEIRS", "BOUND", "EDGE", "ORIGIN", "TOOL_LIMIT"])(
  "%s is named where it is not there, and where it is empty",
  (name) => {
    for (const value of [undefined, ""])
      expect(lacksOf(replica, { ...whole, [name]: value })).toEqual({ missing: [name], warnings: [] });
  },
);

test("what the replica can do without is told as that", () => {
  const { missing, warnings } = lacksOf(replica, { ...whole, HOOK: undefined, ENTRY_SECRET: "short" });
  expect(missing).toEqual([]);
  expect(warnings).toEqual([
    "The secret HOOK is not set: the webhook of fixed takes nothing.",
    expect.stringContaining("ENTRY_SECRET is shorter than 32 characters"),
  ]);
});

test("what a mirror needs is told with what to do, and only where something is mirrored", () => {
  const mirrored = resolve({
    origins: {
      a: { url: URL_OK, collections: { c: { from: { tool: "list" }, key: "id", scope: "public" } } },
      b: { url: URL_OK },
    },
  });
  const bound = { ENTRY_SECRET: whole.ENTRY_SECRET, DB: {}, MIRROR_SYNC: {} };
  expect(lacksOf(mirrored, bound)).toEqual({ missing: [], warnings: [] });
  expect(lacksOf(mirrored, { ...bound, DB: undefined }).warnings).toEqual([
    expect.stringMatching(/bound as DB: .*`npx wrangler d1 create .*`npx wrangler d1 migrations apply DB --remote`/),
  ]);
  expect(lacksOf(mirrored, { ...bound, MIRROR_SYNC: undefined }).warnings).toEqual([
    expect.stringMatching(/bound as MIRROR_SYNC: .*MirrorSync in wrangler\.toml/),
  ]);
});

test("a database without its tables is told with what to do, and only where something is mirrored", async () => {
  const { EMPTY_DB } = env as unknown as { EMPTY_DB: D1Database };
  const told = expect.stringContaining("Run `npx wrangler d1 migrations apply DB --remote`.") as string;
  expect(await unmigrated(env.DB)).toBeUndefined();
  expect(await unmigrated(EMPTY_DB)).toEqual(told);
  // Nor does a pull that fails for it leave an operator without a word.
  const failing = new MirrorStore(EMPTY_DB, "lacking/c#1", collectionOf()).state();
  expect(storeProblem(await failing.catch((error: unknown) => error)).message).toEqual(told);
  expect(storeProblem(new Error("too busy")).message).not.toEqual(told);
  // Nobody listens there: whether it can be reached makes no difference to what is told.
  const origin = { service: "NOBODY" };
  const resources = { "*": { mirror: { scope: "public" } } };
  const readiness = (config: object, db: D1Database) =>
    new Health(resolve({ origins: { nobody: config } })).readiness({ ...env, DB: db });
  expect((await readiness({ ...origin, resources }, EMPTY_DB)).warnings).toEqual([told]);
  expect((await readiness({ ...origin, resources }, env.DB)).warnings).toBeUndefined();
  expect((await readiness(origin, EMPTY_DB)).warnings).toBeUndefined();
});
