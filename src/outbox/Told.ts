import type { OriginSettings } from "../config/replica.ts";
import type { Since } from "../sync/Feed.ts";
import { together, type Outcomes } from "../sync/Health.ts";
import type { OutboxNews, OutboxWord } from "../sync/OutboxWord.ts";
import { pause } from "../sync/pause.ts";
import type { Announcement, Conclusion } from "../sync/Pulse.ts";

/** What telling needs. */
export interface ToldTools {
  /** How the origin is reached; `undefined` where nobody has said yet: then nothing is told. */
  origin: () => OriginSettings | undefined;
  say: (word: OutboxWord) => Promise<OutboxNews>;
  /** How many queued writes wait for each tag. */
  pending: () => Readonly<Record<string, number>>;
  /** Epoch ms. */
  now: () => number;
  /** Gets why nothing could be told. */
  failed: (error: unknown) => void;
}

/** How long an answer is waited for. */
const PATIENCE_MS = 2_000;
/** What could not be told is told again after this, and twice as long each time. */
const AGAIN_MS = 2_000;
const MAX_AGAIN_MS = 60_000;
/** More is not kept to be told again: announcements lapse by themselves, and who asks is answered. */
const MOST = 1_000;

/**
 * What the outbox tells its origin's `OriginSync`: one word at a time, and what comes meanwhile goes with the next. What
 * could not be told is told again, but for announcements: who makes one has to know.
 */
export class Told {
  readonly #tools: ToldTools;
  #since: Since = { seq: 0, feedId: undefined };
  #announce = new Map<string, Announcement>();
  #conclude = new Map<string, Conclusion>();
  #changed = new Set<string>();
  #outcomes: Outcomes | undefined;
  /** An object that begins does not know what the one before has told. */
  #isPendingNews = true;
  #saying: Promise<OutboxNews | undefined> | undefined;
  #next: Promise<OutboxNews | undefined> | undefined;
  #againAt = 0;
  /** How often in a row nothing could be told. */
  #failures = 0;

  constructor(tools: ToldTools) {
    this.#tools = tools;
  }

  /** Announces writes; the ids of those that are. */
  async announce(announcements: readonly Announcement[]): Promise<ReadonlySet<string>> {
    for (const announcement of announcements) {
      this.#announce.set(announcement.id, announcement);
      this.#goOn(announcement.id);
    }
    const news = await this.tell();
    return new Set(news?.isAnnounced);
  }

  /** Notes that a write is over, to be told. */
  conclude(conclusion: Conclusion): void {
    put(this.#conclude, conclusion.id, conclusion);
  }

  /** Notes that an operation is not as it was: whoever listens is to be told. */
  changed(id: string): void {
    this.#changed.delete(id);
    this.#changed.add(id);
    if (this.#changed.size > MOST) this.#changed.delete(this.#changed.values().next().value!);
  }

  /** Notes that others are queued than before. */
  queueChanged(): void {
    this.#isPendingNews = true;
  }

  /** Notes how a call to the origin ended. */
  ended(ending: { ok: true } | { ok: false; reason: string }, begunAt: number): void {
    const outcome = ending.ok
      ? { ok: 1, failed: 0, okAt: begunAt }
      : { ok: 0, failed: 1, failedAt: begunAt, reason: ending.reason };
    this.#outcomes = together(this.#outcomes, outcome);
  }

  /** Tells all that was noted, and hears how the origin is; `undefined` where nothing could be told. Never throws. */
  tell(): Promise<OutboxNews | undefined> {
    return (this.#next ??= this.#tellAfter(this.#saying));
  }

  /** Whether there is something to tell that somebody may wait for. */
  get hasNews(): boolean {
    const hasFailed = (this.#outcomes?.failed ?? 0) > 0;
    return this.#isPendingNews || hasFailed || this.#conclude.size > 0 || this.#changed.size > 0;
  }

  /** When what could not be told is told again; `undefined` where there is nothing. */
  dueAt(): number | undefined {
    return this.hasNews && this.#tools.origin() ? Math.min(this.#againAt, this.#tools.now() + MAX_AGAIN_MS) : undefined;
  }

  async #tellAfter(before: Promise<unknown> | undefined): Promise<OutboxNews | undefined> {
    await before;
    this.#next = undefined;
    const saying = this.#say();
    this.#saying = saying;
    return saying;
  }

  async #say(): Promise<OutboxNews | undefined> {
    const { origin, now, failed } = this.#tools;
    const settings = origin();
    if (!settings) return undefined;
    const [announce, conclude, changed] = [this.#announce, this.#conclude, this.#changed];
    const [outcomes, isPendingNews] = [this.#outcomes, this.#isPendingNews];
    [this.#announce, this.#conclude, this.#changed] = [new Map(), new Map(), new Set()];
    [this.#outcomes, this.#isPendingNews] = [undefined, false];
    try {
      const news = await this.#within({
        ...this.#since,
        origin: settings,
        announce: [...announce.values()],
        conclude: [...conclude.values()],
        changed: [...changed],
        ...(outcomes && { outcomes }),
        ...(isPendingNews && { pending: this.#tools.pending() }),
      });
      this.#since = { seq: news.seq, feedId: news.feedId };
      this.#failures = this.#againAt = 0;
      return news;
    } catch (error) {
      failed(error);
      const [since, sinceChanged] = [this.#conclude, this.#changed];
      this.#conclude = conclude;
      for (const [id, conclusion] of since) put(this.#conclude, id, conclusion);
      // What is announced since goes on.
      for (const id of this.#announce.keys()) this.#goOn(id);
      this.#changed = changed;
      for (const id of sinceChanged) this.changed(id);
      if (outcomes) this.#outcomes = this.#outcomes ? together(outcomes, this.#outcomes) : outcomes;
      this.#isPendingNews ||= isPendingNews;
      this.#againAt = now() + Math.min(MAX_AGAIN_MS, AGAIN_MS * 2 ** this.#failures++);
      return undefined;
    }
  }

  /** What is announced now is not to be ended by an earlier word. */
  #goOn(id: string): void {
    if (this.#conclude.get(id)?.isApplied === false) this.#conclude.delete(id);
  }

  /** Where it hangs, nobody waits for it. */
  async #within(word: OutboxWord): Promise<OutboxNews> {
    const answered = new AbortController();
    const late = pause(PATIENCE_MS, answered.signal).then(() => {
      throw new Error(`no answer within ${PATIENCE_MS} ms`);
    });
    try {
      return await Promise.race([this.#tools.say(word), late]);
    } finally {
      late.catch(() => {});
      answered.abort();
    }
  }
}

/** As the latest; of more than there is room for the oldest is let go. */
function put(map: Map<string, Conclusion>, id: string, conclusion: Conclusion): void {
  map.delete(id);
  map.set(id, conclusion);
  if (map.size > MOST) map.delete(map.keys().next().value!);
}
