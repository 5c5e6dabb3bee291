import { parseDuration, type Duration } from "./duration.ts";
import { pointerTo } from "./member.ts";
import { RESOURCES, type Collection, type Column, type Readers, type RowAsking, type RowSource } from "./mirror.ts";
import type { CollectionConfig, ColumnConfig, MirrorConfig } from "./mirrorTypes.ts";
import { patternTable } from "./pattern.ts";
import { mayAllRead, readersOf } from "./readers.ts";
import { below, type Report } from "./report.ts";
import { placesIn } from "./template.ts";
import type { OriginConfig } from "./types.ts";

const MAX_COLUMNS = 16;
const DEFAULT_MAX_ROWS = 200_000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** What is mirrored of an origin, by name, with every default filled in. `roles` are those that there are; what is wrong is reported. */
export function collectionsOf(
  config: OriginConfig,
  roles: ReadonlySet<string>,
  report: Report,
): ReadonlyMap<string, Collection> {
  const collections = new Map<string, Collection>();
  for (const [name, one] of Object.entries(config.collections ?? {})) {
    const at = below(report, "collections", name);
    const key = [one.key].flat();
    const { columns, indexes } = columnsOf(one.index ?? [], at);
    const collection = {
      name,
      from: sourceOf(name, config, at),
      key: distinct(key, below(at, "key")),
      keyNames: key,
      columns,
      indexes,
      search: searchOf(one, at),
      readers: readersOf(one, roles, at) ?? { roles: [] },
      everyMs: ms(one.every, 5 * MINUTE_MS),
      maxRows: one.maxRows ?? DEFAULT_MAX_ROWS,
      staleIfErrorMs: ms(one.staleIfError, 7 * DAY_MS),
      tags: one.tags ?? [],
      row: one.row && rowOf(one.row, key, config, at),
      tools: toolsOf(config, name),
    };
    collections.set(name, collection);
  }
  const resources = resourcesOf(config, roles, report);
  if (resources) collections.set(RESOURCES, resources);
  const { auth = {} } = config;
  if (collections.size > 0 && ("exchange" in auth || "forward" in auth)) {
    const expected =
      "nothing that is mirrored: the origin is asked with a credential for each caller, and what it says is that caller's own";
    report(resources ? ["resources"] : ["collections"], Object.keys(auth)[0]!, expected);
  }
  return collections;
}

function sourceOf(name: string, config: OriginConfig, report: Report): RowSource {
  const at = below(report, "from");
  const { from } = config.collections![name]!;
  if ("tool" in from) {
    readsOnly(from.tool, config, at);
    const { tool, arguments: args = {}, rows = "", cursor, total } = from;
    if (cursor && Object.hasOwn(args, cursor.argument)) {
      at(["cursor", "argument"], JSON.stringify(cursor.argument), "an argument that is not among arguments");
    }
    return { kind: "tool", tool, arguments: args, rows, cursor, total };
  }
  const { resources, each } = from;
  const places = placesIn(resources)?.length;
  if (each === undefined) {
    if (places !== 0)
      at(["resources"], JSON.stringify(resources), "a pattern such as catalog://products/*, or each with it");
    return { kind: "resources", pattern: resources };
  }
  if (!places || /[*|]/.test(resources))
    at(["resources"], JSON.stringify(resources), "a URI template such as catalog://products/{sku}");
  if (!Object.hasOwn(config.collections!, each)) at(["each"], JSON.stringify(each), "the name of another collection");
  else if (leadsBack(name, config)) at(["each"], "a circle", "collections that are not filled from each other");
  return { kind: "each", template: resources, each };
}

function leadsBack(name: string, { collections = {} }: OriginConfig): boolean {
  const seen = new Set<string>();
  let next: string | undefined = name;
  while (next !== undefined && !seen.has(next)) {
    seen.add(next);
    const from: CollectionConfig["from"] | undefined = collections[next]?.from;
    next = from && "each" in from ? from.each : undefined;
  }
  return next === name;
}

/** What the replica calls again and again must change nothing. */
function readsOnly(tool: string, { tools = {} }: OriginConfig, report: Report): void {
  if (patternTable(tools).find(tool)?.value.write) report(["tool"], JSON.stringify(tool), "a tool without write");
}

