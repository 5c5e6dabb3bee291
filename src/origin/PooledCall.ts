import type { OriginSettings } from "../config/replica.ts";
import { answerTo } from "../mcp/answerTo.ts";
import { renamed, type CallNames } from "../mcp/CallNames.ts";
import { cancellation } from "../mcp/cancellation.ts";
import { endsSession } from "../mcp/endsSession.ts";
import { hear } from "../mcp/hear.ts";
import { newId } from "../telemetry/newId.ts";
import { callOrigin, type Bindings, type OriginRequest, type OriginResponse } from "./callOrigin.ts";
import type { OriginFailure } from "./failure.ts";
import { sessionHeaders, tellInSession } from "./inSession.ts";
import type { PooledSession, PoolReply, PoolRequest } from "./PooledSession.ts";
import { mediaType } from "./readReply.ts";
import { readSome } from "./readSome.ts";
import { resumed } from "./resumed.ts";
import type { Room } from "./Room.ts";

/** How often the session of a call that goes on is said to be in use. */
const KEEP_MS = 60_000;
/** An origin that asks more often than this in one call is not answered any more. */
const MAX_QUESTIONS = 20;
/** In the session that is remembered here, in that of the pool, and in a new one. */
const MAX_TRIES = 3;
const REFUSAL_MS = 2_000;
const REFUSAL_BYTES = 65_536;

/** It refuses a session, as often as it opens one: nothing was executed. */
export const FORGETFUL: OriginFailure = {
  kind: "garbage",
  detail: "it does not know the session that it has just opened",
};

/** What a call in a pooled session needs to know. */
export interface PooledCallOptions {
  origin: OriginSettings;
  bindings: Bindings;
  /** Gives the session. */
  session: (over: PoolRequest["over"]) => Promise<PoolReply>;
  /** The names that the caller gave the call. */
  caller: CallNames;
  waitUntil: (work: Promise<unknown>) => void;
  /** What may be held of its answer, together with others. */
  room?: Room | undefined;
}

/**
 * One call in a session that others use at the same time. It has names of its own there; what the origin asks on the
 * way is answered; and a session that turns out to be over is renewed, once.
 */
export class PooledCall {
  /** What the call is called in the session. */
  readonly names: CallNames;
  readonly caller: CallNames;
  readonly #options: PooledCallOptions;
  readonly #declined: string[] = [];
  readonly #givenUp = new AbortController();
  #session: PooledSession | undefined;
  /** Aborted when the call is to be given up, or its caller has left. */
  #gone: AbortSignal;
  #questions = 0;
  /** Runs once the origin has been told that nobody can be asked. */
  #patience: ReturnType<typeof setTimeout> | null = null;
  #keeping: ReturnType<typeof setInterval> | null = null;

  constructor(options: PooledCallOptions) {
    const id = `edge-replica-${newId()}`;
    this.names = { id, ...(options.caller.token !== undefined && { token: id }) };
    this.caller = options.caller;
    this.#options = options;
    this.#gone = this.#givenUp.signal;
  }

  /** What the origin wanted to ask a client for, and could not. */
  get declined(): readonly string[] {
    return this.#declined;
  }

  /** The origin's id of the session, for comparison. */
  get sessionId(): string | undefined {
    return this.#session?.id;
  }

