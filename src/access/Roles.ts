import type { Role } from "../config/replica.ts";
import type { ListName } from "../mcp/change.ts";
import type { Caller } from "./Caller.ts";
import { Rights, type Granted, type Offer } from "./Rights.ts";
import { rolesOf } from "./rolesOf.ts";

/** More sets of rights than this are not remembered. */
const MAX_REMEMBERED = 1_000;
const KINDS: readonly ListName[] = ["tools", "resources", "prompts"];

/** Finds what callers may use by their roles. Pure; what was found is remembered. */
export class Roles {
  readonly #roles: ReadonlyMap<string, Role>;
  /** The names of the roles that a caller has. */
  readonly #had = new WeakMap<Caller, readonly string[]>();
  readonly #rights = new Map<string, Rights>();

  constructor(roles: ReadonlyMap<string, Role>) {
    this.#roles = roles;
  }

  /** What the caller may use of the origin; `undefined`: everything. Who has no role that there is may use nothing. */
  rightsOf(caller: Caller, originId: string): Rights | undefined {
    let had = this.#had.get(caller);
    if (!had) this.#had.set(caller, (had = rolesOf(this.#roles, caller)));
    const id = `${originId} ${had.join(" ")}`;
    let rights = this.#rights.get(id);
    if (!rights) {
      rights = new Rights(id, this.#granted(had, originId), this.#offers(had, originId));
      if (this.#rights.size >= MAX_REMEMBERED) this.#rights.clear();
      this.#rights.set(id, rights);
    }
    return rights.isWhole ? undefined : rights;
  }

  #granted(names: readonly string[], originId: string): Granted {
    const grants = names
      .flatMap((name) => this.#roles.get(name)!.grants)
      .filter(({ origins }) => origins === undefined || origins.includes(originId));
    const of = (kind: ListName) => [...new Set(grants.flatMap((grant) => grant[kind]))];
    return Object.fromEntries(KINDS.map((kind) => [kind, of(kind)])) as unknown as Granted;
  }

  #offers(had: readonly string[], originId: string): Offer[] {
    return [...this.#roles]
      .filter(([name, { scopes }]) => scopes !== undefined && !had.includes(name))
      .map(([name, { scopes }]) => ({ scopes: scopes!, rights: new Rights(name, this.#granted([name], originId)) }));
  }
}
