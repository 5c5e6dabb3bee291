import { concerning } from "../cache/concerning.ts";
import type { Entry } from "../cache/entry.ts";
import type { AnswerRule, Collection } from "../config/mirror.ts";
import { isObject } from "../mcp/isObject.ts";
import type { Call } from "../mcp/recognise.ts";
import { fits } from "../mcp/schema/fits.ts";
import type { MirrorFacts, MirrorReply } from "../mirror/MirrorReply.ts";
import { readMirror } from "../mirror/readMirror.ts";
import { readSchemas } from "../mirror/readSchemas.ts";
import { tagsOfCollection, tagsOfKey, tagsOfRow } from "../mirror/rowTags.ts";
import { overBudget } from "../origin/Meter.ts";
import type { Verdict } from "../sync/FeedView.ts";
import { askMirror, mayRead } from "./askMirror.ts";
import { boundsOf } from "./boundsOf.ts";
import type { Exchange } from "./Exchange.ts";
import { under } from "./judged.ts";
import { mirrorEntry, mirroredUntil } from "./mirrorEntry.ts";
import type { Found } from "./Mirrored.ts";
import type { KnownMirror } from "./Mirrors.ts";
import { announcedNow } from "./trust.ts";
import { knownMirror, miss, wake } from "./wakeMirrors.ts";

type Arguments = Readonly<Record<string, unknown>>;

/** Schemas by which a call does not fit are read again after so long. */
const REREAD_MS = 60_000;

/** From how bad to worse. */
const VERDICTS: readonly Verdict[] = ["sound", "suspect", "stale", "gone"];

/** What a tool is answered by its rule, as far as that can be relied on; `undefined` where the origin has to be asked. */
export async function mirroredTool(x: Exchange, call: Call, rule: AnswerRule): Promise<Found | undefined> {
  const args: Arguments = (call.variant as Arguments | undefined) ?? {};
  if (!Object.keys(args).every((name) => rule.covers.has(name))) return undefined;
  const collections = [rule.from, ...rule.lookups.map(({ from }) => from)].map((name) =>
    x.origin.collections.get(name)!,
  );
  if (!collections.every(({ readers }) => mayRead(x, readers))) return undefined;
  const mirrors: KnownMirror[] = [];
  for (const collection of new Set(collections)) mirrors.push(await knownMirror(x, collection));
  for (const known of mirrors) wake(x, known);
  if (mirrors.some(({ absentUntil }) => x.now() < absentUntil)) return undefined;

  const announcing = rule.strict ? announcedNow(x) : [];
  const reply = await read(x, call, rule, mirrors, args);
  const announced = await announcing;
  // What the feed says is not to be had.
  if (!reply || !announced) return undefined;
  if (reply.kind === "bad-cursor") return { failure: { kind: "cursor-gone" } };
  if (reply.kind === "none") {
    if (reply.why === "not-synced") miss(x, mirrors);
    return undefined;
  }
  const { facts, result } = reply;
  if (Object.hasOwn(facts.stopped, call.target!)) return undefined;
  const budget = boundsOf(x.origin, call.method, call.target)?.budget;
  const over = budget && overBudget(budget, new TextEncoder().encode(result.body).length);
  if (over) return { failure: { kind: "origin", failure: over } };

  const used = mirrors.filter(({ collection }) => facts.from.includes(collection.name));
  const made = mirrorEntry(x, call, result.body, {
    ...facts,
    ...timesOf(facts, x.origin.collections),
    tags: used.flatMap(({ collection }) => tagsOfCollection(collection)),
    isPublic: collections.every(({ readers }) => readers === "public"),
    hash: "",
    tell: x.origin.tools.find(call.target!)?.value.cache?.tell ?? false,
  });
  const evidence = { x, call, rule, made, used, facts };
  if (announced.some(whatConcerns(evidence))) return undefined;
  if (x.feed.pending.size > 0) made.pendingWrites = pendingOnRows(evidence);
  const entry = under(verdictOn(evidence), made);
  if (!entry || (rule.strict && entry.isDoubted)) return undefined;
  const isSound = () => verdictOn(evidence) === "sound";
  return { entry, isSound, keys: facts.keys };
}