function columnsOf(index: readonly (ColumnConfig | ColumnConfig[])[], report: Report) {
  const columns: Column[] = [];
  const at = below(report, "index");
  const placeOf = (config: ColumnConfig): number => {
    const { at: name, as } = typeof config === "string" ? { at: config, as: "value" as const } : config;
    const pointer = pointerTo(name);
    const place = columns.findIndex((column) => column.at === pointer);
    if (place < 0) return columns.push({ name, at: pointer, as }) - 1;
    if (columns[place]!.as !== as)
      at([], `${JSON.stringify(name)} as ${columns[place]!.as} and as ${as}`, "each column compared in one way");
    return place;
  };
  const indexes = index.map((entry) => [entry].flat().map(placeOf));
  for (const each of indexes)
    if (new Set(each).size < each.length) at([], "a column twice in one index", "each column once in an index");
  if (new Set(indexes.map(String)).size < indexes.length) at([], "an index twice", "each index once");
  if (columns.length > MAX_COLUMNS) at([], `${columns.length} columns`, `at most ${MAX_COLUMNS} columns`);
  return { columns, indexes };
}

function searchOf({ search }: CollectionConfig, report: Report): Collection["search"] {
  if (search === undefined) return undefined;
  const { columns, match = "words" } = Array.isArray(search) ? { columns: search } : search;
  return { columns: distinct(columns, below(report, "search")), match };
}

/** The JSON Pointers to members, of which none may be there twice. */
function distinct(members: readonly string[], report: Report): string[] {
  const pointers = members.map(pointerTo);
  if (new Set(pointers).size < pointers.length) report([], "a member twice", "each member once");
  return pointers;
}

function rowOf(
  row: NonNullable<CollectionConfig["row"]>,
  key: readonly string[],
  config: OriginConfig,
  report: Report,
): RowAsking {
  const at = below(report, "row");
  const texts = textsIn("tool" in row ? row.arguments : row.resource);
  const named = new Set(texts.flatMap((text) => placesIn(text) ?? [text]));
  const parts = key.map((name) => `{${name}}`).join(", ");
  if (named.size !== key.length || !key.every((name) => named.has(name))) {
    const found = [...named].map((name) => JSON.stringify(name)).join(", ") || "nothing of the key";
    at(["tool" in row ? "arguments" : "resource"], found, `all parts of the key, and nothing else: ${parts}`);
  }
  if ("resource" in row) return row;
  readsOnly(row.tool, config, at);
  return { tool: row.tool, arguments: row.arguments, at: row.at ?? "" };
}

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return value !== null && typeof value === "object" ? Object.values(value).flatMap(textsIn) : [];
}

function toolsOf({ tools = {} }: OriginConfig, name: string): string[] {
  return Object.keys(tools).filter((tool) => {
    const { answer } = tools[tool]!;
    // What is looked up beside has to be in step as well, where the tool's answers have changed.
    return answer !== undefined && [answer, ...Object.values(answer.with ?? {})].some(({ from }) => from === name);
  });
}

/** The resources that are mirrored; `undefined` where none are. */
function resourcesOf(
  { resources = {} }: OriginConfig,
  roles: ReadonlySet<string>,
  report: Report,
): Collection | undefined {
  let readers: Readers | undefined;
  const everyMs: number[] = [];
  const patterns: string[] = [];
  for (const [pattern, { mirror, cache }] of Object.entries(resources)) {
    if (mirror === undefined) continue;
    const at = below(report, "resources", pattern, "mirror");
    const said: MirrorConfig = mirror === true ? {} : mirror;
    if (mirror === true && cache?.scope !== "public") {
      const expected =
        '{ scope: "public" } or { roles: ["…"] }, or cache.scope: "public" beside true: resources are mirrored with the replica\'s own credential, so only you can say who may be answered from them';
      at([], "true", expected);
      continue;
    }
    const own = mirror === true ? "public" : readersOf(said, roles, at);
    if (own && readers && !(mayAllRead(own, readers) && mayAllRead(readers, own)))
      at([], "other readers", "the same scope or roles as all other mirrored resources of the origin have");
    readers ??= own;
    patterns.push(pattern);
    everyMs.push(ms(said.every, 5 * MINUTE_MS));
  }
  if (patterns.length === 0) return undefined;
  return {
    name: RESOURCES,
    from: { kind: "mirror", patterns: patterns.toSorted() },
    key: [],
    keyNames: [],
    columns: [],
    indexes: [],
    search: undefined,
    readers: readers ?? { roles: [] },
    everyMs: Math.min(...everyMs),
    maxRows: DEFAULT_MAX_ROWS,
    staleIfErrorMs: 7 * DAY_MS,
    tags: [],
    row: undefined,
    tools: [],
  };
}

function ms(duration: Duration | undefined, otherwise: number): number {
  return parseDuration(duration) ?? otherwise;
}
