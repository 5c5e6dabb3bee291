import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ANYBODY, type Caller } from "../../src/access/Caller.ts";
import { Rights } from "../../src/access/Rights.ts";
import { Roles } from "../../src/access/Roles.ts";
import { resolve } from "../../src/config/resolve.ts";
import type { RoleConfig } from "../../src/config/types.ts";
import { isEquivocal } from "../../src/mcp/equivocal.ts";
import { runs } from "../support/runs.ts";

const origins = { a: { url: "https://a.example.com/mcp" }, b: { url: "https://b.example.com/mcp" } };

function rolesOf(roles: Record<string, RoleConfig>): Roles {
  return new Roles(resolve({ origins, access: { keys: true, roles } }).access.roles!);
}

const key = (...roles: string[]): Caller => ({ principal: "key:1", roles });
const none = { tools: [], resources: [], prompts: [] };

describe("what roles give", () => {
  const roles = rolesOf({
    reader: { tools: ["search_*", "get"], resources: ["catalog://*"], prompts: ["*"], scopes: ["mcp:read"] },
    writer: { extends: "reader", tools: ["update_*"], scopes: ["mcp:read", "mcp:write"] },
    here: { tools: ["local"], origins: ["b"] },
    abroad: { extends: "here", tools: ["far"], origins: ["a"] },
    all: { tools: ["*"], resources: ["*"], prompts: ["*"] },
    half: { tools: ["*"], resources: ["*"] },
    anonymous: { tools: ["public"] },
  });
  const may = (caller: Caller, tool: string, origin = "a") =>
    roles.rightsOf(caller, origin)?.may("tools", tool) ?? true;

  test("is what their patterns match, and nothing else", () => {
    const rights = roles.rightsOf(key("reader"), "a")!;
    expect(["search_x", "search_", "get"].map((name) => rights.may("tools", name))).toEqual([true, true, true]);
    for (const name of ["search", "Search_x", "xsearch_x", "getx", "update_x", "", "catalog://1", "constructor"]) {
      expect([name, rights.may("tools", name)]).toEqual([name, false]);
    }
    expect([rights.may("prompts", "anything"), rights.may("resources", "catalog://1")]).toEqual([true, true]);
    expect(rights.may("resources", "other://catalog://1")).toBe(false);
  });

  test("is nothing without a role that there is", () => {
    for (const caller of [key(), key("admin"), key("__proto__"), key("constructor"), { principal: "key:2" }]) {
      const rights = roles.rightsOf(caller, "a")!;
      expect([rights.may("tools", "get"), rights.may("prompts", "p"), rights.mayAny("tools")]).toEqual([
        false,
        false,
        false,
      ]);
    }
  });

  test("goes along what they extend one way only", () => {
    expect([may(key("writer"), "update_x"), may(key("writer"), "search_x")]).toEqual([true, true]);
    expect(may(key("reader"), "update_x")).toBe(false);
  });

  test("adds up over several", () => {
    expect([may(key("reader", "abroad"), "far"), may(key("reader", "abroad"), "get")]).toEqual([true, true]);
  });

  test("counts for the origins that they name, extended or not", () => {
    expect(["local", "far"].map((tool) => may(key("abroad"), tool, "a"))).toEqual([false, true]);
    expect(["local", "far"].map((tool) => may(key("abroad"), tool, "b"))).toEqual([true, false]);
  });

  test("is everything where all of every kind is given, and not before", () => {
    expect(roles.rightsOf(key("all"), "a")).toBeUndefined();
    expect(roles.rightsOf(key("half"), "a")).toBeDefined();
  });

  test("comes with granted scopes, all of a role's, and not with those of what it extends", () => {
    const scoped = (...scopes: string[]): Caller => ({ principal: "jwt", scopes });
    expect(may(scoped("mcp:read"), "search_x")).toBe(true);
    expect([may(scoped("mcp:read"), "update_x"), may(scoped("mcp:write"), "update_x")]).toEqual([false, false]);
    expect(may(scoped("mcp:read", "mcp:write"), "update_x")).toBe(true);
    expect(may(scoped("mcp:read mcp:write"), "search_x")).toBe(false);
    const rights = roles.rightsOf(scoped("mcp:read"), "a")!;
    expect(rights.scopesFor("tools", "update_x")).toEqual(["mcp:read", "mcp:write"]);
    expect([rights.scopesFor("tools", "local"), rights.scopesFor("tools", "admin")]).toEqual([undefined, undefined]);
  });

  test("is the role anonymous for who has no credential, and for nobody else", () => {
    expect([may(ANYBODY, "public"), may(ANYBODY, "search_x")]).toEqual([true, false]);
    expect(may({ principal: "key:anonymous" }, "public")).toBe(false);
  });

  test("is remembered by the set of roles, whoever has them, in whatever order", () => {
    const rights = roles.rightsOf(key("reader", "here"), "a");
    expect(roles.rightsOf(key("here", "reader", "reader", "unknown"), "a")).toBe(rights);
    expect(roles.rightsOf(key("here"), "a")!.id).not.toBe(rights!.id);
    expect(roles.rightsOf(key("reader", "here"), "b")!.id).not.toBe(rights!.id);
  });

  test("is what the roles say, whichever are had (property)", () => {
    const name = fc.constantFrom("r0", "r1", "r2", "r3");
    const pattern = fc.constantFrom("a", "a*", "*b", "ab", "a*b*", "c");
    const roleOf = (at: number) =>
      fc.record({
        // Only to those before it, so that there is no circle.
        extends: fc.subarray<string>(["r0", "r1", "r2", "r3"].slice(0, at)),
        tools: fc.array(pattern, { maxLength: 3 }),
        origins: fc.constantFrom(undefined, ["a"], ["b"]),
      });
    const all = fc.tuple(roleOf(0), roleOf(1), roleOf(2), roleOf(3));
    fc.assert(
      fc.property(all, fc.array(name), fc.constantFrom("a", "ab", "xb", "c", "d"), (defined, had, tool) => {
        const found = rolesOf(
          JSON.parse(JSON.stringify(Object.fromEntries(defined.map((role, at) => [`r${at}`, role])))),
        );
        const gives = (at: number): boolean => {
          const { tools, origins: counted, extends: parents } = defined[at]!;
          const own =
            ((counted as string[] | undefined) ?? ["a"]).includes("a") && tools.some((one) => matching(one).test(tool));
          return own || parents.some((parent) => gives(Number(parent.slice(1))));
        };
        const expected = had.some((one) => gives(Number(one.slice(1))));
        expect(found.rightsOf(key(...had), "a")!.may("tools", tool)).toBe(expected);
      }),
      { numRuns: runs(300, 50_000) },
    );
  });
});

