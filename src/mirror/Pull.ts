import type { Collection } from "../config/mirror.ts";
import { digest } from "../cache/key.ts";
import { PORTION, type MirrorStore, type Stand } from "./MirrorStore.ts";
import type { PullReport } from "./MirrorStatus.ts";
import { originProblem, pullProblem, storeProblem, type PageProblem } from "./pullProblem.ts";
import type { Budget, Position, PullState, PullStep } from "./PullState.ts";
import { rowOf, type MirrorRow } from "./rowOf.ts";
import type { Seen } from "./Seen.ts";
import type { Page, Source } from "./Source.ts";
import type { Write } from "./Writing.ts";

/** What a pull works with. */
export interface Pulling {
  store: MirrorStore;
  source: Source;
  collection: Collection;
  seen: Seen;
  /** Epoch ms. */
  now: () => number;
  /** How far the origin's feed is known, before the first page is asked for; of no account when a pull goes on. */
  position: Position;
}

/**
 * What a step uses where nothing else is said: the Free plan has 50 requests for an invocation; and after each it is seen how
 * far the pull is.
 */
export const STEP: Budget = { requests: 40, ms: 2_000 };

/** How often a pull starts over, as the origin changes under way. */
const MOST_AGAIN = 3;
/** How many pages may have no row. */
const MOST_EMPTY = 1_000;
/** Resources left out that are named in the report. */
const MOST_NAMED = 10;
/** Rows whose hashes are computed at a time. */
const AT_ONCE = 500;

/**
 * Brings a collection's rows into D1 as a version of their own, in steps.
 *
 * Rows are written for the version after the one that readers see, and seen by nobody before the switch, which is one
 * statement. Each step says what it has come to in a state; if that is lost, or a step breaks off wherever it is, the next
 * finds what was written already and goes on. So it does with what a pull has left behind that was given up.
 */
export class Pull {
  readonly #with: Pulling;

  constructor(pulling: Pulling) {
    this.#with = pulling;
  }

  /** Goes on from where the last step ended; begins without a state. Never throws. */
  async step(state: PullState | undefined, { requests, ms }: Budget = STEP): Promise<PullStep> {
    const { store, seen, now } = this.#with;
    const until = now() + ms;
    const before = { ...store.spent };
    // Only what is whole: rows are marked as met, and the state moves, in one go.
    let at = state;
    const told = <S extends PullState>(state: S): S => ({
      ...state,
      written: state.written + store.spent.written - before.written,
    });
    try {
      const stand = await store.stand();
      // It broke off after the switch, before it could say so.
      if (state?.next === "switch" && stand.version === state.base + 1 && stand.asOf === state.asOf)
        return this.#done(told(state));
      at = await this.#resumed(state, stand);
      const asked = at.requests;
      for (let isFirst = true; ; isFirst = false) {
        // What changes something for readers is done when what is known of the pull is kept, so that it can be told of.
        if (at.next === "switch" && (isFirst || isUnchanged(at))) return await this.#switch(at, told);
        const used = at.requests - asked + store.spent.requests - before.requests;
        const isOver = used >= requests || now() >= until || seen.isFull || at.next === "switch";
        if (isOver && !isFirst) return { kind: "goes-on", state: told(at) };
        const came = await this.#next(at);
        if ("kind" in came) return "state" in came && came.state ? { ...came, state: told(came.state) } : came;
        at = came;
      }
    } catch (error) {
      return { kind: "failed", problem: storeProblem(error), ...(at && { state: told(at) }) };
    }
  }

