import { isBelow } from "../cache/concerning.ts";
import { listTag, methodTag, ORIGIN_TAG, resourceTag } from "../cache/implicitTags.ts";
import { metaOf } from "../mcp/envelope.ts";
import { methodsOf, notificationOf, type Change } from "../mcp/change.ts";
import { isObject } from "../mcp/isObject.ts";
import { ownPart, type ListenFilter } from "../mcp/listenFilter.ts";
import { META_CAPABILITIES, META_SUBSCRIPTION } from "../mcp/names.ts";
import type { Word } from "../sync/ChangeLog.ts";
import { EventOutlet } from "../sync/EventOutlet.ts";
import { pause } from "../sync/pause.ts";
import { reasonOf } from "../telemetry/events.ts";
import { attainable } from "./attainable.ts";
import { covered } from "./covered.ts";
import { directivesOf } from "./directives.ts";
import { Doubts } from "./Doubts.ts";
import { knownEras, lacks } from "./eras.ts";
import type { Exchange } from "./Exchange.ts";
import { inStep } from "./inStep.ts";
import { lookUp } from "./lookUp.ts";
import { recheck } from "./recheck.ts";
import { relayRest } from "./relayRest.ts";
import { TaskNews } from "./TaskNews.ts";

/** How often a listener looks at what its isolate has heard. */
const LOOK_EVERY_MS = 500;
/** How often a caller that does not keep up is looked at. */
const ROOM_EVERY_MS = 50;
/** How long what the caller holds is looked up before it is acknowledged. Clients do not wait long. */
const PATIENCE_MS = 500;
/** How long the origin's acknowledgement is waited for, where it has a part in it. */
const ACKNOWLEDGE_MS = 2_000;
/** Clients want a sign of life every 15 s. The runtime wants one sooner: it learns that a caller has left when it writes. */
const KEEP_ALIVE_MS = 5_000;
/** Who takes nothing of what is sent for this long is gone, though the runtime has not said so. */
const DEAF_MS = 60_000;
/** A stream ends in good order before the platform's bound on the subrequests of one invocation ends it in another. */
const MAX_SUBREQUESTS = 5_000;
/** What is looked up of what a listener names when it begins: so much, and no more. */
const MAX_LOOK_UPS = 50;
/** What looking at one thing may take: four reads of KV, the Coalescer and a write for each of two methods. */
const SUBREQUESTS_A_LOOK = 8;

/** The clocks of two places may differ by as much. */
const SKEW_MS = 1_000;

/** Who listens, and to what. */
export interface Subscription {
  /** The id of the `subscriptions/listen` request. */
  id: string | number;
  filter: ListenFilter;
  /** The number of its stream among those of the isolate. */
  stream: number;
}

/**
 * One caller's `subscriptions/listen`: tells it of what has changed, as its isolate hears it from the feed. Only what the
 * replica knows nothing of is listened to at the origin for this caller alone. Runs until the caller leaves, the origin ends
 * such a stream, or its budget is spent.
 */
export class Listener {
  readonly #x: Exchange;
  readonly #subscription: Subscription;
  readonly #outlet = new EventOutlet(() => this.#leave());
  readonly #gone = new AbortController();
  readonly #openedAt: number;
  readonly #doubts = new Doubts();
  /** What the replica itself tells the caller of; `undefined` until that is known. */
  #own: ListenFilter | undefined;
  /** The tags of the resources among it, with their names. */
  #named = new Map<string, string>();
  /** The replica's own tasks among it. */
  #tasks: TaskNews | undefined;
  #isAcknowledged = false;
  /** Whether the origin tells of all that it can tell of it. */
  #isCovered = false;
  #nextWord: number;
  #sentAt: number;
  /** When the caller had last taken everything. */
  #takenAt: number;
  #subrequests = 0;

  constructor(x: Exchange, subscription: Subscription) {
    this.#x = x;
    this.#subscription = subscription;
    this.#openedAt = this.#sentAt = this.#takenAt = x.now();
    this.#nextWord = x.isolate.listening.changes.end;
  }

  /** Begins to listen. The events, for the caller. */
  begin(): ReadableStream<Uint8Array> {
    void this.#guarded(this.#open());
    void this.#guarded(this.#keepTime());
    return this.#outlet.stream;
  }

