import { DurableObject } from "cloudflare:workers";
import type { Bindings } from "../origin/callOrigin.ts";
import type { OriginFailure } from "../origin/failure.ts";
import { originSync } from "../origin/originSync.ts";
import type { OwnCallTools } from "../origin/OwnCalls.ts";
import { poolIn } from "../origin/poolIn.ts";
import { probeOrigin } from "../origin/probeOrigin.ts";
import { Alarm, type Duty } from "../sync/Alarm.ts";
import { pause } from "../sync/pause.ts";
import { consoleReporter } from "../telemetry/consoleReporter.ts";
import { reasonOf } from "../telemetry/events.ts";
import { newId } from "../telemetry/newId.ts";
import { Answers, plainView } from "./Answers.ts";
import { Deliveries } from "./Deliveries.ts";
import { Desk, type Decided } from "./Desk.ts";
import { eventLines } from "./eventLines.ts";
import { Intake } from "./Intake.ts";
import type { OperationFilter } from "./Ledger.ts";
import type { OperationShown, OutboxStatus } from "./OutboxStatus.ts";
import { Reach } from "./Reach.ts";
import { Readiness } from "./Readiness.ts";
import { SqlLedger } from "./SqlLedger.ts";
import type { OperationView, Submission, Submitted } from "./Submission.ts";
import { Told } from "./Told.ts";

/** A session that takes longer to be had is not waited for: nothing was sent. */
const POOL_MS = 15_000;
/** While something is being sent the object is woken so often: it is ended after a minute or so without anything to do. */
const AWAKE_MS = 30_000;
/** A probe may take as long as the call that waits for it (`firstByteMs`), but for origins that are given much longer than this. */
const PROBE_MS = 30_000;
/** What the operator decides of at once. */
const MOST_DECIDED = 1_000;
const MOST_LISTED = 1_000;

/**
 * Sends the writes of an origin: durably, in order, at most once unless it is safe to send them twice. Its callers wait
 * here for what becomes of them, or are promised that they will be sent. Each tenant's world has one of its own.
 */
