import { changeToldBy, nameOf, notificationOf, type Change } from "../mcp/change.ts";
import { admits, honouredOf, ownPart, parseFilter, wants, type ListenFilter } from "../mcp/listenFilter.ts";
import { isObject } from "../mcp/isObject.ts";
import { META_SUBSCRIPTION } from "../mcp/names.ts";
import { retag } from "../mcp/subscriptionTag.ts";
import { withId } from "../mcp/withId.ts";
import { callOrigin } from "../origin/callOrigin.ts";
import type { Seen } from "../sync/ChangeLog.ts";
import { EventOutlet } from "../sync/EventOutlet.ts";
import { listenUpstream, type UpstreamEvent } from "../sync/listenUpstream.ts";
import { pause } from "../sync/pause.ts";
import { reasonOf } from "../telemetry/events.ts";
import { newId } from "../telemetry/newId.ts";
import { directivesOf } from "./directives.ts";
import type { Exchange } from "./Exchange.ts";
import { knownEras, lacks } from "./eras.ts";
import { forwardedHeaders } from "./forwardedHeaders.ts";
import { heedChanges } from "./heedChange.ts";
import { inStep } from "./inStep.ts";
import { recheck } from "./recheck.ts";

/** How often a listener looks at what the replica saw change. */
const LOOK_EVERY_MS = 500;
/** How often a caller that does not keep up is looked at. */
const ROOM_EVERY_MS = 50;
/** How long the origin's acknowledgement is waited for. */
const ACKNOWLEDGE_MS = 2_000;
/** Clients want a sign of life every 15 s. The runtime wants one sooner: it learns that a caller has left when it writes. */
const KEEP_ALIVE_MS = 5_000;
/** Who takes nothing of what is sent for this long is gone, though the runtime has not said so. */
const DEAF_MS = 60_000;
/** A stream ends in good order before the platform's bound on the subrequests of one invocation ends it in another. */
const MAX_SUBREQUESTS = 5_000;

/** What asking again for one thing may take: two reads of KV, one of a first page, the Coalescer, a write. */
const SUBREQUESTS_A_CALL = 6;

/** Who listens, and to what. */
export interface Subscription {
  /** The id of the `subscriptions/listen` request. */
  id: string | number;
  filter: ListenFilter;
  /** The number of its stream among those of the isolate. */
  stream: number;
}

/**
 * One caller's `subscriptions/listen`: tells it of what the origin says has changed, and of what the replica itself saw
 * change. Runs until the caller leaves, the origin ends the subscription, or its budget is spent.
 */
export class Listener {
  readonly #x: Exchange;
  readonly #subscription: Subscription;
  readonly #outlet = new EventOutlet(() => this.#leave());
  readonly #gone = new AbortController();
  readonly #openedAt: number;
  /** When the caller was last told of a thing, by the thing's name. */
  readonly #toldAt = new Map<string, number>();
  /** What was acknowledged of the filter; `undefined` until it was. */
  #honoured: ListenFilter | undefined;
  /** Whether the origin itself has acknowledged. */
  #isRelayed = false;
  #nextChange: number;
  #sentAt: number;
  /** When the caller had last taken everything. */
  #takenAt: number;
  #subrequests = 0;

  constructor(x: Exchange, subscription: Subscription) {
    this.#x = x;
    this.#subscription = subscription;
    this.#openedAt = this.#sentAt = this.#takenAt = x.now();
    this.#nextChange = x.isolate.listening.changes.end;
  }

  /** Begins to listen. The events, for the caller. */
  begin(): ReadableStream<Uint8Array> {
    void this.#guarded(this.#followOrigin());
    void this.#guarded(this.#keepTime());
    return this.#outlet.stream;
  }

