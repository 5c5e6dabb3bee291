import type * as z from "zod";
import { ConfigError, type ConfigProblem } from "./ConfigError.ts";
import { issuersOf } from "./access.ts";
import { roleProblems } from "./roles.ts";
import { authProblems } from "./originAuth.ts";
import { mirrorProblems } from "./mirrored.ts";
import { shape } from "./shape.ts";
import { shorten } from "./shorten.ts";
import type { ReplicaConfig, ToolConfig } from "./types.ts";
import { writeProblems } from "./writes.ts";

/** The operator's file, if it is one. Throws `ConfigError` with every problem it has. */
export function validate(value: unknown): ReplicaConfig {
  const parsed = shape.safeParse(value, { reportInput: true });
  const problems = prototypeNames(value);
  if (!parsed.success) problems.push(...parsed.error.issues.flatMap((issue) => problemsOf(issue, value)));
  if (parsed.success) problems.push(...contradictions(parsed.data));
  if (problems.length > 0) throw new ConfigError(problems);
  return parsed.data as ReplicaConfig;
}

/** The shape passes over what has this name: a `deny` or a condition among it would be lost without a word. */
function prototypeNames(value: unknown): ConfigProblem[] {
  const kinds = Object.keys(Object(at(value, ["origins"]))).map((id) => ["origins", id]);
  const named = kinds.flatMap((path) => ["tools", "resources", "prompts"].map((kind) => [...path, kind]));
  const own = [...named, ["access", "roles"]].filter((path) => hasOwnProto(at(value, path)));
  const mirrored = kinds.flatMap((path) => {
    const tools = Object.keys(Object(at(value, [...path, "tools"]))).map((name) => [...path, "tools", name]);
    const places = [
      [...path, "collections"],
      ...tools.flatMap((one) => [
        [...one, "answer"],
        [...one, "shape"],
      ]),
    ];
    return places.flatMap((place) => protosBelow(at(value, place), place));
  });
  return [...own, ...mirrored].map((path) => ({
    path: [...path, "__proto__"].join("."),
    found: '"__proto__"',
    expected: path[0] === "access" || path.length > 3 || path[2] === "collections" ? "another name" : PROTO_PATTERN,
  }));
}

const PROTO_PATTERN = "another name; the pattern __proto_* stands for it";

function hasOwnProto(value: unknown): boolean {
  return Object.hasOwn(Object(value), "__proto__");
}

/** Where below a place something has this name. */
function protosBelow(value: unknown, path: readonly string[], depth = 0): (readonly string[])[] {
  if (value === null || typeof value !== "object" || depth > 64) return [];
  const below = Object.entries(value).flatMap(([name, one]) => protosBelow(one, [...path, name], depth + 1));
  return hasOwnProto(value) ? [path, ...below] : below;
}

/** What the shape alone cannot say. */
function contradictions(config: ReplicaConfig): ConfigProblem[] {
  const ids = Object.keys(config.origins);
  const defaults = ids.filter((id) => config.origins[id]?.default);
  const problems: ConfigProblem[] = [];
  if (ids.length === 0) problems.push({ path: "origins", found: "{}", expected: "at least one origin" });
  if (defaults.length > 1)
    problems.push({ path: "origins", found: defaults.join(", "), expected: "one default at most" });
  if (config.access?.openOnPurpose && !config.access.open) {
    problems.push({ path: "access.openOnPurpose", found: "true", expected: "access.open to be true with it" });
  }
  const issuers = issuersOf(config.access?.jwt).map(({ issuer }) => issuer);
  if (new Set(issuers).size < issuers.length)
    problems.push({ path: "access.jwt", found: "an issuer twice", expected: "each issuer once" });
  for (const [id, origin] of Object.entries(config.origins)) {
    problems.push(...authProblems(config, id), ...mirrorProblems(config, id), ...writeProblems(id, origin));
    for (const kind of ["tools", "resources", "prompts"] as const) {
      for (const [name, policy] of Object.entries(origin[kind] ?? {}))
        problems.push(...conflicts(policy, [id, kind, name]));
    }
  }
  return [...problems, ...roleProblems(config)];
}