export class Outbox extends DurableObject<Cloudflare.Env> {
  readonly #report = consoleReporter(this.env.REPLICA_LOG);
  readonly #failed = (error: unknown) =>
    this.#report({ type: "outbox-failed", origin: this.#reach.origin?.id ?? "-", reason: reasonOf(error) });
  readonly #bindings = this.env as unknown as Bindings;
  readonly #waitUntil = (work: Promise<unknown>) => this.ctx.waitUntil(work.catch(this.#failed));
  readonly #ledger = new SqlLedger(this.ctx.storage);
  readonly #desk = new Desk({ ledger: this.#ledger, now: Date.now, random: Math.random });
  readonly #reach = new Reach(
    this.#ledger,
    { bindings: this.#bindings, pool: inTime(poolIn(this.env)), waitUntil: this.#waitUntil, now: Date.now },
    this.env.ENTRY_SECRET,
  );
  readonly #told = new Told({
    origin: () => this.#reach.origin,
    say: (word) => originSync(this.env, word.origin).outbox(word),
    pending: () => this.#desk.pendingTags(),
    now: Date.now,
    failed: (error) =>
      this.#report({
        type: "sync-failed",
        operation: "outbox",
        origin: this.#reach.origin?.id ?? "-",
        reason: reasonOf(error),
      }),
  });
  readonly #readiness = new Readiness({
    health: async () => (await this.#told.tell())?.health,
    probe: () =>
      probeOrigin(this.#reach.origin!, this.#bindings, { isLegacy: this.#reach.isLegacy, timeoutMs: PROBE_MS }),
    ended: (ending, begunAt) => this.#told.ended(ending, begunAt),
    now: Date.now,
    random: Math.random,
  });
  readonly #arm = () => this.#alarm.arm();
  readonly #answers = new Answers({
    ledger: this.#ledger,
    desk: this.#desk,
    reach: this.#reach,
    told: this.#told,
    restMs: () => this.#readiness.restMs,
    arm: this.#arm,
  });
  readonly #deliveries = new Deliveries({
    ledger: this.#ledger,
    desk: this.#desk,
    reach: this.#reach,
    told: this.#told,
    readiness: this.#readiness,
    answers: this.#answers,
    arm: this.#arm,
    waitUntil: this.#waitUntil,
    now: Date.now,
    newId,
    report: this.#report,
  });
  readonly #pump = () => this.#waitUntil(this.#deliveries.pump());
  readonly #intake = new Intake({
    desk: this.#desk,
    reach: this.#reach,
    answers: this.#answers,
    pump: this.#pump,
    waitUntil: this.#waitUntil,
  });
  readonly #duty: Duty = { dueAt: () => this.#dueAt(), run: () => this.#run() };
  readonly #alarm = new Alarm(this.ctx.storage, [this.#duty], Date.now, this.#failed);

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    // Whatever ended the object before, nothing is being sent now; and what is due is done.
    const { lost } = this.#desk.recover();
    void ctx.blockConcurrencyWhile(() => this.#alarm.arm());
    if (lost.length > 0) this.#waitUntil(this.#changed(lost));
  }

  /** Takes a call in, and waits for what becomes of it. One that has been taken is not taken again, and may be waited for again. */
  async submit(submission: Submission): Promise<Submitted> {
    return this.#intake.submit(submission);
  }

  /** The same, with what the origin tells on the way: each a line of JSON, a `SubmissionEvent`. */
  async watch(submission: Submission): Promise<ReadableStream<Uint8Array>> {
    const { stream, push, end } = eventLines();
    const submitted = this.#intake.submit(submission, (progress) => push({ progress }));
    const told = submitted.then(
      (what) => {
        push({ submitted: what });
        end();
      },
      (error: unknown) => end(error),
    );
    this.#waitUntil(told);
    return stream;
  }

  /** The caller of a submission has left: what was not sent yet, nor promised, is as if it had never come. */
  async leave(id: string): Promise<void> {
    this.#intake.leave(id);
    this.#pump();
  }

  /** A principal's own operation; `undefined` where it has none of that id. */
  async view(id: string, principal: string): Promise<OperationView | undefined> {
    const operation = this.#ledger.get(id);
    return operation?.principal === principal ? this.#answers.view(operation) : undefined;
  }

  /** Takes a principal's own operation back, where it was not sent yet. How it stands then; `undefined` where it has none of that id. */
  async cancel(id: string, principal: string): Promise<OperationView | undefined> {
    const before = this.#ledger.get(id)?.state;
    const operation = this.#desk.cancel(id, principal);
    if (!operation) return undefined;
    if (operation.state !== before) await this.#changed([operation]);
    return this.#answers.view(operation);
  }

  /** The operator's list: the latest first, without arguments and outcomes. */
  async list(filter: OperationFilter): Promise<OperationView[]> {
    const { retentionMs } = this.#desk.limits;
    const listed = this.#ledger.list({ ...filter, limit: Math.min(filter.limit, MOST_LISTED) });
    return listed.map((operation) => plainView(operation, retentionMs));
  }

  /** One, with its arguments and its outcome; `undefined` where there is none of that id. */
  async show(id: string): Promise<OperationShown | undefined> {
    const operation = this.#ledger.get(id);
    if (!operation) return undefined;
    const payload = this.#ledger.payload(id);
    const args = payload === undefined ? undefined : await this.#reach.sealing.openArguments(operation, payload);
    return { ...(await this.#answers.view(operation)), ...(args !== undefined && { args }) };
  }

  /** Sends those again that are dead, ambiguous or discarded: whatever became of them before. */
  async redrive(ids: readonly string[]): Promise<Decided> {
    const decided = this.#desk.redrive(ids.slice(0, MOST_DECIDED));
    // Who was told that it has failed, is told that it goes on.
    for (const { id } of decided.done) this.#told.changed(id);
    await this.#changed(decided.done);
    return decided;
  }

  /** Gives those up that are not being sent, nor over: `why` is told to their callers. */
  async discard(ids: readonly string[], why: string): Promise<Decided> {
    const decided = this.#desk.discard(ids.slice(0, MOST_DECIDED), why);
    await this.#changed(decided.done);
    return decided;
  }

  /** Has everything that waits to be sent looked at now: no rest after a failure is kept. */
  async drain(): Promise<OutboxStatus> {
    this.#readiness.hasten();
    this.#desk.hurry(MOST_DECIDED);
    this.#pump();
    return this.status();
  }

  /** How it stands. */
  async status(): Promise<OutboxStatus> {
    return { ...this.#desk.status(), ...this.#deliveries.status, restMs: this.#readiness.restMs };
  }

  /** Does what is due. */
  override async alarm(): Promise<void> {
    await this.#alarm.goOff();
  }

  /** What follows from that these are not as they were; and others may be sent now. */
  async #changed(operations: Parameters<Deliveries["changed"]>[0][]): Promise<void> {
    // Together, for where nothing can be told, each would wait for that.
    await Promise.all(operations.map((one) => this.#deliveries.changed(one)));
    this.#pump();
    await this.#alarm.arm();
  }

  #dueAt(): number | undefined {
    const { canSend, againAt } = this.#deliveries;
    const now = Date.now();
    const times = [this.#desk.dueAt(canSend), this.#told.dueAt()];
    // What cannot be sent now is looked at again.
    const sendAt = canSend ? undefined : this.#desk.dueAt(true);
    if (sendAt !== undefined) times.push(Math.max(sendAt, againAt, now));
    // The platform ends an object of which nobody wants anything, whatever that waits for.
    if (this.#deliveries.status.sending > 0) times.push(now + AWAKE_MS);
    const known = times.filter((at) => at !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  async #run(): Promise<void> {
    this.#desk.forget();
    if (this.#told.hasNews) await this.#told.tell();
    await this.#deliveries.pump();
  }
}

/** The pool, which may hang: a sending does not. */
function inTime(pool: OwnCallTools["pool"]): OwnCallTools["pool"] {
  return async (request) => {
    const come = new AbortController();
    const late = pause(POOL_MS, come.signal).then(() => ({
      failure: { kind: "timeout", afterMs: POOL_MS } satisfies OriginFailure,
    }));
    const reply = await Promise.race([pool(request), late]);
    come.abort();
    return reply;
  };
}