  /**
   * Sends the request, and again where the origin says that there is no such session: then it has not been executed. What
   * this place remembers may be over, and so may what the pool does; what the pool has then opened is not.
   */
  async send(request: OriginRequest): Promise<OriginResponse> {
    let over: PoolRequest["over"];
    let refusal: Response | undefined;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const found = await this.#options.session(over);
      if ("failure" in found) return found;
      const { session, isNew } = found;
      // It goes on after all: what was refused is the request.
      if (refusal && session.serial === over?.serial) return this.#begun(refusal);
      this.#session = session;
      const called = await this.#sendIn(session, request);
      if ("failure" in called) return called;
      // An origin that has come to open no sessions knows of none that could be over.
      if (session.id === undefined) return this.#begun(called.response);
      const { response, ends } = await this.#looked(called.response);
      if (ends === "no" || (ends === "perhaps" && isNew)) return this.#begun(response);
      if (isNew) break;
      over = { serial: session.serial, isDoubtful: ends === "perhaps" };
      refusal = response;
    }
    return { failure: FORGETFUL };
  }

  /** Takes in an event of the call's stream, and answers where the origin asks something. */
  answer(event: string): void {
    if (!this.#session) return;
    const heard = hear(event, this.names, this.caller);
    if (heard.kind === "request") {
      // One that only goes on asking does not go on.
      if (this.#questions++ >= MAX_QUESTIONS) return;
      if (heard.method !== "ping") this.#declined.push(heard.method);
      this.#tell(answerTo(heard));
    }
    if (this.#declined.length === 0) return;
    // One that goes on without an answer may yet come to an end; one that is silent waits for what will not come.
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#givenUp.abort(), this.#options.origin.firstByteMs);
  }

  /** The call is over. Where it is without its answer, the origin learns that nobody waits any more. */
  end(isAnswered: boolean): void {
    clearTimeout(this.#patience);
    clearInterval(this.#keeping);
    if (!isAnswered && this.#session) this.#tell(cancellation(this.names.id));
    this.#session = undefined;
  }

  async #sendIn(session: PooledSession, request: OriginRequest): Promise<OriginResponse> {
    const { origin, bindings } = this.#options;
    const { abandoned, body, headers } = request;
    if (abandoned) this.#gone = AbortSignal.any([abandoned, this.#givenUp.signal]);
    const called = await callOrigin(origin, bindings, {
      ...request,
      headers: { ...headers, ...sessionHeaders(session) },
      ...(body !== undefined && { body: renamed(body, this.names) }),
      abandoned: this.#gone,
    });
    if ("failure" in called && (called.failure.kind === "timeout" || abandoned?.aborted)) this.end(false);
    return called;
  }

  /** Whether a response says that the session is over. What was read of it for that, is still there. */
  async #looked(response: Response): Promise<{ response: Response; ends: ReturnType<typeof endsSession> }> {
    if (response.status !== 404 && response.status !== 400) return { response, ends: "no" };
    const some = await readSome(response, REFUSAL_BYTES, REFUSAL_MS);
    const body = "whole" in some ? await new Blob(some.whole as Uint8Array<ArrayBuffer>[]).text() : "";
    if ("rest" in some) some.rest.cancel().catch(() => {});
    return { response: new Response(body, response), ends: endsSession(response.status, body, this.names.id) };
  }

  #begun(response: Response): OriginResponse {
    // A session that is in use is not closed for being idle, however long it takes.
    this.#keeping = setInterval(() => this.#options.waitUntil(this.#options.session(undefined)), KEEP_MS);
    const session = this.#session;
    if (mediaType(response) !== "text/event-stream" || !response.body || !session) return { response };
    const isLast = (event: string) => hear(event, this.names, this.caller).kind === "response";
    const again = (lastId: string) => this.#again(session, lastId);
    return { response: new Response(resumed(response.body, { isLast, again, room: this.#options.room }), response) };
  }

  /** What followed in the call's stream, from its session's. */
  async #again(session: PooledSession, lastId: string): Promise<ReadableStream<Uint8Array> | undefined> {
    const { origin, bindings } = this.#options;
    const headers = { accept: "text/event-stream", "last-event-id": lastId, ...sessionHeaders(session) };
    const called = await callOrigin(origin, bindings, { method: "GET", headers, abandoned: this.#gone });
    if ("failure" in called) return undefined;
    const { response } = called;
    if (response.status === 200 && mediaType(response) === "text/event-stream") return response.body ?? undefined;
    await response.body?.cancel().catch(() => {});
    return undefined;
  }

  #tell(message: string): void {
    const { origin, bindings, waitUntil } = this.#options;
    waitUntil(tellInSession(origin, bindings, this.#session!, message));
  }
}