  /** The state to go on from: where there is none, or readers see another version by now, one that begins. */
  async #resumed(state: PullState | undefined, { version, size, top, hasMore }: Stand): Promise<PullState> {
    const { store, seen, now, position } = this.#with;
    if (state?.base === version) return { ...state, top, isRedo: state.isRedo || top !== state.top };
    if (hasMore) await store.recover(version + 1);
    seen.clear();
    const at = now();
    return { ...EMPTY, startedAt: at, asOf: at, position, base: version, size, top, isRedo: hasMore };
  }

  async #next(at: PullState): Promise<PullState | PullStep> {
    switch (at.next) {
      case "page":
        return this.#page(at);
      case "confirm":
        return this.#confirm(at);
      default:
        return this.#scan(at);
    }
  }

  async #page(at: PullState): Promise<PullState | PullStep> {
    const { store, source, collection, seen } = this.#with;
    const page = await source.page(at.cursor);
    if (!("rows" in page))
      return { ...failedAt(at, originProblem(page, at.pages + 1)), ...("failure" in page && page) };
    const of = page.rows.length;
    const number = at.pages + 1;
    const fail = (problem: PageProblem, count: number): PullStep => ({
      kind: "failed",
      problem: pullProblem(problem, count, { page: number, of }, collection),
    });
    if (hasLost(page, at)) return this.#again(at, number);
    const rows = await this.#rowsOf(page);
    if ("problem" in rows) return fail(rows.problem, rows.count);
    const sought = withoutTwins(rows);
    const twice = sought.length - new Set(sought.map(({ key }) => key)).size;
    if (twice > 0) return fail("duplicate-keys", twice);

    const next = at.base + 1;
    const found = await store.find(sought, next);
    const writes: Write[] = [];
    const met: number[] = [];
    let { top, added, changed } = at;
    for (const [place, row] of sought.entries()) {
      const there = found[place];
      if (!there) {
        writes.push({ row, id: ++top });
        met.push(top);
        added++;
      } else if (seen.has(there.id)) {
        // The same resource may be listed twice; other rows come twice where pages have moved.
        if (row.uri === null || !there.isSame) return this.#again(at, number);
      } else if (there.isNext) {
        if (!there.isSame) writes.push({ row, id: there.id, isRedone: true });
        met.push(there.id);
        if (there.hasBefore) changed++;
        else added++;
      } else if (there.isSame) {
        met.push(there.id);
      } else {
        writes.push({ row, id: ++top, ends: there.id });
        met.push(top);
        changed++;
      }
    }
    const count = at.rows + met.length;
    if (count > collection.maxRows) return fail("too-many-rows", count);
    // What is passed over would be told not to be there.
    const lacking = page.next === undefined ? (page.total ?? at.total ?? 0) - count : 0;
    if (lacking > 0)
      return number > 1 && at.again < MOST_AGAIN ? this.#again(at, number) : fail("too-few-rows", lacking);
    const empty = at.empty + (of === 0 ? 1 : 0);
    if (empty > MOST_EMPTY) return fail("no-rows", empty);
    const first = at.first ?? (await digestOf(sought));
    const cursor = page.next === undefined ? undefined : await digest(page.next);
    await store.write(writes, next);
    // From here on nothing is awaited.
    if (cursor !== undefined && seen.meet(cursor)) return fail("cursor-loops", 1);
    for (const id of met) seen.add(id);
    const { cursor: _, ...rest } = at;
    const came: PullState = {
      ...rest,
      top,
      added,
      changed,
      empty,
      first,
      rows: count,
      pages: number,
      requests: at.requests + page.requests,
      ...(page.next !== undefined && { cursor: page.next }),
      ...(page.total !== undefined && { total: page.total }),
      skipped: at.skipped + (page.skipped?.length ?? 0),
      skippedSome: [...at.skippedSome, ...(page.skipped ?? [])].slice(0, MOST_NAMED),
    };
    if (page.next !== undefined) return came;
    // That there is nothing any more is easily said by mistake.
    const isDoubtful = number > 1 || (count === 0 && at.size > 0);
    return isDoubtful ? { ...came, next: "confirm" } : whole(came);
  }

  /** Asks for the first page once more: if it has other rows now, pages have moved, and rows may have been passed over. */
  async #confirm(at: PullState): Promise<PullState | PullStep> {
    const { source } = this.#with;
    const page = await source.page(undefined);
    if (!("rows" in page)) return { ...failedAt(at, originProblem(page, 1)), ...("failure" in page && page) };
    const rows = await this.#rowsOf(page);
    const isSame = !("problem" in rows) && (await digestOf(withoutTwins(rows))) === at.first;
    if (!isSame || hasLost(page, at)) return this.#again(at, 1);
    return whole({ ...at, requests: at.requests + page.requests });
  }

  /** Looks for rows that the origin has not any more. */
  async #scan(at: PullState): Promise<PullState> {
    const { store, seen } = this.#with;
    const ids = await store.live(at.scanned);
    const gone = ids.filter((id) => !seen.has(id));
    if (gone.length > 0) await store.vanish(gone, at.base + 1);
    return { ...at, scanned: ids.at(-1) ?? at.scanned, next: ids.length < PORTION ? "switch" : "scan" };
  }

  async #switch(at: PullState, told: (state: PullState) => PullState): Promise<PullStep> {
    const { store } = this.#with;
    const { base, rows, asOf, position } = at;
    if (isUnchanged(at)) await store.renew(asOf, position);
    else await store.publish(base + 1, rows, asOf, position);
    return this.#done(told(at));
  }

  #done(at: PullState): PullStep {
    const { startedAt, rows, pages, added, changed, written, base, skipped, skippedSome } = at;
    const counts = { rows, pages, added, changed, removed: removedBy(at), written };
    const left = skipped > 0 && { skipped: { count: skipped, some: skippedSome } };
    const report: PullReport = { startedAt, endedAt: this.#with.now(), ...counts, ...left };
    return { kind: "done", report, version: isUnchanged(at) ? base : base + 1, before: base };
  }

  /** Starts over. What was written is found again. */
  #again(at: PullState, page: number): PullStep {
    const { collection, seen, now } = this.#with;
    const problem = pullProblem("pages-changed", at.again + 1, { page, of: 0 }, collection);
    if (at.again === MOST_AGAIN) return { kind: "failed", problem };
    seen.clear();
    const { startedAt, position, base, size, top, requests, written, again } = at;
    const kept = { startedAt, position, base, size, top, requests, written };
    return { kind: "start-over", state: { ...EMPTY, ...kept, asOf: now(), isRedo: true, again: again + 1 }, problem };
  }

  /** The rows on a page; or what is wrong with the first that something is wrong with, and with how many. */
  async #rowsOf({ rows, uris }: Page): Promise<MirrorRow[] | { problem: PageProblem; count: number }> {
    const { collection } = this.#with;
    const all: MirrorRow[] = [];
    let problem: PageProblem | undefined;
    let count = 0;
    for (let from = 0; from < rows.length; from += AT_ONCE) {
      const some = rows.slice(from, from + AT_ONCE).map((row, nth) => rowOf(collection, row, uris?.[from + nth]));
      for (const row of await Promise.all(some)) {
        if (!("problem" in row)) all.push(row);
        else if (row.problem === (problem ??= row.problem)) count++;
      }
    }
    return problem === undefined ? all : { problem, count };
  }
}