/** Asks once more, where the schemas are others than those that the arguments were held against. */
async function read(
  x: Exchange,
  call: Call,
  rule: AnswerRule,
  mirrors: readonly KnownMirror[],
  args: Arguments,
): Promise<MirrorReply | undefined> {
  const named = new Map(
    mirrors.map(({ name, collection }) => [collection.name, { mirrorName: name, collection }] as const),
  );
  const own = mirrors.find(({ collection }) => collection.name === rule.from)!;
  for (let turn = 0; turn < 2; turn++) {
    const schemas = own.schemas ?? (await askMirror(x, [own], (db) => readSchemas(db, own.name)));
    if (schemas === "none") miss(x, [own]);
    if (schemas === undefined || schemas === "none") return undefined;
    if (own.schemas !== schemas) Object.assign(own, { schemas, schemasAt: x.now() });
    const schema = schemas.of.get(call.target!);
    const given = isObject(schema) ? withDefaults(schema, args, rule.covers) : undefined;
    if (!given || !fits(schema, given)) {
      // By another schema it may fit.
      if (x.now() - own.schemasAt < REREAD_MS) return undefined;
      delete own.schemas;
      continue;
    }
    const reply = await askMirror(x, mirrors, (db) => readMirror(db, named, rule, given, { tool: call.target! }));
    if (!reply || !("facts" in reply) || reply.facts.schemasHash === schemas.hash) return reply;
    delete own.schemas;
  }
  return undefined;
}

/** The arguments, and for those that are absent what the schema says that they are then. */
function withDefaults(
  { properties }: Record<string, unknown>,
  args: Arguments,
  covers: ReadonlySet<string>,
): Arguments {
  if (!isObject(properties)) return args;
  const given: Record<string, unknown> = { ...args };
  for (const name of covers) {
    const property = Object.hasOwn(properties, name) && !Object.hasOwn(given, name) ? properties[name] : undefined;
    if (isObject(property) && Object.hasOwn(property, "default")) given[name] = property["default"];
  }
  return given;
}

/** Until when it is fresh, and may be used at all: as long as every part of it is. */
function timesOf({ asOfs }: MirrorFacts, collections: ReadonlyMap<string, Collection>) {
  const ends = asOfs.map(([name, asOf]) => mirroredUntil(collections.get(name)!, asOf));
  return {
    freshUntil: Math.min(...ends.map(({ freshUntil }) => freshUntil)),
    usableUntil: Math.min(...ends.map(({ usableUntil }) => usableUntil)),
  };
}

/** What an answer was made of. */
interface Evidence {
  x: Exchange;
  call: Call;
  rule: AnswerRule;
  made: Entry;
  used: readonly KnownMirror[];
  facts: MirrorFacts;
}

/** What the feed says of it: of a row that was asked for by its key by the row's own tags, else of all that may be in the collections. */
function verdictOn(evidence: Evidence): Verdict {
  const { x, call, made, used } = evidence;
  const verdicts = [x.feed.judge(made, call)];
  for (const known of used) {
    const all = x.feed.judgeAll(made, known.name, known.mayBeOfRow);
    const own = all === "sound" ? undefined : ownTags(evidence, known);
    verdicts.push(own ? x.feed.judge({ ...made, soundAt: 0, tags: own }, call) : all);
  }
  return verdicts.reduce((a, b) => (VERDICTS.indexOf(a) < VERDICTS.indexOf(b) ? b : a));
}

/** How many queued writes are about to change something of it. */
function pendingOnRows(evidence: Evidence): number {
  const concerns = whatConcerns(evidence);
  return Math.max(0, ...[...evidence.x.feed.pending].map(([tag, count]) => (concerns(tag) ? count : 0)));
}

/** Tells of a tag whether what is written under it may be something of it. */
function whatConcerns(evidence: Evidence): (tag: string) => boolean {
  const { call, made, used } = evidence;
  const tags = new Set(concerning(call, made.tags, "public"));
  const own = used.map((known) => {
    const tags = ownTags(evidence, known);
    return tags ? (tag: string) => tags.includes(tag) : known.mayBeOfRow;
  });
  return (tag) => tags.has(tag) || own.some((isOwn) => isOwn(tag));
}

/** The tags of the row that was asked for by its key, be it there or not, where it is the only one of its collection; else `undefined`. */
function ownTags({ rule, facts }: Evidence, { collection }: KnownMirror): string[] | undefined {
  const { row, uri, keys } = facts;
  if (rule.query.kind !== "key" || rule.from !== collection.name) return undefined;
  if (rule.lookups.some(({ from }) => from === rule.from)) return undefined;
  if (row === undefined) return tagsOfKey(collection, keys[0] ?? "");
  return tagsOfRow(collection, JSON.parse(row), uri ?? null);
}