  async #followOrigin(): Promise<void> {
    const x = this.#x;
    // An origin of the earlier revisions has no such thing.
    const isForeign = lacks(knownEras(x), "modern");
    if (isForeign || directivesOf(x, undefined).onlyCached) return this.#heard({ kind: "refused" });
    const headers = forwardedHeaders(x);
    const events = listenUpstream({
      connect: (id, signal) => {
        this.#subrequests++;
        const bindings = x.env as unknown as Record<string, unknown>;
        return callOrigin(x.origin.settings, bindings, {
          method: "POST",
          headers,
          body: withId(x.text, id),
          abandoned: signal,
        });
      },
      signal: this.#gone.signal,
      newId,
      random: x.random,
      pause,
    });
    for await (const event of events) {
      if (this.#gone.signal.aborted) return;
      this.#heard(event);
      // The origin is read no faster than the caller reads.
      while (!this.#outlet.hasRoom && !this.#gone.signal.aborted) await pause(ROOM_EVERY_MS, this.#gone.signal);
    }
  }

  #heard(event: UpstreamEvent): void {
    switch (event.kind) {
      case "acknowledged":
        this.#isRelayed = true;
        if (event.again) this.#catchUp();
        return this.#acknowledge(event);
      case "notification": {
        const change = changeToldBy(event.method, event.params);
        if (change) this.#heed([change]);
        this.#acknowledge();
        return this.#passOn(event.text, event.method, change);
      }
      case "broken":
        return this.#acknowledge();
      case "refused":
        // What the origin has acknowledged, and delivers no more, the caller must not go on waiting for.
        if (this.#isRelayed) return this.#end();
        return this.#acknowledge();
      case "ended":
        this.#acknowledge();
        return this.#end(retag(withId(event.text, this.#subscription.id), this.#subscription.id));
      case "exhausted":
        return this.#end();
    }
  }

  /** Says what the caller will be told of: in the origin's words where it has acknowledged in time, else in our own. */
  #acknowledge(origins?: Extract<UpstreamEvent, { kind: "acknowledged" }>): void {
    if (this.#honoured) return;
    const { id, filter } = this.#subscription;
    if (origins && isObject(origins.honoured)) {
      const notifications = honouredOf(origins.honoured, this.#asked());
      const parsed = parseFilter(notifications);
      const text = retag(origins.text, id);
      if (typeof parsed === "object" && text !== undefined) {
        this.#honoured = parsed;
        // An origin that honours more than was asked for is not repeated.
        const isWithin = JSON.stringify(notifications) === JSON.stringify(origins.honoured);
        this.#send(isWithin ? text : notification("notifications/subscriptions/acknowledged", { notifications }, id));
        return;
      }
    }
    this.#honoured = { ...filter, more: false };
    const notifications = ownPart(filter);
    this.#send(notification("notifications/subscriptions/acknowledged", { notifications }, id));
    // A stream on which nothing can ever come says so.
    if (Object.keys(notifications).length === 0) this.#end();
  }

  #asked(): Record<string, unknown> {
    return (this.#x.body as { params: { notifications: Record<string, unknown> } }).params.notifications;
  }

  #passOn(text: string, method: string, change: Change | undefined): void {
    const { id, filter } = this.#subscription;
    const tagged = admits(filter, method, change) ? retag(text, id) : undefined;
    if (tagged === undefined) return;
    if (change && wants(filter, change)) this.#toldAt.set(nameOf(change), this.#x.now());
    this.#send(tagged);
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
      if (!this.#honoured || !this.#outlet.hasRoom) continue;
      const from = this.#nextChange;
      this.#nextChange = changes.end;
      for (const seen of changes.since(from)) this.#tell(seen, this.#honoured);
      if (now - this.#sentAt >= KEEP_ALIVE_MS) {
        this.#sentAt = now;
        this.#outlet.keepAlive();
      }
      if (this.#subrequests > MAX_SUBREQUESTS) this.#end();
    }
  }

  /** A listener is traffic too: its isolate stays in step while nobody else asks. */
  #pulse(now: number): void {
    if (now < this.#x.feed.dueAt) return;
    this.#subrequests++;
    void inStep(this.#x, now);
  }

  /** Tells of a change that the replica saw, unless it is another's, or has been told. */
  #tell({ originId, change, principal, replacedAt }: Seen, honoured: ListenFilter): void {
    const x = this.#x;
    if (originId !== x.origin.settings.id || (principal !== undefined && principal !== x.principal)) return;
    const name = nameOf(change);
    // What was told after the old version had been asked for was this change.
    if (!wants(honoured, change) || (this.#toldAt.get(name) ?? Number.NEGATIVE_INFINITY) > replacedAt) return;
    this.#toldAt.set(name, x.now());
    const { method, params } = notificationOf(change);
    this.#send(notification(method, params, this.#subscription.id));
  }

  /** Nobody says what changed while the origin was not listened to. */
  #catchUp(): void {
    const changes = this.#everything();
    // Of single resources only what this caller holds is asked for again: its list of them must not burden others.
    this.#heed(changes.filter(({ kind }) => kind === "list"));
    const asking = async () => {
      this.#subrequests += SUBREQUESTS_A_CALL * (await recheck(this.#x, changes));
    };
    void this.#guarded(asking());
  }

  #everything(): Change[] {
    const { lists, uris } = this.#subscription.filter;
    return [
      ...[...lists].map((list): Change => ({ kind: "list", list })),
      ...[...uris].map((uri): Change => ({ kind: "resource", uri })),
    ];
  }

  #heed(changes: Iterable<Change>): void {
    this.#subrequests += heedChanges(this.#x, changes);
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

function notification(method: string, params: Record<string, unknown>, id: string | number): string {
  const _meta = { [META_SUBSCRIPTION]: id };
  return JSON.stringify({ jsonrpc: "2.0", method, params: { ...params, _meta } });
}