/** What in the policy of one tool, resource or prompt does not go together. */
function conflicts({ answer, cache, consistency, write }: ToolConfig, path: readonly string[]): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const where = ["origins", ...path].join(".");
  if (write && cache) problems.push({ path: `${where}.write`, found: "an object", expected: "no cache with it" });
  if (consistency !== undefined && !cache && !answer) {
    const expected = path[1] === "tools" ? "cache or answer with it" : "cache with it";
    problems.push({ path: `${where}.consistency`, found: JSON.stringify(consistency), expected });
  }
  return problems;
}

function problemsOf(issue: z.core.$ZodIssue, root: unknown): ConfigProblem[] {
  const path = issue.path.map(String);
  const chosen = issue.code === "invalid_union" ? meant(issue.errors, path, at(root, path)) : undefined;
  if (chosen) return chosen.flatMap((one) => problemsOf({ ...one, path: [...issue.path, ...one.path] }, root));
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      path: told([...path, key]),
      found: shorten(at(root, [...path, key]), true),
      expected: `one of the known options${knownBy(path)}`,
    }));
  }
  const value = issue.code === "invalid_key" ? path.at(-1) : at(root, path);
  const secretive =
    path[0] === "origins"
      ? path[2] === "auth" || path[2] === "url" || path[3] === "webhook"
      : path[0] === "access" && path[1] !== "roles";
  return [{ path: told(path), found: shorten(value, secretive), expected: expectation(issue) }];
}

type Issues = z.core.$ZodIssue[];

/** Which of several forms was meant, where what is wrong is to be told of that one: several issuers or one, a key set or its URL. */
function meant(forms: Issues[], path: readonly string[], value: unknown): Issues | undefined {
  if (path.at(-1) === "jwt") return forms[Array.isArray(value) ? 1 : 0];
  if (path.at(-1) === "jwks") return forms[Number(typeof value === "object")];
  return MANIFOLD.has(path[2]!) || MANIFOLD.has(path[4]!) ? closest(forms) : undefined;
}

/** What is said of what is mirrored, and of writes, has many forms. */
const MANIFOLD: ReadonlySet<string> = new Set(["collections", "answer", "shape", "mirror", "write"]);

/** The form that the least is wrong with, of those that are for what was found. */
function closest(forms: Issues[]): Issues | undefined {
  const isOfOtherKind = (one: z.core.$ZodIssue) =>
    one.path.length === 0 &&
    (one.code === "invalid_union" ? !closest(one.errors) : one.code === "invalid_type" || one.code === "invalid_value");
  const wrong = (issues: Issues) => issues.flatMap((one) => (one.code === "unrecognized_keys" ? one.keys : "")).length;
  return forms.filter((issues) => !issues.some(isOfOtherKind)).toSorted((a, b) => wrong(a) - wrong(b))[0];
}

/** A path as it is told: the names of development tokens are the tokens. */
function told(path: readonly string[]): string {
  return path.map((part, index) => (index === 3 && path[1] === "dev" ? "*" : part)).join(".");
}

function knownBy(path: readonly string[]): string {
  return path.at(-1) === "cache"
    ? " (ttl, staleWhileRevalidate, staleIfError, scope, tags, clientTtl; tell for tools)"
    : "";
}

const KINDS: ReadonlyMap<string, string> = new Map([
  ["object", "an object"],
  ["record", "an object"],
  ["array", "an array"],
  ["int", "a whole number"],
]);

function expectation(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return KINDS.get(issue.expected) ?? `a ${issue.expected}`;
    case "invalid_value":
      return `one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
    case "invalid_key":
      return issue.issues[0]?.message ?? "another name";
    default:
      return issue.message;
  }
}

function at(root: unknown, path: readonly string[]): unknown {
  let value = root;
  for (const part of path)
    value = value === null || typeof value !== "object" ? undefined : (value as Record<string, unknown>)[part];
  return value;
}
