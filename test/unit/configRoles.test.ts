import { describe, expect, test } from "vitest";
import { commonScopes, knownScopes } from "../../src/access/scopes.ts";
import { ConfigError } from "../../src/config/ConfigError.ts";
import { resolve } from "../../src/config/resolve.ts";

const origins = { a: { url: "https://a.example.com/mcp" }, b: { url: "https://b.example.com/mcp" } };
const file = (roles: unknown, access: object = { keys: true }) => ({ origins, access: { ...access, roles } });

function problemsOf(value: unknown): string[] {
  try {
    resolve(value);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, expected }) => `${path}: ${expected}`);
    throw error;
  }
  return [];
}

const grantsOf = (roles: object, name: string) => resolve(file(roles)).access.roles!.get(name)!;

describe("access.roles", () => {
  test("are absent where there are none", () => {
    expect(resolve({ origins }).access.roles).toBeUndefined();
  });

  test("have their own patterns, and those of the roles that they extend, each for its own origins", () => {
    const roles = {
      base: { prompts: ["*"] },
      reader: { extends: "base", tools: ["search_*"], origins: ["a"], scopes: ["mcp:read"] },
      other: { extends: ["base"], resources: ["x://*"] },
      writer: { extends: ["reader", "other"], tools: ["update_*"], origins: ["b"] },
    };
    const none = { tools: [], resources: [], prompts: [], origins: undefined };
    expect(grantsOf(roles, "writer")).toEqual({
      scopes: undefined,
      grants: [
        { ...none, tools: ["update_*"], origins: ["b"] },
        { ...none, tools: ["search_*"], origins: ["a"] },
        { ...none, resources: ["x://*"] },
        { ...none, prompts: ["*"] },
      ],
    });
    expect(grantsOf(roles, "reader").scopes).toEqual(["mcp:read"]);
  });

  test("make known the scopes that give them", () => {
    const issuer = "https://issuer.example.com";
    const jwt = { issuer, jwks: `${issuer}/jwks`, scopes: ["mcp:use"] };
    const roles = { reader: { scopes: ["mcp:read", "mcp:use"] }, writer: { scopes: ["mcp:write"] }, other: {} };
    const { access } = resolve(file(roles, { jwt }));
    expect([knownScopes(access), commonScopes(access)]).toEqual([["mcp:read", "mcp:use", "mcp:write"], ["mcp:use"]]);
  });

  test("extend what exists, and not in a circle", () => {
    expect(problemsOf(file({ a: { extends: "b" } }))).toEqual(["access.roles.a.extends: the name of another role"]);
    const circle = "roles that do not extend each other";
    expect(problemsOf(file({ a: { extends: "a" } }))).toEqual([`access.roles.a.extends: ${circle}`]);
    expect(
      problemsOf(
        file({ a: { extends: "b" }, b: { extends: ["c", "d"] }, c: { extends: "a" }, d: {}, e: { extends: "a" } }),
      ),
    ).toEqual(["a", "b", "c"].map((name) => `access.roles.${name}.extends: ${circle}`));
    expect(problemsOf(file({ a: { extends: "constructor" } }))).toHaveLength(1);
  });

  test("are those that development tokens have", () => {
    const dev = (...roles: string[]) => ({ dev: { tokens: { hunter2: { subject: "s", roles } } } });
    expect(problemsOf(file({ reader: {} }, dev("reader")))).toEqual([]);
    expect(problemsOf(file({ reader: {} }, dev("reader", "raeder")))).toEqual([
      "access.dev.tokens.*.roles: names of access.roles",
    ]);
  });

  test("name the role of callers without a credential, where there may be such", () => {
    const [problem] = problemsOf(file({ reader: {} }, { open: true }));
    expect(problem).toContain("access.roles: a role anonymous");
    expect(problemsOf(file({ anonymous: {} }, { open: true, keys: true }))).toEqual([]);
    expect(problemsOf(file({ reader: {} }, { keys: true }))).toEqual([]);
  });

  test.each([
    ["another name", { Reader: {} }, "access.roles.Reader"],
    ["a long name", { ["r".repeat(41)]: {} }, `access.roles.${"r".repeat(41)}`],
    ["a name of a prototype", JSON.parse('{ "__proto__": { "tools": ["*"] } }'), "access.roles.__proto__"],
    ["no scopes, which everybody has", { r: { scopes: [] } }, "access.roles.r.scopes"],
    ["a scope that is none", { r: { scopes: ["a b"] } }, "access.roles.r.scopes.0"],
    ["no origins", { r: { origins: [] } }, "access.roles.r.origins"],
    ["an origin that there is not", { r: { origins: ["c"] } }, "access.roles.r.origins"],
    ["an empty pattern", { r: { tools: [""] } }, "access.roles.r.tools.0"],
    ["a pattern alone", { r: { tools: "search_*" } }, "access.roles.r.tools"],
    ["too many patterns", { r: { tools: Array.from({ length: 1_001 }, String) } }, "access.roles.r.tools"],
    ["too many roles", Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`r${at}`, {}])), "access.roles"],
    ["an option that there is not", { r: { tool: ["*"] } }, "access.roles.r.tool"],
  ])("are refused with %s", (_, roles, path) => {
    expect(problemsOf(file(roles)).map((problem) => problem.slice(0, path.length + 1))).toEqual([`${path}:`]);
  });
});
