import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { resolve } from "../../src/config/resolve.ts";
import type { DevCaller } from "../../src/config/types.ts";
import { createApp, type App } from "../../src/http/app.ts";
import { Coalescer } from "../../src/origin/Coalescer.ts";
import type { FillRequest } from "../../src/origin/land.ts";
import { SILENT } from "../../src/telemetry/events.ts";
import { randomFrom } from "../support/randomFrom.ts";

// Callers of several tenants and roles at isolates that come and go, before a KV whose values somebody moves about. The origin
// gives each answer a number, and notes for whom; who is told a number that is not for them has been told another's.

/** Who calls, with whose answers it may share what is private. */
interface Person extends DevCaller {
  token: string;
  /** Tenant, subject and granted scopes: the same for a token that was renewed. */
  who: string;
}

/** What is to be built otherwise; a build in which one of these is broken is found out. */
export interface Build {
  /** What authentication finds of a person. */
  callers?: (person: DevCaller) => DevCaller;
  /** Under which key a fill meets others. */
  flightKey?: (request: FillRequest) => string;
  /** Which share of what happens is something else than a call. Default: 0.006. */
  disturbances?: number;
}

/** What was met with on the way. */
export interface Met {
  operations: number;
  hits: number;
  stale: number;
  /** Numbers that were told from the cache to others than they were made for, of the same tenant. */
  shared: number;
  /** Those that were told to the same ones, who came with another token. */
  renewed: number;
  /** How often somebody was refused what its role has not, and was shown a list without that. */
  denied: number;
  cut: number;
  /** How often values in KV were moved, isolates were ended, and an operator purged. */
  moved: number;
  ended: number;
  purged: number;
}

/** An answer that somebody was told and that was for others, and in which operation. */
export type Foreign = { operation: number; what: string };

const TENANTS = ["acme", "globex", undefined];
const SUBJECTS = ["ann", "bo"];
/** The one who may use only what is not everybody's. */
const LIMITED = "bo";
const ROLES = {
  all: { tools: ["*"], resources: ["*"], prompts: ["*"] },
  some: { tools: ["own", "own_*", "change"], resources: ["own://*"], prompts: ["*"] },
};
const GRANTS = [["read"], ["read", "write"]];
const SECRET = "a secret that seals, of some length";

const people = (): Person[] =>
  TENANTS.flatMap((tenant) =>
    SUBJECTS.flatMap((subject) =>
      GRANTS.flatMap((scopes) => {
        const who = JSON.stringify([tenant ?? null, subject, scopes]);
        const roles = [subject === LIMITED ? "some" : "all"];
        const person = { subject, scopes, roles, ...(tenant !== undefined && { tenant }), who };
        // The renewed one grants the same, in another order.
        const renewed = { ...person, scopes: scopes.toReversed() };
        const token = (nth: number) => `token-${tenant ?? "none"}-${subject}-${scopes.length}-${nth}`;
        return [
          { ...person, token: token(1) },
          { ...renewed, token: token(2) },
        ];
      }),
    ),
  );

/** KV with somebody in it who moves values about. */
class MovedKv {
  readonly #values = new Map<string, Uint8Array>();