  async #open(): Promise<void> {
    const { filter } = this.#subscription;
    const own = await attainable(this.#x, filter);
    this.#own = own;
    this.#tasks = new TaskNews(this.#x, own.tasks);
    this.#named = new Map([...own.uris].map((uri) => [resourceTag(uri), uri]));
    const { onlyCached } = directivesOf(this.#x, undefined);
    // What changes from the acknowledgement on is told, if that does not take too long: by then there is a before.
    const before = this.#lookUp(own, onlyCached);
    if (!onlyCached) this.#isCovered = await covered(this.#x, own, () => this.#subrequests++);
    // An origin of the earlier revisions has nothing more to tell.
    if (filter.more && !lacks(knownEras(this.#x), "modern") && !onlyCached) await this.#followOrigin();
    await Promise.race([before, pause(PATIENCE_MS, this.#gone.signal)]);
    this.#acknowledge();
    await before;
  }

  /** What the caller may hold is held here too, so that it is seen when it changes. */
  async #lookUp(own: ListenFilter, onlyCached: boolean): Promise<void> {
    for (const change of changesOf(own).slice(0, MAX_LOOK_UPS)) {
      if (this.#gone.signal.aborted) return;
      this.#subrequests += SUBREQUESTS_A_LOOK;
      await lookUp(this.#x, change, this.#capabilities(), onlyCached);
    }
  }

  async #followOrigin(): Promise<void> {
    const events = relayRest(this.#x, this.#subscription.id, this.#gone.signal, () => this.#subrequests++);
    for await (const event of events) {
      if (this.#gone.signal.aborted) return;
      if (event.kind === "message") {
        this.#acknowledge();
        this.#send(event.text);
      } else if (event.kind === "over") {
        // What the origin has acknowledged, and delivers no more, the caller must not go on waiting for.
        this.#acknowledge();
        if (event.isLost) this.#end(event.text);
      } else this.#acknowledge(event.honoured);
      // The origin is read no faster than the caller reads.
      while (!this.#outlet.hasRoom && !this.#gone.signal.aborted) await pause(ROOM_EVERY_MS, this.#gone.signal);
    }
  }

  /** Says what the caller will be told of; `more` is what the origin has acknowledged beyond that. */
  #acknowledge(more: Record<string, unknown> = {}): void {
    if (this.#isAcknowledged || !this.#own) return;
    this.#isAcknowledged = true;
    const own = ownPart(this.#own);
    const notifications = { ...own, ...more };
    const [ours, others] = [own["taskIds"], more["taskIds"]];
    if (Array.isArray(ours) && Array.isArray(others)) notifications["taskIds"] = [...ours, ...others];
    this.#send(this.#notification("notifications/subscriptions/acknowledged", { notifications }));
    // A stream on which nothing can ever come says so.
    if (Object.keys(notifications).length === 0) this.#end();
  }

  async #keepTime(): Promise<void> {
    const { streams, changes } = this.#x.isolate.listening;
    for (;;) {
      await pause(LOOK_EVERY_MS, this.#gone.signal);
      if (this.#gone.signal.aborted) return;
      const now = this.#x.now();
      streams.heard(this.#subscription.stream, now);
      this.#pulse(now);
      if (this.#outlet.isEmpty) this.#takenAt = now;
      else if (now - this.#takenAt > DEAF_MS) return this.#end();
      if (now - this.#openedAt >= ACKNOWLEDGE_MS) this.#acknowledge();
      if (!this.#isAcknowledged || !this.#outlet.hasRoom) continue;
      const from = this.#nextWord;
      this.#nextWord = changes.end;
      for (const word of changes.since(from)) this.#heard(word, this.#own!, now);
      if (this.#tasks!.due > 0) void this.#guarded(this.#tellTasks(this.#tasks!));
      this.#lookBack(this.#own!, now);
      for (const { change, since } of this.#doubts.due(now)) void this.#guarded(this.#recheck(change, since));
      if (now - this.#sentAt >= KEEP_ALIVE_MS) {
        this.#sentAt = now;
        this.#outlet.keepAlive();
      }
      // Whoever may still listen asks again, and shows that they may.
      const hasLapsed = now >= (this.#x.caller.lapsesAt ?? Number.POSITIVE_INFINITY);
      if (hasLapsed || this.#subrequests > MAX_SUBREQUESTS) this.#end();
    }
  }

  /** A listener is traffic too: its isolate stays in step while nobody else asks. */
  #pulse(now: number): void {
    const x = this.#x;
    if (now < x.feed.dueAt) return;
    // What a pulse gives rise to is asked for in this listener's name as well.
    let begun = 0;
    const waitUntil = (work: Promise<unknown>) => {
      this.#subrequests += begun++ === 0 ? 1 : SUBREQUESTS_A_LOOK;
      x.waitUntil(work);
    };
    void inStep({ ...x, waitUntil }, now);
  }

  /** Tells the caller what it wants to know, or has it looked at. What is another's is passed over. */
  #heard({ originId, kind, tag, principal }: Word, own: ListenFilter, now: number): void {
    const x = this.#x;
    if (originId !== x.origin.settings.id || (principal !== undefined && principal !== x.principal)) return;
    this.#tasks!.heard({ kind, tag });
    if (kind === "doubted") return this.#doubts.add(changesOf(own).filter(isNamedBy(tag)), now);
    const change = this.#changeNamed(tag, own);
    if (!change) return;
    // Of what lies below a resource that it may read the caller need not be allowed to know.
    if (change.kind === "resource" && x.rights && !x.rights.may("resources", change.uri)) return;
    const { method, params } = notificationOf(change);
    this.#send(this.#notification(method, params));
  }

  async #tellTasks(tasks: TaskNews): Promise<void> {
    this.#subrequests += tasks.due;
    for (const task of await tasks.look()) {
      const _meta = `"_meta":${JSON.stringify({ [META_SUBSCRIPTION]: this.#subscription.id })}`;
      this.#send(`{"jsonrpc":"2.0","method":"notifications/tasks","params":${task.slice(0, -1)},${_meta}}}`);
    }
  }

  /** The change that a tag tells of, if the caller wants to know: also of a resource below one that it named. */
  #changeNamed(tag: string, { lists, uris }: ListenFilter): Change | undefined {
    for (const list of lists) if (tag === listTag(list)) return { kind: "list", list };
    const named = this.#named.get(tag);
    if (named !== undefined) return { kind: "resource", uri: named };
    const beginning = resourceTag("");
    if (!tag.startsWith(beginning)) return undefined;
    const uri = tag.slice(beginning.length);
    for (const one of uris) if (isBelow(uri, one)) return { kind: "resource", uri };
    return undefined;
  }

  /** What changed after the caller began to listen, and before the origin was listened to for it, nobody has told. */
  #lookBack(own: ListenFilter, now: number): void {
    const { covered } = this.#x.feed;
    if (this.#isCovered || !covered || covered.askedAt < this.#openedAt) return;
    this.#isCovered = true;
    if (covered.since > this.#openedAt - SKEW_MS) this.#doubts.add(changesOf(own), now, covered.since);
  }

  async #recheck(change: Change, since: number): Promise<void> {
    this.#subrequests += SUBREQUESTS_A_LOOK;
    const rechecked = await recheck(this.#x, change, this.#capabilities(), since);
    if (rechecked === "settled") this.#doubts.settle(change);
  }

  #capabilities(): Record<string, unknown> {
    const declared = metaOf(this.#x.body)?.[META_CAPABILITIES];
    return isObject(declared) ? declared : {};
  }

  #notification(method: string, params: Record<string, unknown>): string {
    const _meta = { [META_SUBSCRIPTION]: this.#subscription.id };
    return JSON.stringify({ jsonrpc: "2.0", method, params: { ...params, _meta } });
  }

  #send(message: string): void {
    this.#sentAt = this.#x.now();
    this.#outlet.send(message);
  }

  /** Ends the subscription in good order. */
  #end(message?: string): void {
    const { id } = this.#subscription;
    const result = { resultType: "complete", _meta: { [META_SUBSCRIPTION]: id } };
    this.#send(message ?? JSON.stringify({ jsonrpc: "2.0", id, result }));
    this.#outlet.close();
    this.#leave();
  }

  #leave(): void {
    this.#gone.abort();
    this.#x.isolate.listening.streams.close(this.#subscription.stream);
  }

  async #guarded(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      const { report, trace } = this.#x;
      report({ type: "defect", reason: reasonOf(error), correlationId: trace.correlationId });
      // Without a completion: the caller may listen again.
      this.#outlet.close();
      this.#leave();
    }
  }
}

function changesOf({ lists, uris }: ListenFilter): Change[] {
  return [
    ...[...lists].map((list): Change => ({ kind: "list", list })),
    ...[...uris].map((uri): Change => ({ kind: "resource", uri })),
  ];
}

/** Whether an invalidation of the tag makes a thing doubtful. */
function isNamedBy(tag: string): (change: Change) => boolean {
  if (tag === ORIGIN_TAG) return () => true;
  const above = tag.slice(resourceTag("").length);
  return (change) =>
    methodsOf(change).some((method) => tag === methodTag(method)) ||
    (change.kind === "list"
      ? tag === listTag(change.list)
      : tag === resourceTag(change.uri) || (tag.startsWith(resourceTag("")) && isBelow(change.uri, above)));
}
