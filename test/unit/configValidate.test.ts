import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/config/ConfigError.ts";
import { policyOf } from "../../src/config/policy.ts";
import type { Origin } from "../../src/config/replica.ts";
import { resolve } from "../../src/config/resolve.ts";

const file = (origin: object) => ({ origins: { a: { url: "https://mcp.example.com/mcp", ...origin } } });
const originOf = (origin: object): Origin => resolve(file(origin)).origins.get("a")!;

describe("validate", () => {
  test("is on unless the operator says otherwise, of an origin, or closer by of a tool", () => {
    expect(originOf({}).validates).toBe(true);
    const tools = { x: { validate: true }, "y*": { validate: false }, z: { deny: false } };
    const { validates, tools: table } = originOf({ validate: false, tools });
    const own = ["x", "yes", "z"].map((name) => table.find(name)?.value.validates);
    expect([validates, ...own]).toEqual([false, true, false, undefined]);
  });

  test("says nothing of how a tool is answered", () => {
    const origin = originOf({ tools: { x: { validate: false } } });
    expect(policyOf(origin, "tools/call", "x")).toEqual({ kind: "relay" });
  });

  test.each(["yes", 1, null, {}])("is not %j", (validate) => {
    for (const [path, origin] of [
      ["origins.a.validate", { validate }],
      ["origins.a.tools.x.validate", { tools: { x: { validate } } }],
    ] as const) {
      expect(() => resolve(file(origin))).toThrow(ConfigError);
      expect(() => resolve(file(origin))).toThrow(path);
    }
  });

  test("is for tools alone", () => {
    for (const kind of ["resources", "prompts"]) {
      expect(() => resolve(file({ [kind]: { x: { validate: true } } }))).toThrow("one of the known options");
    }
  });
});