const matching = (pattern: string) => new RegExp(`^${pattern.replaceAll("*", ".*")}$`);

describe("URIs that may stand for others", () => {
  const rights = new Rights("", { ...none, resources: ["files:///public/*", "files:///a/../b", "*.md"] });

  test("are matched by no pattern but the one for all", () => {
    const devious = [
      "files:///public/../secret",
      "files:///public/..",
      "files:///public/x/..\\..\\secret",
      "files:///public/..;/secret",
      "files:///public/..?x",
      "files:///public/?path=../secret",
      "files:///public/%2e%2e/secret",
      "files:///public/%2E./secret",
      "files:///public/.%2e/secret",
      "files:///public/%252e%252e%252fsecret",
      "files:///public/%25252e",
      "files:///public/..%2fsecret",
      "files:///public/a%2Fb",
      "files:///public/a%5cb",
      "files:///public/%c0%ae%c0%ae/secret",
      "files:///public/.\t./secret",
      "files:///public/.\n./secret",
      "files:///public/x%00",
      "files:///public/x\u0000",
      "files:///public/x%0a",
      "files:///secret%00.md",
      "../secret.md",
    ];
    for (const uri of devious) expect([uri, rights.may("resources", uri)]).toEqual([uri, false]);
    const all = new Rights("", { ...none, resources: ["*"] });
    expect(devious.every((uri) => all.may("resources", uri))).toBe(true);
  });

  test("are not those that only look a little odd", () => {
    for (const uri of [
      "files:///public/a..b",
      "files:///public/a%20b",
      "files:///public/v1...x",
      "files:///public/ä",
      "x.md",
    ]) {
      expect([uri, rights.may("resources", uri)]).toEqual([uri, true]);
    }
  });

  test("are what the operator writes as they are", () => {
    expect(rights.may("resources", "files:///a/../b")).toBe(true);
  });

  test("have their like among names, which readers may end at a sign that nobody sees", () => {
    const granted = new Rights("", { tools: ["*_read"], resources: [], prompts: ["*.txt"] });
    expect([granted.may("tools", "x_read"), granted.may("tools", "admin\u0000_read")]).toEqual([true, false]);
    expect([granted.may("prompts", "x.txt"), granted.may("prompts", "secret\n.txt")]).toEqual([true, false]);
  });
});

test("names in any number and of any length are judged alike, first and later", () => {
  const rights = new Rights("", { ...none, tools: ["a*"] });
  for (let round = 0; round < 2; round++) {
    for (let at = 0; at < 2_500; at++) {
      expect([rights.may("tools", `a${at}`), rights.may("tools", `b${at}`)]).toEqual([true, false]);
    }
  }
  expect([rights.may("tools", "a".repeat(100_000)), rights.may("tools", "b".repeat(100_000))]).toEqual([true, false]);
});

test("a key that differs from one that counts by its case is equivocal", () => {
  const call = (params: object, more: object = {}) => ({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params,
    ...more,
  });
  for (const message of [
    call({ name: "a", Name: "b" }),
    call({ name: "a", NAME: "b" }),
    call({ uri: "a", uRi: "b" }),
    call({ name: "a" }, { Params: { name: "b" } }),
    call({ name: "a" }, { "param\u017F": { name: "b" } }),
    call({ name: "a" }, { Method: "x" }),
    call({ ref: { type: "ref/prompt", name: "a", Name: "b" } }),
    call({ notifications: { resourceSubscriptions: [], resourcesubscriptions: ["x"] } }),
  ]) {
    expect([message, isEquivocal(message)]).toEqual([message, true]);
  }
  const fine = call({ name: "a", arguments: { Name: 1, URI: 2 }, _meta: { Name: 3 } }, { other: 1, __proto__: 2 });
  for (const message of [fine, call([]), "x", null, [call({ Name: 1 })]]) expect(isEquivocal(message)).toBe(false);
});