const EMPTY = {
  next: "page" as const,
  again: 0,
  rows: 0,
  pages: 0,
  empty: 0,
  requests: 0,
  added: 0,
  changed: 0,
  written: 0,
  scanned: 0,
  skipped: 0,
  skippedSome: [],
};

/** All pages are there: what comes next. */
function whole(at: PullState): PullState {
  // Whatever was there before and is not on a page is to be found, if there is any.
  return { ...at, next: at.isRedo || removedBy(at) !== 0 ? "scan" : "switch" };
}

/** How many rows of the version before are not there any more. */
function removedBy({ size, rows, added }: PullState): number {
  return size + added - rows;
}

function isUnchanged(at: PullState): boolean {
  return at.base > 0 && at.added + at.changed === 0 && removedBy(at) === 0;
}

/** Whether there are fewer rows than there were, so that pages have moved. Where that never ends it counts for nothing. */
function hasLost({ total }: Page, at: PullState): boolean {
  return total !== undefined && at.total !== undefined && total < at.total && at.again < MOST_AGAIN;
}

/** Without rows of a resource that is there already. */
function withoutTwins(rows: readonly MirrorRow[]): MirrorRow[] {
  const uris = new Map<string, string>();
  return rows.filter(({ key, uri }) => {
    if (uri === null) return true;
    const isTwin = uris.get(key) === uri;
    uris.set(key, uri);
    return !isTwin;
  });
}

/** A digest of which rows there are, in whatever order. */
function digestOf(rows: readonly MirrorRow[]): Promise<string> {
  return digest(
    rows
      .map(({ key }) => key)
      .sort()
      .join("\n"),
  );
}

function failedAt(state: PullState, problem: ReturnType<typeof originProblem>) {
  return { kind: "failed", problem, state } as const;
}