  readonly get = async (name: string, options: { type: string } | string = "text") => {
    const value = this.#values.get(name);
    if (!value) return null;
    const type = typeof options === "string" ? options : options.type;
    if (type === "arrayBuffer") return value.slice().buffer;
    const text = new TextDecoder().decode(value);
    return type === "json" ? JSON.parse(text) : text;
  };
  readonly put = async (name: string, value: string | Uint8Array) =>
    void this.#values.set(name, typeof value === "string" ? new TextEncoder().encode(value) : value.slice());
  readonly delete = async (name: string) => void this.#values.delete(name);
  readonly list = async ({ prefix = "", limit = 1_000 } = {}) => {
    const names = [...this.#values.keys()].filter((name) => name.startsWith(prefix)).slice(0, limit);
    return { keys: names.map((name) => ({ name })), list_complete: true };
  };

  get entries(): string[] {
    return [...this.#values.keys()].filter((name) => name.startsWith("e1/"));
  }

  /** Puts the value of each of these names under the next. */
  move(names: readonly string[]): void {
    const values = names.map((name) => this.#values.get(name)!);
    for (const [at, name] of names.entries()) this.#values.set(name, values[(at + 1) % names.length]!);
  }

  clear(): void {
    for (const name of this.entries) this.#values.delete(name);
  }
}

const cached = (more: object) => ({ cache: { ttl: "1h", ...more } });
const TOOLS = {
  own: cached({}),
  own_tagged: cached({ tags: ["thing:{n}"] }),
  own_strict: { ...cached({ tags: ["strict"] }), consistency: "strict" },
  own_brief: cached({ ttl: "30s", staleWhileRevalidate: "10m" }),
  ours: cached({ scope: "public" }),
  ours_tagged: cached({ scope: "public", tags: ["thing:{n}"] }),
  ours_brief: cached({ scope: "public", ttl: "30s", staleWhileRevalidate: "10m" }),
  bare: {},
  change: { write: { invalidates: ["thing:{n}", "strict"] } },
} as const;
const NAMES = Object.keys(TOOLS);
const CACHED = NAMES.filter((name) => /^own|^ours/.test(name));

/** What is asked, and whether the answer is for all of the tenant. */
interface Asked {
  method: string;
  params: Record<string, unknown>;
  isPublic: boolean;
}

function anyQuestion(random: () => number): Asked {
  const pick = <T>(all: readonly T[]) => all[Math.floor(random() * all.length)]!;
  const n = Math.floor(random() * 2);
  const kind = random();
  if (kind < 0.7) {
    const name = random() < 0.97 ? pick(CACHED) : pick(["bare", "change"]);
    return { method: "tools/call", params: { name, arguments: { n } }, isPublic: name.startsWith("ours") };
  }
  if (kind < 0.85) {
    const isPublic = random() < 0.5;
    return { method: "resources/read", params: { uri: `${isPublic ? "ours" : "own"}://${n}` }, isPublic };
  }
  const method = pick(["tools/list", "prompts/list", "resources/list"]);
  return { method, params: {}, isPublic: method !== "prompts/list" };
}

let worlds = 0;
const realNow = Date.now;

/** Lets so many operations happen, or as many as there are until somebody is told what is another's. */
export function play(seed: number, operations: number, build: Build = {}): Promise<{ met: Met; foreign?: Foreign }> {
  const id = `isolation-${++worlds}`;
  const stub = env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName(`${id} host`));
  return runInDurableObject(stub, (_, state) => new Play(id, state, seed, build).run(operations));
}

class Play {
  readonly #random: () => number;
  readonly #people = people();
  readonly #kv = new MovedKv();
  readonly #coalescers = new Map<string, Coalescer>();
  readonly #env: Cloudflare.Env;
  readonly #newApp: () => App;
  #apps: App[];
  readonly #background = new Set<Promise<unknown>>();
  /** How much later it is than it is, in ms. */
  #lateMs = 0;
  /** By trace: who asked, and what. */
  readonly #asking = new Map<string, Asked & { by: Person }>();
  /** What each number was made for. */
  readonly #made = new Map<number, Asked & { by: Person; isBeforeMove: boolean }>();
  #traces = 0;
  #disturbed = 0;
  readonly #disturbances: number;
  readonly met: Met = {
    operations: 0,
    hits: 0,
    stale: 0,
    shared: 0,
    renewed: 0,
    denied: 0,
    cut: 0,
    moved: 0,
    ended: 0,
    purged: 0,
  };
  #foreign: Foreign | undefined;

  constructor(id: string, state: DurableObjectState, seed: number, build: Build) {
    const { callers = (who) => who, flightKey, disturbances = 0.006 } = build;
    this.#disturbances = disturbances;
    this.#random = randomFrom(seed);
    const tokens = Object.fromEntries(
      this.#people.map(({ token, who: _, ...person }) => [token, callers(person)] as const),
    );
    const resources = { "ours://*": cached({ scope: "public" }), "own://*": cached({}) };
    const replica = resolve({
      origins: { [id]: { service: "ORIGIN", sync: { pulse: "1m", listen: "off" }, tools: TOOLS, resources } },
      access: { dev: { tokens }, roles: ROLES },
    });
    const of = (name: string) => {
      let one = this.#coalescers.get(name);
      if (!one) this.#coalescers.set(name, (one = new Coalescer(state, this.#env)));
      const fill = (request: FillRequest) => one.fill(flightKey ? { ...request, key: flightKey(request) } : request);
      return { fill, leave: one.leave.bind(one), forget: one.forget.bind(one) };
    };
    this.#env = {
      KV: this.#kv,
      ORIGIN_SYNC: env.ORIGIN_SYNC,
      COALESCER: { idFromName: String, get: of },
      ORIGIN: { fetch: (url: string, init: RequestInit) => this.#answer(new Request(url, init)) },
      ENTRY_SECRET: SECRET,
      REPLICA_LOG: "off",
    } as unknown as Cloudflare.Env;
    this.#newApp = () => createApp(replica, SILENT);
    this.#apps = [this.#newApp(), this.#newApp()];
  }

  async run(operations: number): Promise<{ met: Met; foreign?: Foreign }> {
    Date.now = () => realNow() + this.#lateMs;
    try {
      while (this.met.operations < operations && !this.#foreign) {
        if (this.#random() < this.#disturbances) await this.#disturb();
        else await this.#ask();
      }
      await this.#settle();
    } finally {
      Date.now = realNow;
    }
    return { met: this.met, ...(this.#foreign && { foreign: this.#foreign }) };
  }

  /** One asks, or several at once; often something that was asked before. */
  async #ask(): Promise<void> {
    const together = 1 + Math.floor(this.#random() ** 3 * 4);
    const question = anyQuestion(this.#random);
    const asks = Array.from({ length: together }, () => this.#askOne(this.#random() < 0.6 ? question : undefined));
    await Promise.all(asks);
  }

  async #askOne(question = anyQuestion(this.#random)): Promise<void> {
    const operation = ++this.met.operations;
    const random = this.#random;
    const by = this.#people[Math.floor(random() * this.#people.length)]!;
    const app = this.#apps[Math.floor(random() * this.#apps.length)]!;
    const trace = (++this.#traces).toString(16).padStart(32, "0");
    this.#asking.set(trace, { ...question, by });
    const isModern = random() < 0.7;
    const wantsNew = random() < 0.01;
    const { method, params } = question;
    const name = params["name"] ?? params["uri"];
    const meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {},
      "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
    };
    const body = { jsonrpc: "2.0", id: operation, method, params: isModern ? { ...params, _meta: meta } : params };
    const headers: Record<string, string> = {
      authorization: `Bearer ${by.token}`,
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      traceparent: `00-${trace}-0000000000000001-01`,
      ...(wantsNew && { "cache-control": "no-cache" }),
      "mcp-protocol-version": isModern ? "2026-07-28" : "2025-11-25",
      ...(isModern && { "mcp-method": method, ...(typeof name === "string" && { "mcp-name": name }) }),
    };
    const request = new Request("http://127.0.0.1/mcp", { method: "POST", headers, body: JSON.stringify(body) });
    const response = await this.#fetch(app, request);
    this.#check(operation, by, question, await response.text(), response.headers.get("cache-status") ?? "");
  }

  #check(operation: number, by: Person, { method, params, isPublic }: Asked, text: string, status: string): void {
    const what = `${by.who} ${method} ${JSON.stringify(params)}`;
    const isLimited = by.subject === LIMITED;
    if (isLimited && /^(ours|bare)/.test(`${params["name"] ?? params["uri"]}`)) {
      this.met.denied++;
      if (!text.includes('"denied"') || text.includes("number ")) this.#foreign = { operation, what };
      return;
    }
    const numbers = [...text.matchAll(/number (\d+)/g)].map(([, number]) => Number(number));
    // A list, and not what was moved to where lists stand.
    const isList = method.endsWith("/list") && numbers.every((number) => this.#made.get(number)?.method === method);
    if (isList && method !== "prompts/list") {
      if (isLimited) this.met.cut++;
      // What is cut for one is whole for the others.
      const isWhole = text.includes('"ours"');
      if (isWhole === isLimited) this.#foreign = { operation, what: `${what} was shown ${text.slice(0, 500)}` };
    }
    if (numbers.length === 0) this.#foreign = { operation, what: `${what} was told ${text.slice(0, 500)}` };
    const isHit = status.includes("; hit");
    if (isHit) this.met.hits++;
    if (text.includes('"status":"stale"')) this.met.stale++;
    for (const number of numbers) {
      const made = this.#made.get(number)!;
      const isSame = made.method === method && JSON.stringify(made.params) === JSON.stringify(params);
      // Whoever can write to KV can change what anybody may read there: not whose it is.
      const mayBeMoved = by.tenant === undefined && isPublic && made.isPublic && made.isBeforeMove;
      const isTheirs = made.by.tenant === by.tenant && (made.by.who === by.who || (made.isPublic && isPublic));
      if (!isTheirs || !(isSame || mayBeMoved)) {
        this.#foreign = { operation, what: `${what} was told what ${made.by.who} was: ${made.method}` };
      }
      if (isHit && made.by.who !== by.who) this.met.shared++;
      if (isHit && made.by.who === by.who && made.by.token !== by.token) this.met.renewed++;
    }
  }

  /** What happens besides: isolates end, flights are lost, an operator purges, time passes, values in KV are moved. */
  async #disturb(): Promise<void> {
    // The Coalescer writes after it has answered.
    await scheduler.wait(2);
    const random = this.#random;
    // Chance alone would leave out one of them now and then: of twenty each has its share.
    const kind = (((this.#disturbed++ * 7) % 20) + random()) / 20;
    if (kind < 0.2) {
      this.met.ended++;
      this.#apps[Math.floor(random() * this.#apps.length)] = this.#newApp();
      // Nor is anything left of what was brought a moment ago: what is known then is known from KV.
      if (random() < 0.7) this.#coalescers.clear();
    } else if (kind < 0.25) this.#kv.clear();
    else if (kind < 0.35) this.#lateMs += 40_000;
    else if (kind < 0.5) {
      const purge = random() < 0.5 ? { tags: [`thing:${Math.floor(random() * 3)}`] } : { tool: NAMES[0], hard: true };
      const request = new Request("http://127.0.0.1/admin/purge", { method: "POST", body: JSON.stringify(purge) });
      const purged = await this.#fetch(this.#apps[0]!, request);
      this.met.purged++;
      if (purged.status !== 200) throw new Error(`No purge: ${await purged.text()}`);
    } else {
      this.met.moved++;
      for (const made of this.#made.values()) made.isBeforeMove = true;
      const names = this.#kv.entries.sort(() => random() - 0.5);
      this.#kv.move(random() < 0.5 ? names : names.slice(0, 2));
      // And is read: by an isolate that knows nothing else.
      this.#coalescers.clear();
      this.#apps[Math.floor(random() * this.#apps.length)] = this.#newApp();
    }
  }

  #fetch(app: App, request: Request): Promise<Response> {
    const waitUntil = (work: Promise<unknown>) => {
      const going: Promise<unknown> = work.catch(() => {}).then(() => this.#background.delete(going));
      this.#background.add(going);
    };
    return Promise.resolve(app.fetch(request, this.#env, { waitUntil } as unknown as ExecutionContext));
  }

  /** Lets what goes on behind the answers come to its end. */
  async #settle(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background);
  }

  /** The origin. */
  async #answer(request: Request): Promise<Response> {
    const { id, method, params = {} } = await request.json<{ id?: unknown; method: string; params?: any }>();
    if (id === undefined) return new Response(null, { status: 202 });
    const isModern = params._meta !== undefined;
    const result = this.#resultOf(method, params, isModern, request.headers.get("traceparent")?.split("-")[1] ?? "");
    const message = JSON.stringify({
      jsonrpc: "2.0",
      id,
      result: isModern ? { resultType: "complete", ...result } : result,
    });
    if (params.name !== "change") return new Response(message, { headers: { "content-type": "application/json" } });
    // What it writes it also tells of.
    const told = ["tools", "prompts"].map((list) => ({ jsonrpc: "2.0", method: `notifications/${list}/list_changed` }));
    const events = [...told.map((one) => JSON.stringify(one)), message].map((data) => `data: ${data}\n\n`);
    return new Response(events.join(""), { headers: { "content-type": "text/event-stream" } });
  }

  #resultOf(method: string, params: any, isModern: boolean, trace: string): object {
    const capabilities = { tools: {}, resources: {}, prompts: {} };
    const own = { ttlMs: 600_000, cacheScope: "private" };
    if (method === "server/discover") return { supportedVersions: ["2026-07-28"], capabilities, ...own };
    if (method === "initialize") {
      return { protocolVersion: params.protocolVersion, capabilities, serverInfo: { name: "o", version: "1" } };
    }
    const asking = this.#asking.get(trace);
    if (!asking) throw new Error(`Nobody has asked for ${method}.`);
    const { _meta, ...asked } = params;
    const number = this.#made.size + 1;
    // What is behind an answer may be something else than what its caller has asked: a list, for instance.
    const isPublic =
      method === "tools/list" || method === "resources/list" || `${params.name ?? params.uri}`.startsWith("ours");
    this.#made.set(number, { method, params: asked, isPublic, by: asking.by, isBeforeMove: false });
    const hints = isModern && (isPublic ? { ...own, cacheScope: "public" } : own);
    const description = `number ${number}`;
    const annotations = { readOnlyHint: true };
    switch (method) {
      case "tools/list":
        return {
          tools: NAMES.map((name) => ({ name, description, annotations, inputSchema: { type: "object" } })),
          ...hints,
        };
      case "prompts/list":
        return { prompts: [{ name: "p", description }], ...hints };
      case "resources/list":
        return { resources: ["own", "ours"].map((name) => ({ name, uri: `${name}://1`, description })), ...hints };
      case "resources/read":
        return { contents: [{ uri: params.uri, text: description }], ...hints };
      default:
        return { content: [{ type: "text", text: description }] };
    }
  }
}
