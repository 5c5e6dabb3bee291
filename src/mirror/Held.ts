import type { MirrorNews, MirrorWord } from "../sync/MirrorWord.ts";
import type { Reporter } from "../telemetry/events.ts";
import { CountedSource } from "./CountedSource.ts";
import { KeptMirror, type Kept } from "./KeptMirror.ts";
import type { MirrorSetup } from "./MirrorSetup.ts";
import type { MirrorStore } from "./MirrorStore.ts";
import { Refreshes } from "./Refreshes.ts";
import { Schedule } from "./Schedule.ts";
import { Seen } from "./Seen.ts";
import type { NoPage, Source } from "./Source.ts";

/** What keeping a mirror needs. Clock and chance are passed in. */
export interface KeeperTools {
  storage: Pick<DurableObjectStorage, "sql" | "transactionSync">;
  storeOf: (name: string, setup: MirrorSetup) => MirrorStore;
  sourceOf: (setup: MirrorSetup) => Source;
  /** The input schemas of the tools that are answered from it: JSON by name, and a digest of that. */
  schemasOf: (setup: MirrorSetup) => Promise<{ json: string; hash: string; requests: number } | NoPage>;
  /** The resources that some of its rows came from. */
  urisOf: (name: string, most: number) => Promise<string[]>;
  /** The resource that a row came from, by its key. */
  uriOf: (name: string, key: string) => Promise<string | undefined>;
  /** Says something to the origin's `OriginSync`. */
  tell: (word: MirrorWord) => Promise<MirrorNews>;
  /** Lets other definitions of the same collection go that nobody wants any more. */
  retireOthers: (name: string, setup: MirrorSetup) => Promise<void>;
  /** Called when a time has come nearer at which there is something to do. */
  arm: () => Promise<void>;
  /** Epoch ms. */
  now: () => number;
  /** 0 to 1. */
  random: () => number;
  report: Reporter;
}

/** What a mirror's object holds: what is kept of it in its storage, and how its rows are got and written. */
export class Held {
  readonly tools: KeeperTools;
  readonly kept: KeptMirror;
  readonly refreshes: Refreshes;
  readonly seen: Seen;
  readonly schedule: Schedule;
  #sources: { setup: MirrorSetup; store: MirrorStore; source: CountedSource } | undefined;

  constructor(tools: KeeperTools) {
    this.tools = tools;
    const { sql } = tools.storage;
    this.kept = new KeptMirror(sql);
    this.refreshes = new Refreshes(sql);
    this.seen = new Seen(sql);
    this.schedule = new Schedule(this.kept.now?.schedule);
  }

  /** Changes some of what is kept, and keeps the schedule as it is now. */
  put(changed: Partial<Kept>): void {
    this.kept.put({ ...changed, schedule: this.schedule.state });
  }

  /** Where rows come from, and where they go, as the mirror is set up now. */
  get sources(): { store: MirrorStore; source: CountedSource } {
    const { name, setup } = this.kept.now!;
    if (this.#sources?.setup === setup) return this.#sources;
    const { storeOf, sourceOf, now } = this.tools;
    // How calls ended that nobody was told of yet is not forgotten.
    const outcomes = this.#sources?.source.take();
    const source = new CountedSource(sourceOf(setup), now);
    source.giveBack(outcomes);
    this.#sources = { setup, store: storeOf(name, setup), source };
    return this.#sources;
  }

  /** Whether there is a version, and the schemas of the tools that are answered from it are not those that the origin has now, as far as is known. */
  get lacksSchemas(): boolean {
    const { version, schemasOf, setup } = this.kept.now!;
    return version > 0 && setup.collection.tools.some((tool) => !schemasOf.includes(tool));
  }

  /** Whether the origin is to tell of what it is made of. */
  get wantsInterest(): boolean {
    const { listens, collection } = this.kept.now!.setup;
    return listens && collection.from.kind !== "tool";
  }

  /** It is as if it had never been woken. */
  clear(): void {
    this.tools.storage.transactionSync(() => {
      this.kept.clear();
      this.refreshes.clear();
      this.seen.clear();
      this.seen.save();
    });
    this.schedule.stop();
    this.#sources = undefined;
  }

  /** What of it events are about. */
  get names(): { origin: string; collection: string } {
    const { origin, collection } = this.kept.now!.setup;
    return { origin: origin.id, collection: collection.name };
  }
}
