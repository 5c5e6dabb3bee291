import { digest } from "../cache/key.ts";
import type { Origin, Replica } from "../config/replica.ts";
import { inWorld, MAX_TENANT_LENGTH, tenantId } from "../config/tenant.ts";
import type { Isolate } from "../lanes/Exchange.ts";
import { labelOf } from "../lanes/labelOf.ts";
import { FeedView } from "../sync/FeedView.ts";
import { newId } from "../telemetry/newId.ts";
import { Tally } from "../telemetry/Tally.ts";

/** As many tenants' worlds an isolate knows. One that it has forgotten it gets to know again. */
const MAX_TENANTS = 200;
/** Views of one feed count their versions from places that are this far apart, so that what one has judged says nothing to the next. */
const VERSIONS = 2 ** 32;

/** An origin as those know it who live in one world: its own, or that of one tenant. */
export interface World {
  origin: Origin;
  /** What the isolate knows of its feed there. How the origin is, is the same in every world. */
  feed: FeedView;
  /** What the isolate counts of the origin, in all worlds. */
  tally: Tally;
}

/** The world of those who have no tenant. */
export interface OwnWorld extends World {
  /** Until when what is counted in tenants' worlds has been told, epoch ms. */
  toldUntil: number;
}

/**
 * The worlds of all origins that an isolate knows. A tenant's is the origin under an id of its own, so that all that is
 * kept by that id is apart: keys, names in KV, Durable Objects with feed, tags, sessions and what seals them, what is
 * known of tools and eras, listeners, pooled sessions.
 */
export class Worlds {
  readonly #isolate: Isolate;
  readonly #own: ReadonlyMap<string, OwnWorld>;
  /** By origin id and tenant; the one used last stands last. */
  readonly #tenants = new Map<string, World>();
  #made = 0;

  constructor({ origins }: Pick<Replica, "origins">, isolate: Isolate) {
    this.#isolate = isolate;
    const { catalogues } = isolate;
    this.#own = new Map(
      [...origins].map(([id, origin]) => {
        const tally = new Tally((method, target) => labelOf(origin, catalogues.get(id), method, target));
        return [id, { origin, feed: new FeedView(newId), tally, toldUntil: 0 }];
      }),
    );
  }

  /** An origin's own world, by its id. */
  get(id: string): OwnWorld | undefined {
    return this.#own.get(id);
  }

  /** What is known here of the feed of a world, by the id that its origin has there. */
  feedOf(id: string): FeedView | undefined {
    const own = this.#own.get(id);
    if (own) return own.feed;
    for (const { origin, feed } of this.#tenants.values()) if (origin.settings.id === id) return feed;
    return undefined;
  }

  /** The world of an origin's tenant. At once where it is known here. */
  ofTenant(own: World, tenant: string): World | Promise<World> {
    const key = `${own.origin.settings.id} ${tenant}`;
    const known = this.#tenants.get(key);
    if (!known) return this.#make(own, tenant, key);
    this.#tenants.delete(key);
    this.#tenants.set(key, known);
    return known;
  }

  async #make({ origin, feed, tally }: World, tenant: string, key: string): Promise<World> {
    if (tenant === "" || tenant.length > MAX_TENANT_LENGTH) throw new Error("a tenant without a usable name");
    const at = inWorld(origin, await worldOf(origin.settings.id, tenant));
    // Another request may have come first.
    const known = this.#tenants.get(key);
    if (known) return known;
    const world = { origin: at, feed: new FeedView(newId, feed.health, ++this.#made * VERSIONS), tally };
    this.#tenants.set(key, world);
    if (this.#tenants.size > MAX_TENANTS) this.#forget();
    return world;
  }

  #forget(): void {
    const [key, { origin }] = this.#tenants.entries().next().value!;
    this.#tenants.delete(key);
    const { id } = origin.settings;
    const { catalogues, eras, sealKeys, suspectAt, memory } = this.#isolate;
    for (const known of [catalogues, eras, sealKeys]) known.delete(id);
    // What is suspected is in memory.
    memory.drop(id);
    for (const name of suspectAt.keys()) if (name.startsWith(`${id} `)) suspectAt.delete(name);
  }
}

/** The id of an origin in the world of a tenant. */
export async function worldOf(originId: string, tenant: string): Promise<string> {
  return tenantId(originId, (await digest(tenant)).slice(0, 32));
}
